//! One supervised process: started, watched, and started again when it ends by itself.

use std::time::Duration;

use anyhow::Context as _;
use imagioo_servers::Process;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::state::{PartState, began};

/// The wait before the first restart; it doubles with every further one, up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A process that ran this long is well; the next restart waits as little as the first.
const WELL_AFTER: Duration = Duration::from_secs(20);

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Started and not ready yet.
    Starting,
    /// Ready when it was last started.
    Running,
    /// Ended by itself and about to be started again.
    Ended,
    /// Stopped on request.
    Stopped,
}

/// What is known about the process of a part.
#[derive(Debug, Clone, Copy)]
struct Seen {
    condition: Condition,
    pid: Option<Pid>,
    restarts: u32,
}

type Answer = oneshot::Sender<anyhow::Result<()>>;

enum Order {
    Signal(Signal, Answer),
    Restart(Answer),
    HoldDown(Answer),
    Stop(Answer),
}

/// A process under supervision. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Part {
    name: String,
    address: String,
    orders: mpsc::Sender<Order>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Part {
    /// Begins to supervise a process that does not run yet.
    pub(crate) fn start(name: String, address: String, process: impl Process + 'static) -> Self {
        let (orders, received) = mpsc::channel(1);
        let (tell, seen) = watch::channel(Seen { condition: Condition::Starting, pid: None, restarts: 0 });
        let watched = Watched { name: name.clone(), process: Box::new(process), orders: received, tell };
        #[expect(clippy::disallowed_methods, reason = "the part owns its task and waits for it")]
        let task = tokio::spawn(watched.run());
        Self { name, address, orders, seen, task }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the process has become ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let mut seen = self.seen.clone();
        let ready = seen.wait_for(|seen| seen.condition == Condition::Running).await;
        ready.map(drop).with_context(|| format!("{} is stopped", self.name))
    }

    pub(crate) fn state(&self) -> PartState {
        let Seen { condition, pid, restarts } = *self.seen.borrow();
        PartState {
            name: self.name.clone(),
            condition,
            pid: pid.map(Pid::as_raw),
            began: pid.and_then(began),
            restarts,
            address: self.address.clone(),
        }
    }

    pub(crate) async fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.order(|answer| Order::Signal(signal, answer)).await
    }

    /// Stops the process in order and starts it again; returns when it is stopped.
    pub(crate) async fn restart(&self) -> anyhow::Result<()> {
        self.order(Order::Restart).await
    }

    /// Stops the process in order; it stays so until it is restarted.
    pub(crate) async fn hold_down(&self) -> anyhow::Result<()> {
        self.order(Order::HoldDown).await
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let stopped = self.order(Order::Stop).await;
        self.task.await?;
        stopped
    }

    async fn order(&self, order: impl FnOnce(Answer) -> Order) -> anyhow::Result<()> {
        let (answer, answered) = oneshot::channel();
        let gone = || format!("{} is stopped", self.name);
        self.orders.send(order(answer)).await.ok().with_context(gone)?;
        answered.await.with_context(gone)?
    }
}

struct Watched {
    name: String,
    process: Box<dyn Process>,
    orders: mpsc::Receiver<Order>,
    tell: watch::Sender<Seen>,
}

/// What ended a phase of the process's life.
enum Turn {
    Ended(String),
    Ordered(Option<Order>),
}

impl Watched {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            self.see(Condition::Starting);
            let started = Instant::now();
            let turn = tokio::select! {
                booted = self.process.boot() => match booted {
                    Ok(()) => None,
                    Err(error) => Some(Turn::Ended(format!("{error:#}"))),
                },
                order = self.orders.recv() => Some(Turn::Ordered(order)),
            };
            let turn = match turn {
                Some(turn) => turn,
                None => self.watch().await,
            };
            match turn {
                Turn::Ordered(Some(Order::Restart(answer))) => {
                    // Nobody may be waiting for the answer.
                    answer.send(self.process.stop().await).unwrap_or_default();
                    wait = FIRST_WAIT;
                    continue;
                }
                Turn::Ordered(Some(Order::HoldDown(answer))) => {
                    let stopped = self.process.stop().await;
                    self.see(Condition::Stopped);
                    answer.send(stopped).unwrap_or_default();
                    if !self.told_to_go_on().await {
                        return;
                    }
                    wait = FIRST_WAIT;
                    continue;
                }
                Turn::Ordered(Some(Order::Stop(answer))) => {
                    let stopped = self.process.stop().await;
                    self.see(Condition::Stopped);
                    answer.send(stopped).unwrap_or_default();
                    return;
                }
                // While it starts there is nobody to signal.
                Turn::Ordered(Some(Order::Signal(_, answer))) => {
                    answer.send(Err(anyhow::anyhow!("{} is not ready", self.name))).unwrap_or_default();
                    continue;
                }
                Turn::Ordered(None) => return,
                Turn::Ended(how) => {
                    tracing::warn!(part = self.name, how, "ended by itself, starting it again");
                    self.see(Condition::Ended);
                    self.tell.send_modify(|seen| seen.restarts += 1);
                }
            }
            wait = if started.elapsed() > WELL_AFTER { FIRST_WAIT } else { wait };
            sleep(wait).await;
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    /// From being ready to what comes next.
    async fn watch(&mut self) -> Turn {
        self.see(Condition::Running);
        loop {
            tokio::select! {
                how = self.process.ended() => return Turn::Ended(how),
                order = self.orders.recv() => match order {
                    Some(Order::Signal(signal, answer)) => {
                        answer.send(self.process.signal(signal)).unwrap_or_default();
                    }
                    order => return Turn::Ordered(order),
                },
            }
        }
    }

    /// While it is held down: true when it is to be started again.
    async fn told_to_go_on(&mut self) -> bool {
        loop {
            match self.orders.recv().await {
                Some(Order::Restart(answer)) => {
                    answer.send(Ok(())).unwrap_or_default();
                    return true;
                }
                Some(Order::HoldDown(answer)) => answer.send(Ok(())).unwrap_or_default(),
                Some(Order::Signal(_, answer)) => {
                    answer.send(Err(anyhow::anyhow!("{} is stopped", self.name))).unwrap_or_default();
                }
                Some(Order::Stop(answer)) => {
                    answer.send(Ok(())).unwrap_or_default();
                    return false;
                }
                None => return false,
            }
        }
    }

    fn see(&self, condition: Condition) {
        let pid = self.process.pid();
        self.tell.send_modify(|seen| (seen.condition, seen.pid) = (condition, pid));
    }
}
