//! Billing as the gateway sees it: holds once per `request_id`, scripted refusals, and settlements.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use imagioo_proto::billing::v1::hold_service_server::{HoldService, HoldServiceServer};
use imagioo_proto::billing::v1::{HoldCreditsRequest, HoldCreditsResponse};
use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Decision, Queue, Subscription, topology};
use imagioo_rpc::{Code, RpcError, Server, caller, validated};
use imagioo_runtime::{Shutdown, net};
use imagioo_types::{ManualClock, ServiceName, UserId};
use tempfile::TempDir;
use tonic::{Request, Response, Status};

use super::Account;
use super::account::service_keys;

/// A scripted billing service. Clones share it.
#[derive(Clone)]
pub struct Billing {
    pub address: String,
    books: Arc<Mutex<Books>>,
    listening: Arc<Mutex<Shutdown>>,
}

#[derive(Default)]
struct Books {
    calls: usize,
    holds: Vec<Hold>,
    settled: Vec<GenerationSettled>,
    refusal: Option<Code>,
    loses_answers: bool,
}

/// Credits set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub owner: UserId,
    pub request_id: String,
    pub body_hash: Vec<u8>,
    pub generation: String,
    pub amount: i64,
}

/// What billing was told, in the order in which it arrived.
pub struct Settled(pub Vec<GenerationSettled>);

impl Settled {
    /// The settlement of one generation: charge and images. It must have been told once.
    pub fn of(&self, generation: &str) -> (i64, i32) {
        let told: Vec<_> = self.0.iter().filter(|settled| settled.generation == generation).collect();
        assert_eq!(told.len(), 1, "settled once: {told:?}");
        (told[0].charge, told[0].images)
    }
}

impl Billing {
    pub async fn start(
        folder: &TempDir,
        clock: &ManualClock,
        account: &Account,
        shutdown: &Shutdown,
    ) -> Self {
        let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let listening = Arc::new(Mutex::new(Shutdown::new(Duration::ZERO)));
        let billing = Self { address, books: Arc::default(), listening };
        let server = Server::internal(service_keys(folder, ServiceName::Billing, clock), account.verifier())
            .expect("a server")
            .add_service(HoldServiceServer::new(billing.clone()));
        let until = shutdown.clone();
        shutdown.spawn("billing", async move { server.serve(listener, &until).await.expect("served") });
        billing
    }

    /// Takes settlements from this queue, and from no other any more.
    pub async fn listen(&self, queue: &Queue) {
        self.stop_listening();
        let settled =
            queue.consume(Subscription::queue(topology::GENERATION_SETTLED, 16)).await.expect("a queue");
        let billing = self.clone();
        let listening = Shutdown::new(Duration::from_secs(5));
        let settling = imagioo_queue::run(settled, 16, listening.clone(), move |received| {
            billing.books().settled.push(received.payload);
            std::future::ready(Decision::Done)
        });
        listening.spawn("settlements", settling);
        *self.listening.lock().expect("listening") = listening;
    }

    /// Settlements stay where they are.
    pub fn stop_listening(&self) {
        self.listening.lock().expect("listening").force();
    }

    /// Every hold from now on is refused.
    pub fn refuse(&self, code: Code) {
        self.books().refusal = Some(code);
    }

    /// From now on holds are made, but the answer gets lost on its way.
    pub fn lose_answers(&self, loses: bool) {
        self.books().loses_answers = loses;
    }

    /// How often a hold was asked for.
    pub fn calls(&self) -> usize {
        self.books().calls
    }

    pub fn holds(&self) -> Vec<Hold> {
        self.books().holds.clone()
    }

    /// Every settlement that arrived until now, repetitions included.
    pub fn settled(&self) -> Settled {
        Settled(self.books().settled.clone())
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("books")
    }
}

#[tonic::async_trait]
impl HoldService for Billing {
    async fn hold_credits(
        &self,
        request: Request<HoldCreditsRequest>,
    ) -> Result<Response<HoldCreditsResponse>, Status> {
        let owner = caller(&request)?.identity.user;
        let asked = validated(request.into_inner())?;
        let mut books = self.books();
        books.calls += 1;
        let answer = books.hold(owner, asked)?;
        if books.loses_answers {
            return Err(RpcError::new(Code::Unavailable, "the line broke")
                .retry_after(Duration::ZERO)
                .into());
        }
        Ok(Response::new(answer))
    }
}

impl Books {
    fn hold(&mut self, owner: UserId, asked: HoldCreditsRequest) -> Result<HoldCreditsResponse, RpcError> {
        let known = |hold: &&Hold| hold.owner == owner && hold.request_id == asked.request_id;
        if let Some(hold) = self.holds.iter().find(known) {
            if hold.body_hash != asked.body_hash {
                return Err(
                    RpcError::new(Code::RequestIdReused, "another body").field("request_id", "reused")
                );
            }
            let (generation, amount) = (hold.generation.clone(), hold.amount);
            return Ok(HoldCreditsResponse { generation, amount, created: false });
        }
        if let Some(code) = self.refusal {
            return Err(RpcError::new(code, "refused by the script").detail("available", 0));
        }
        self.holds.push(Hold {
            owner,
            request_id: asked.request_id,
            body_hash: asked.body_hash.to_vec(),
            generation: asked.generation.clone(),
            amount: asked.amount,
        });
        Ok(HoldCreditsResponse { generation: asked.generation, amount: asked.amount, created: true })
    }
}
