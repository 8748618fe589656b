//! What every supervised process can be asked.

use async_trait::async_trait;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A program that is started, watched and stopped, and can be started again under the same address with the data it
/// left.
#[async_trait]
pub trait Process: Send {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// It ends early, or takes too long; the error quotes its last words.
    async fn boot(&mut self) -> anyhow::Result<()>;

    /// Waits until it ends by itself, and says how.
    async fn ended(&mut self) -> String;

    /// Lets it end in order, by force if need be. One that does not run is left alone.
    ///
    /// # Errors
    /// It had to be killed.
    async fn stop(&mut self) -> anyhow::Result<()>;

    /// Its main process, while it runs.
    fn pid(&self) -> Option<Pid>;

    /// Sends a signal to its main process.
    ///
    /// # Errors
    /// It does not run.
    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid().ok_or_else(|| anyhow::anyhow!("it does not run"))?;
        Ok(nix::sys::signal::kill(pid, signal)?)
    }
}
