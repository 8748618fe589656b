//! A stack of one test, and what must be true of it at rest.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use imagioo_proto::generation::v1::{Generation, GenerationState};
use imagioo_stack::{Amend, Folder, Options, Stack, User};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// Nothing here takes this long unless it hangs.
pub const HANG: Duration = Duration::from_secs(120);

pub struct House {
    pub stack: Stack,
    gateways: u16,
    _folder: Evidence,
}

/// A folder that stays when its test fails.
struct Evidence(Option<TempDir>);

impl Drop for Evidence {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.0.take()
        {
            crate::say(&format!("logs are kept in {}", folder.keep().join("logs").display()));
        }
    }
}

/// Short times, so that what a dead process held is taken over within seconds, and credits for everything.
fn quick() -> Vec<(&'static str, toml::Table)> {
    let parse = |text: &str| text.parse().expect("TOML");
    vec![
        (
            "gateway",
            parse(
                "timing = { lease_seconds = 3, unstarted_seconds = 4, sweep_seconds = 1 }\n\
                   limits = { user_per_second = 10000, user_burst = 10000, address_per_minute = 10000, address_burst = 10000 }",
            ),
        ),
        ("billing", parse("registration = { credits = 1000 }")),
    ]
}

impl House {
    pub async fn start(gateways: u16, workers: u16) -> Self {
        Self::with(gateways, workers, Vec::new()).await
    }

    /// With more configuration for single services.
    pub async fn with(gateways: u16, workers: u16, overrides: Vec<(&'static str, toml::Table)>) -> Self {
        Self::amended(gateways, workers, (overrides, None)).await
    }

    /// With more configuration, and somebody who has the last word about it.
    pub async fn amended(
        gateways: u16,
        workers: u16,
        (overrides, amend): (Vec<(&'static str, toml::Table)>, Option<Amend>),
    ) -> Self {
        let evidence = Evidence(Some(reachable_folder()));
        let mut options = Options::for_tests(gateways, workers).expect("defaults");
        options.overrides = quick().into_iter().chain(overrides).collect();
        options.amend = amend;
        let place = Folder::new(evidence.0.as_ref().map(TempDir::path));
        let stack =
            timeout(HANG, Stack::start(&place, &options)).await.expect("in time").expect("the stack starts");
        timeout(HANG, stack.ready()).await.expect("in time").expect("the stack is ready");
        Self { stack, gateways, _folder: evidence }
    }

    pub fn doors(&self) -> Vec<String> {
        (0..self.gateways).map(|replica| self.stack.gateway(replica)).collect()
    }

    /// Somebody new, with credits.
    pub async fn user(&self) -> User {
        let user = User::sign_up(&self.doors()).await.expect("signed up");
        user.funded().await.expect("credits");
        user
    }

    /// Waits until nothing is open: no hold, no generation, no message, and the ledger is right.
    pub async fn at_rest(&self) {
        let deadline = Instant::now() + HANG;
        loop {
            let found = self.check().await;
            if found == r#"{"open_holds":0,"conservation":0,"non_terminal":0,"outbox":0}"# {
                return;
            }
            assert!(Instant::now() < deadline, "not at rest: {found}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits for something that happens by itself.
    pub async fn until(&self, what: &str, happened: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + HANG;
        while !happened().await {
            assert!(Instant::now() < deadline, "still waiting until {what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// How often a part has ended by itself.
    pub fn restarts(&self, part: &str) -> u32 {
        let parts = self.stack.parts();
        parts.iter().find(|seen| seen.name == part).expect("a part").restarts
    }

    /// What `imagioo admin check --json` prints.
    async fn check(&self) -> String {
        self.admin(&["check"]).await.1
    }

    /// Whether `imagioo --json admin …` of the operator succeeds, and what it prints.
    pub async fn admin(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(program("imagioo"))
            .args(["--json", "--server", &self.stack.gateway(0), "admin"])
            .args(&arguments[..1])
            .arg("--keys-dir")
            .arg(self.stack.folder().keys())
            .args(&arguments[1..])
            .env("IMAGIOO_CONFIG_DIR", self.stack.folder().path())
            .stdin(Stdio::null())
            .output()
            .await
            .expect("it runs");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        (output.status.success(), said.trim().to_owned())
    }

    /// Everything this person asked for has ended in one outcome, was charged exactly when delivered, and can be
    /// downloaded. Returns how many succeeded.
    pub async fn settled(&self, user: &User, credits_before: i64) -> usize {
        let all = user.all_ended(HANG).await.expect("everything ends");
        self.at_rest().await;
        let charged: i64 = all.iter().map(|generation| generation.charge).sum();
        let balance = user.balance().await.expect("a balance");
        assert_eq!((balance.available, balance.reserved), (credits_before - charged, 0), "{all:?}");
        for generation in &all {
            let delivered = i64::try_from(generation.images.len()).expect("few");
            assert_eq!(generation.state() == GenerationState::Succeeded, delivered > 0, "{generation:?}");
            assert_eq!(generation.charge, delivered * generation.price / i64::from(generation.count));
        }
        for image in all.iter().flat_map(|generation| &generation.images) {
            user.download(image).await.expect("it is kept");
        }
        all.iter().filter(|generation| succeeded(generation)).count()
    }

    pub async fn stop(self) {
        timeout(HANG, self.stack.stop()).await.expect("in time").expect("everything ends in order");
    }
}

pub fn succeeded(generation: &Generation) -> bool {
    generation.state() == GenerationState::Succeeded
}

/// PostgreSQL may run as another user, who cannot pass through a private folder.
pub fn reachable_folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).expect("mode");
    folder
}

/// A program of the workspace.
pub fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_imagioo-stack"));
    let path = own.with_file_name(name);
    assert!(path.is_file(), "{} is not built: `make test` does that", path.display());
    path
}
