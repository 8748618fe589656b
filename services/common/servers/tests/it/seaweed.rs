//! A private SeaweedFS.

use imagioo_servers::{Process as _, SeaweedFs};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::HANG;

#[tokio::test]
async fn a_private_seaweedfs_answers_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = SeaweedFs::keep(folder.path()).await.expect("a program");
    let address = store.endpoint().trim_start_matches("http://").to_owned();
    timeout(HANG, store.boot()).await.expect("in time").expect("it starts");
    TcpStream::connect(&address).await.expect("it answers");
    timeout(HANG, store.stop()).await.expect("in time").expect("it stops");
    crate::closed(&address).await;
    let again = SeaweedFs::keep(folder.path()).await.expect("a program");
    assert_eq!(store.credentials(), again.credentials(), "its secret stays with its data");
}
