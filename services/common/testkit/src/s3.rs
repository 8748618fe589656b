//! A real S3 server for tests: it checks signatures (SigV4), keeps objects in a folder of its own and
//! misbehaves on request.

mod faults;
mod server;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Method;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use faults::Fault;
use server::State;

/// The one bucket of a server.
pub const BUCKET: &str = "imagioo-test";
/// Any region signs, as long as both sides name one.
pub const REGION: &str = "auto";
/// Who may read and write the bucket.
pub const ACCESS_KEY_ID: &str = "imagioo-test-key";
/// The secret of [`ACCESS_KEY_ID`]: known, because such a server holds nothing of worth.
pub const SECRET_ACCESS_KEY: &str = "imagioo-test-secret";

/// A server on a loopback port, gone with this value.
pub struct S3Server {
    endpoint: String,
    state: Arc<State>,
    /// Ends with the server.
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

impl S3Server {
    /// Starts a server with an empty bucket. Needs a runtime of tokio, which it must not outlive.
    ///
    /// # Errors
    /// Whatever keeps the folder from being made or the port from being bound.
    pub async fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join(BUCKET))?;
        let state = Arc::new(State::new(folder.path())?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(listener, Arc::clone(&state)));
        Ok(Self { endpoint, state, _tasks: tasks, _folder: folder })
    }

    /// Its address, without the bucket: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets the next `times` requests of that method fail so, after whatever was asked for earlier.
    pub fn inject(&self, method: &Method, fault: Fault, times: usize) {
        self.state.faults.inject(method, fault, times);
    }
}
