//! What a screen leaves in rows and logs.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use imagioo_rpc::Code;
use imagioo_runtime::Settings;
use imagioo_types::{ManualClock, Prompt};
use time::macros::datetime;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::config::Config;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A screen with these options, at noon.
async fn screen(options: &str) -> PromptScreen {
    let options = options.parse().expect("TOML");
    let settings = Settings::from_parts("gateway", crate::DEFAULTS, options).expect("well formed");
    let config: Config = settings.read().expect("complete");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(datetime!(2026-03-01 12:00 UTC)));
    let shutdown = Shutdown::new(std::time::Duration::ZERO);
    shutdown.request();
    PromptScreen::open(&config.screening, &clock, &shutdown).await.expect("a screen")
}

async fn decide(screen: &PromptScreen, prompt: &str) -> Result<Screened, RpcError> {
    let prompt = Prompt::parse(prompt.to_owned()).expect("a prompt");
    screen.screen(GenerationId::generate(), Wording::of(prompt)).await
}

#[tokio::test]
async fn s85_a_decision_names_who_decided_by_what_and_when() {
    let off = decide(&screen("").await, "a fox").await.expect("allowed");
    assert_eq!(off.decision(), "allow:off");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    std::fs::write(&path, "[[lists]]\ncategory = \"x\"\nterms = [\"wolf\"]\n").expect("written");
    let options = format!("screening = {{ screens = [\"lists\"], lists.files = [{path:?}] }}");
    let allowed = decide(&screen(&options).await, "a fox").await.expect("allowed");
    assert_eq!(allowed.decision(), "allow:lists=841529adb0a7;2026-03-01T12:00:00Z");
}

#[tokio::test]
async fn s85_what_is_blocked_or_cannot_be_screened_is_in_no_log_and_no_answer() {
    let (log, folder) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let path = folder.path().join("lists.toml");
    std::fs::write(&path, "[[lists]]\ncategory = \"animals\"\nterms = [\"wolf\"]\n").expect("written");
    let options = format!("screening = {{ screens = [\"lists\"], lists.files = [{path:?}] }}");
    let blocked = decide(&screen(&options).await, "canary and wolf").await.expect_err("blocked");
    assert_eq!(blocked.code(), Code::ContentPolicy);

    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", unused.local_addr().expect("bound"));
    drop(unused);
    let options = format!("screening = {{ screens = [\"http\"], http.base_url = \"{url}\" }}");
    let unknown = decide(&screen(&options).await, "canary and fox").await.expect_err("not reached");
    assert_eq!(unknown.code(), Code::Unavailable);

    let told = format!("{:?} {:?}", tonic::Status::from(blocked), tonic::Status::from(unknown));
    assert!(!told.contains("canary"), "{told}");
    let said = log.text();
    assert!(said.contains("prompt blocked") && said.contains("animals"), "{said}");
    assert!(said.contains("the moderation endpoint was not reached"), "{said}");
    assert!(!said.contains("canary") && !said.contains("wolf"), "{said}");
}
