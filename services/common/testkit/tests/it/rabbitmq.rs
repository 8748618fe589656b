//! The RabbitMQ that all tests of a run share.

use std::process::Stdio;

use imagioo_testkit::{TEST_POSTGRES, TEST_RABBITMQ};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::HANG;

/// `127.0.0.1:port` of an address with a password.
fn address(url: &str) -> String {
    url.rsplit('@').next().expect("a host").to_owned()
}

#[tokio::test]
async fn a_killed_test_kit_takes_its_rabbitmq_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = Command::new(env!("CARGO_BIN_EXE_imagioo-testkit"))
        .env(TEST_POSTGRES, "postgres://nobody@127.0.0.1/unused")
        .env_remove(TEST_RABBITMQ)
        .args(["run", "--data"])
        .arg(folder.path())
        .args(["--", "sh", "-c", r#"echo "$IMAGIOO_TEST_RABBITMQ"; read -r never"#])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(session.stdout.take().expect("a pipe")).lines();
    let url = timeout(HANG, lines.next_line()).await.expect("in time").expect("read").expect("an address");
    let mut client = TcpStream::connect(address(&url)).await.expect("it answers");
    session.kill().await.expect("it runs");
    // The broker's death closes the connection.
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest);
    let _closed_or_reset = timeout(HANG, end).await.expect("the broker is gone, too");
    // The node may close connections before it closes its port.
    let gone = async { while TcpStream::connect(address(&url)).await.is_ok() {} };
    timeout(HANG, gone).await.expect("the broker is gone, too");
}
