//! A home, a data folder and free ports for one test.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Longest time anything may take before the test counts as hung.
const HANG: Duration = Duration::from_secs(120);

pub(crate) struct House {
    folder: tempfile::TempDir,
    ports: [u16; 4],
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The database runs as another user when the tests run as root, and must pass through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, ports: imagioo_servers::free_ports().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a service's configuration file into the data folder.
    pub(crate) fn configure(&self, service: &str, text: &str) {
        let folder = self.path("data/config");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{service}.toml")), text).unwrap();
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Running {
        let mut command = self.server_command(self.ports[0], self.ports[1]);
        Running::start(command.args(arguments))
    }

    /// Tries to serve the same folder on other ports.
    pub(crate) fn serve_elsewhere(&self) -> Output {
        self.server_command(self.ports[2], self.ports[3]).output().unwrap()
    }

    fn server_command(&self, port: u16, ops: u16) -> Command {
        let mut command = self.command();
        command
            .arg("serve")
            .arg("--data")
            .arg(self.path("data"))
            .env("IMAGIOO_SERVE__LISTEN", format!("127.0.0.1:{port}"))
            .env("IMAGIOO_SERVE__OPS__LISTEN", format!("127.0.0.1:{ops}"));
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imagioo"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs a client command that must succeed; its JSON answer, or null when it printed none.
    pub(crate) fn imagioo(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "imagioo {arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// The same with something on standard input.
    pub(crate) fn imagioo_told(&self, arguments: &[&str], input: &str) -> Value {
        let said = self.says_when_told(arguments, input);
        assert_eq!(said.code, 0, "imagioo {arguments:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap_or(Value::Null)
    }

    /// What a client command says that is told something on standard input.
    pub(crate) fn says_when_told(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Said::of(&child.wait_with_output().unwrap())
    }

    /// A client command that goes on while the test does.
    pub(crate) fn running(&self, arguments: &[&str]) -> Running {
        Running::start(self.command().args(arguments))
    }

    /// The files of the server in which this text stands, as it is.
    pub(crate) fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let (mut folders, mut found) = (vec![self.path("data")], Vec::new());
        while let Some(folder) = folders.pop() {
            // Files of a running database come and go.
            for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).unwrap_or_default();
                let stands = bytes.windows(text.len()).any(|part| part == text.as_bytes());
                found.extend(stands.then_some(path));
            }
        }
        found
    }

    pub(crate) fn exit_code(&self, arguments: &[&str]) -> i32 {
        self.run(arguments).status.code().unwrap()
    }

    /// What a client command says and how it ends.
    pub(crate) fn says(&self, arguments: &[&str]) -> Said {
        Said::of(&self.run(arguments))
    }

    /// What a client command that must succeed shows beside its answer on a terminal with these variables.
    pub(crate) fn seen(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let size = Winsize { ws_row: 40, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(Some(&size), None).unwrap();
        let mut child = self
            .command()
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(terminal.slave)
            .spawn()
            .unwrap();
        let mut seen = Vec::new();
        // The last writer's end is an error here, not an end of file.
        let _ = fs::File::from(terminal.master).read_to_end(&mut seen);
        assert!(child.wait().unwrap().success());
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// The address of the server.
    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Credits free to spend.
    pub(crate) fn available(&self) -> i64 {
        self.imagioo(&["balance", "--json"])["available"].as_i64().unwrap()
    }

    /// Waits until every count of the operator's check is zero.
    pub(crate) fn wait_until_at_rest(&self) {
        let data = self.path("data");
        let server = self.address();
        let arguments = ["--server", &server, "admin", "check", "--json", "--data", data.to_str().unwrap()];
        self.until("at rest", || {
            let output = self.run(&arguments);
            let counts: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            let zero = counts.as_object().is_some_and(|counts| counts.values().all(|count| *count == 0));
            zero.then_some(())
        });
    }

    /// Waits until a generation has its outcome.
    pub(crate) fn wait_until_ended(&self, name: &str) -> Value {
        self.until(name, || {
            let output = self.run(&["show", name, "--json"]);
            let shown: Value = serde_json::from_slice(&output.stdout).ok()?;
            matches!(shown["state"].as_str()?, "succeeded" | "failed" | "cancelled").then_some(shown)
        })
    }

    /// Asks again and again, by a process each time, until there is an answer.
    fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        while begin.elapsed() < HANG {
            if let Some(answer) = ask() {
                return answer;
            }
        }
        panic!("hung waiting for {what}");
    }

    pub(crate) fn is_png(&self, path: &Path) -> bool {
        let mut magic = [0; 8];
        fs::File::open(path).unwrap().read_exact(&mut magic).unwrap();
        magic == *b"\x89PNG\r\n\x1a\n"
    }
}

/// What a command said, and the number it ended with.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// A process that goes on: `imagioo serve`, or a client that follows something.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test may have stopped listening.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that begins with this text; what follows it.
    pub(crate) fn line_after(&self, beginning: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(HANG).unwrap_or_else(|_| panic!("no line `{beginning}`"));
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The next line, as JSON.
    pub(crate) fn object(&self) -> Value {
        self.object_within(HANG).unwrap()
    }

    /// The same if it comes soon enough.
    pub(crate) fn object_within(&self, patience: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(patience).ok()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// Presses Ctrl-C; the server must end well.
    pub(crate) fn interrupt(self) {
        assert_eq!(self.interrupted(), 0);
    }

    /// The same where it is not the usual end: the number that it ends with.
    pub(crate) fn interrupted(mut self) -> i32 {
        self.signal(Signal::SIGINT);
        self.child.wait().unwrap().code().unwrap()
    }

    /// Waits until it ends by itself: the number that it ends with.
    pub(crate) fn ended(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    /// Ends the server as a power cut would, its database stays behind.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            // A failed test leaves no server behind; the database child follows its parent's lock at the next start.
            let _ = self.child.kill();
        }
    }
}
