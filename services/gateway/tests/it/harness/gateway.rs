//! One replica of the real gateway on ephemeral loopback ports.

use std::sync::Arc;
use std::time::Duration;

use imagioo_cache::Cache;
use imagioo_gateway::{Config, Parts};
use imagioo_queue::Queue;
use imagioo_rpc::plain_endpoint;
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::{Shutdown, net};
use imagioo_storage::Storage;
use imagioo_types::ManualClock;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use super::{User, eventually, within};

/// A running gateway.
pub struct Gateway {
    /// The public port as any client reaches it.
    pub public: Channel,
    /// Address of the public port.
    pub address: String,
    /// Address of the internal port.
    pub internal: String,
    /// What orchestrators are told.
    pub readiness: Readiness,
    shutdown: Shutdown,
    ended: Option<oneshot::Receiver<anyhow::Result<()>>>,
}

impl Gateway {
    pub async fn start(
        config: Config,
        queue: &Queue,
        cache: &Cache,
        storage: &Storage,
        clock: &ManualClock,
    ) -> Self {
        let (public, public_address) = port().await;
        let (internal, internal_address) = port().await;
        let readiness = Readiness::new();
        let parts = Parts {
            public,
            internal,
            queue: queue.clone(),
            cache: cache.clone(),
            storage: storage.clone(),
            clock: Arc::new(clock.clone()),
            readiness: readiness.clone(),
        };
        let shutdown = Shutdown::new(Duration::from_secs(20));
        let (ending, ended) = oneshot::channel();
        let serving = imagioo_gateway::serve(config, parts, shutdown.clone());
        shutdown.spawn("gateway", async move {
            drop(ending.send(serving.await));
        });
        Self {
            public: plain_endpoint(&public_address).expect("an address").connect_lazy(),
            address: public_address,
            internal: internal_address,
            readiness,
            shutdown,
            ended: Some(ended),
        }
    }

    /// Waits until this user can read, and fails at once if the gateway did not even start.
    pub async fn serves(&mut self, user: &User) {
        let user = user.at(self);
        eventually("the gateway takes calls", async || {
            if let Some(Ok(ended)) = self.ended.as_mut().map(oneshot::Receiver::try_recv) {
                panic!("the gateway did not start: {ended:?}");
            }
            user.list(1, "").await.is_ok()
        })
        .await;
    }

    /// Asks the gateway to stop and waits until it has; it must need no force.
    pub async fn stop(&mut self) {
        self.shutdown.request();
        let ended = self.ended.take().expect("stopped once");
        within("the gateway stops", ended).await.expect("the server ended").expect("it ended well");
        within("everything behind it ends", self.shutdown.drained()).await;
        assert!(!self.shutdown.is_forced(), "everything ended by itself");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.force();
    }
}

async fn port() -> (TcpListener, String) {
    let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, address)
}
