//! `imagioo-stack up`, `status`, `logs` and `down`, as `make` calls them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use imagioo_stack::{Folder, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::house::reachable_folder;

/// A folder whose stack is stopped however the test ends.
struct Place {
    folder: TempDir,
    port: String,
}

impl Place {
    fn new() -> Self {
        // Below the ports of outgoing connections, and where nobody is.
        let free = |first: u16| {
            [0, 100, 101, 110, 120, 121, 130, 140, 199]
                .iter()
                .all(|n| TcpListener::bind(("127.0.0.1", first + n)).is_ok())
        };
        let port = (30_400..32_000).step_by(200).find(|first| free(*first)).expect("200 ports in a row");
        Self { folder: reachable_folder(), port: port.to_string() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_imagioo-stack"))
            .args(arguments)
            .env("IMAGIOO_STACK_DIR", self.folder.path())
            .env("IMAGIOO_STACK__PORT", &self.port)
            .env("IMAGIOO_STACK__POSTGRES__DURABLE", "false")
            .output()
            .expect("it runs")
    }

    fn well(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    fn state(&self) -> State {
        State::read(&Folder::new(Some(self.folder.path()))).expect("a state")
    }

    /// Runs the command line as a person at this stack.
    fn imagioo(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(crate::house::program("imagioo"));
        command.args(["--profile", "stack"]).args(arguments);
        command.env("IMAGIOO_CONFIG_DIR", self.folder.path().join("cli")).output().expect("it runs")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

#[test]
fn it_comes_up_survives_its_own_death_and_goes_down_with_all_data_kept() {
    let place = Place::new();
    assert_eq!(place.run(&["status"]).status.code(), Some(3), "nothing runs");
    place.well(&["down"]);

    let said = place.well(&["up"]);
    assert!(said.contains("imagioo is up"), "{said}");
    assert!(place.well(&["up"]).contains("already running"));
    assert!(place.well(&["status"]).lines().skip(1).all(|line| line.contains(" ready ")));
    let server = format!("http://127.0.0.1:{}", place.port);
    let mut sign_up = Command::new(crate::house::program("imagioo"));
    sign_up.args(["--profile", "stack", "--server", &server, "signup", "--email", "fox@example.org"]);
    sign_up.arg("--password-stdin").env("IMAGIOO_CONFIG_DIR", place.folder.path().join("cli"));
    assert!(with_input(sign_up, "correct horse battery staple\n"));
    assert!(place.well(&["logs", "--no-follow", "account"]).contains("account created"));

    // A killed supervisor, and with it the guards of two processes, so that these go on.
    let state = place.state();
    let holder = || Folder::new(Some(place.folder.path())).holder().expect("readable");
    let supervisor = holder().expect("it runs");
    for name in ["account", "redis"] {
        kill(guard_of(pid_of(&state, name)), Signal::SIGKILL).expect("it runs");
    }
    kill(supervisor, Signal::SIGKILL).expect("it runs");
    while holder().is_some() {}
    // Whoever wants no stack any more can say so, too.
    assert!(place.well(&["down"]).contains("left running"));
    assert!(place.well(&["down"]).contains("nothing runs"));
    place.well(&["up"]);
    let again = place.state();
    for name in ["account", "redis"] {
        assert_ne!(pid_of(&state, name), pid_of(&again, name));
        assert!(!Path::new(&format!("/proc/{}", pid_of(&state, name))).exists(), "the old {name} is gone");
    }
    let listed = place.imagioo(&["whoami"]);
    assert!(listed.status.success(), "the account is still there: {listed:?}");

    place.well(&["down"]);
    assert_eq!(place.run(&["status"]).status.code(), Some(3));
    for part in again.parts {
        let gone = part.pid.is_none_or(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        assert!(gone, "{} is gone", part.name);
    }
}

#[test]
fn a_taken_port_is_refused_with_its_number() {
    let place = Place::new();
    let taken =
        (32_200..32_400).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let output = Command::new(env!("CARGO_BIN_EXE_imagioo-stack"))
        .arg("up")
        .env("IMAGIOO_STACK_DIR", place.folder.path())
        .env("IMAGIOO_STACK__PORT", port.to_string())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("port {port} is taken")), "{said}");
}

fn pid_of(state: &State, name: &str) -> Pid {
    let part = state.parts.iter().find(|part| part.name == name).expect("a part");
    Pid::from_raw(part.pid.expect("it runs"))
}

/// The leader of a process's group, which ends the group when the supervisor is gone.
fn guard_of(pid: Pid) -> Pid {
    nix::unistd::getpgid(Some(pid)).expect("it runs")
}

fn with_input(mut command: Command, input: &str) -> bool {
    use std::io::Write as _;
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait().expect("it ends").success()
}
