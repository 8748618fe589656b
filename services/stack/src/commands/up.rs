//! `up`: the supervisor in the background, and the wait until everything is ready.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use imagioo_stack::{Condition, Folder, Phase, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::{Exit, LOOK, say, table};

pub(super) fn run(folder: &Folder) -> anyhow::Result<Exit> {
    if let Some(pid) = folder.holder()? {
        say(&format!("already running (process {pid}); for a new build run `make down` first"))?;
        return super::status::run(folder);
    }
    let log = folder.logs().join("stack.log");
    let mut supervisor = launch(folder, &log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let state = runtime.block_on(wait(folder, &mut supervisor, &log))?;
    say(&format!("imagioo is up\n{}\n{}", table::of(&state), hints(folder, &state)))?;
    Ok(Exit::Well)
}

/// In a session of its own, so that it outlives this terminal.
fn launch(folder: &Folder, log: &Path) -> anyhow::Result<Child> {
    fs::create_dir_all(folder.logs()).with_context(|| {
        format!("cannot create {}: choose another folder with --data", folder.path().display())
    })?;
    let output = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))?;
    Command::new("setsid")
        .arg(std::env::current_exe()?)
        .arg("serve")
        .arg("--data")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("setsid cannot be run: install util-linux")
}

async fn wait(folder: &Folder, supervisor: &mut Child, log: &Path) -> anyhow::Result<State> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let own = i32::try_from(supervisor.id()).map(Pid::from_raw)?;
    let mut told = BTreeSet::new();
    loop {
        if let Some(status) = supervisor.try_wait()? {
            let said = fs::read_to_string(log).unwrap_or_default();
            bail!("the stack ended with {status}; {} says:\n{}", log.display(), said.trim());
        }
        // Only its own word counts, not what an earlier one left.
        if let Some(state) = State::read(folder).filter(|_| folder.holder().is_ok_and(|pid| pid == Some(own)))
        {
            for part in state.parts.iter().filter(|part| part.condition == Condition::Running) {
                if told.insert(part.name.clone()) {
                    say(&format!("{} is ready", part.name))?;
                }
            }
            if state.phase == Phase::Up {
                return Ok(state);
            }
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = interrupts.recv() => {
                // Fails only when it has just ended.
                kill(own, Signal::SIGTERM).unwrap_or_default();
                supervisor.wait()?;
                bail!("interrupted; nothing runs");
            }
        }
    }
}

fn hints(folder: &Folder, state: &State) -> String {
    let gateway = state.parts.iter().find(|part| part.name == "gateway-1").map_or("", |part| &part.address);
    let (keys, logs) = (folder.keys(), folder.logs());
    format!(
        "sign up:   target/debug/imagioo --profile stack --server http://{gateway} signup --email you@example.org\n\
         generate:  target/debug/imagioo --profile stack generate \"a red fox\" -o fox.png\n\
         check:     target/debug/imagioo --profile stack admin check --keys-dir {}\n\
         logs:      make logs, or {}\n\
         stop:      make down",
        keys.display(),
        logs.display()
    )
}
