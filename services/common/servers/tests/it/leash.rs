//! A child ends with the process that started it.

use std::process::Stdio;
use std::time::Duration;

use imagioo_servers::Leash;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::HANG;

/// A process that has a child of its own, and says so.
fn family() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn letting_go_of_a_leash_kills_the_child_and_its_children() {
    let mut leash = Leash::spawn(&mut family()).expect("started");
    let mut output = BufReader::new(leash.pipes().1.expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).await.expect("the grandchild's id");
    let grandchild = Pid::from_raw(line.trim().parse().expect("a number"));
    kill(grandchild, None).expect("it lives");
    drop(leash);
    // Whoever lives holds the pipe open.
    timeout(HANG, output.read_to_end(&mut Vec::new())).await.expect("all are gone").expect("closed");
}

#[tokio::test]
async fn a_child_that_ignores_the_request_to_stop_is_killed() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 600; done"]).stdout(Stdio::piped());
    let mut leash = Leash::spawn(&mut command).expect("started");
    let mut output = BufReader::new(leash.pipes().1.expect("a pipe"));
    output.read_line(&mut String::new()).await.expect("the trap is set");
    let stopped = timeout(HANG, leash.stop(Duration::from_millis(100))).await.expect("in time");
    assert!(stopped.is_err(), "it had to be killed");
    assert!(leash.has_ended());
    assert!(leash.signal(Signal::SIGTERM).is_err(), "nobody else gets its signals");
}
