//! The stack's PostgreSQL and the roles in it.

use async_trait::async_trait;
use imagioo_runtime::postgres::{Access, PostgresOptions, PrivatePostgres};
use imagioo_servers::Process;
use nix::unistd::Pid;

use crate::folder::Folder;

pub(crate) const NAME: &str = "postgres";
/// One database holds the schemas of all owners.
const DATABASE: &str = "imagioo";

/// A private server that runs already when it is made.
pub(crate) struct Database {
    server: Option<PrivatePostgres>,
    running: bool,
}

impl Database {
    /// Starts the server and prepares its roles.
    pub(crate) async fn start(folder: &Folder, durable: bool) -> anyhow::Result<(Self, Access)> {
        let options = PostgresOptions {
            fetch_into: Some(folder.server("programs")),
            durable,
            ..PostgresOptions::new(folder.server(NAME))
        };
        let server = PrivatePostgres::start(&options).await?;
        let access = server.ensure_database(DATABASE).await?;
        Ok((Self { server: Some(server), running: true }, access))
    }

    pub(crate) fn address(&self) -> String {
        let port = self.server.as_ref().map_or(0, PrivatePostgres::port);
        format!("127.0.0.1:{port}/{DATABASE}")
    }
}

#[async_trait]
impl Process for Database {
    async fn boot(&mut self) -> anyhow::Result<()> {
        if let Some(server) = self.server.as_mut().filter(|_| !self.running) {
            server.relaunch().await?;
            self.running = true;
        }
        Ok(())
    }

    async fn ended(&mut self) -> String {
        if let Some(server) = &mut self.server {
            server.ended().await;
        }
        self.running = false;
        "ended by itself".to_owned()
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        self.running = false;
        match self.server.take() {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.server.as_ref().and_then(PrivatePostgres::pid)
    }
}
