//! So many generations and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::try_join_all;
use imagioo_stack::User;

use super::driver::Submit as _;
use super::submitter::{Accepted, Submitter};

/// Clients at once.
const CLIENTS: usize = 64;

/// Submits as many as that for the users in turn, as fast as they are accepted.
pub(crate) async fn fill(users: &Arc<[User]>, wanted: u64) -> anyhow::Result<()> {
    let begun = AtomicU64::new(0);
    let clients = Submitter::several(users, CLIENTS, &Accepted::default()).into_iter();
    let submit = async |mut client: Submitter| {
        while begun.fetch_add(1, Ordering::Relaxed) < wanted {
            client.submit().await?;
        }
        anyhow::Ok(())
    };
    try_join_all(clients.map(submit)).await.map(drop)
}
