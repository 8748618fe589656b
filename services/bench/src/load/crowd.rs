//! Funded users with API keys.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use imagioo_stack::User;

use crate::place::Place;

/// Sign-ups at once. Each costs some 20 ms of one core for its password.
const AT_ONCE: usize = 8;

/// Signs users up through the API, and waits for their credits. The gateway knows their keys afterwards.
pub(crate) async fn gather(place: &Place, users: usize) -> anyhow::Result<Arc<[User]>> {
    let doors = [place.stack.gateway(0)];
    let users = stream::iter(0..users).map(async |_| {
        let user = User::sign_up(&doors).await?;
        user.funded().await?;
        anyhow::Ok(user)
    });
    let users: Vec<_> = users.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(users.into())
}
