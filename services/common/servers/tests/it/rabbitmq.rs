//! A private RabbitMQ of one's own.

use imagioo_servers::{Process as _, RabbitMq};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::HANG;

/// `127.0.0.1:port` of an address with a password.
fn address(url: &str) -> String {
    url.rsplit('@').next().expect("a host").to_owned()
}

#[tokio::test]
async fn a_private_rabbitmq_can_be_killed_started_again_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = RabbitMq::prepare(folder.path()).await.expect("programs");
    let address = address(&broker.url());
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(TcpStream::connect(&address).await.is_err(), "nothing runs yet");
    broker.boot().await.expect("it starts");
    TcpStream::connect(&address).await.expect("it answers");
    broker.kill().await.expect("it runs");
    crate::closed(&address).await;
    broker.boot().await.expect("it starts again");
    broker.control(&["await_startup"]).await.expect("it is the same node");
    timeout(HANG, broker.stop()).await.expect("in time").expect("it stops");
    assert!(TcpStream::connect(&address).await.is_err(), "it is gone");
    drop(broker);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "and its data with it");
}

#[tokio::test]
async fn a_kept_node_is_the_same_node_the_next_time() {
    let folder = tempfile::tempdir().expect("a folder");
    for queues_before in [0, 1] {
        let mut broker = RabbitMq::keep(folder.path()).await.expect("programs");
        broker.boot().await.expect("it starts");
        broker.control(&["await_startup"]).await.expect("started");
        let declared = format!(
            "{queues_before} = length(rabbit_amqqueue:list()), \
             rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"kept\">>), true, false, [], none, <<\"test\">>)."
        );
        broker.control(&["eval", &declared]).await.expect("the queue of the last run is there");
        broker.stop().await.expect("it stops");
    }
}
