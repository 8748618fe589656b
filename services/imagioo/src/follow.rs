//! Following a generation to its end, across lost connections and restarts of the server.

use std::time::Duration;

use imagioo_proto::generation::v1::{Generation, GenerationState, Preview, WatchGenerationRequest};

use crate::backoff::Backoff;
use crate::client::{self, Client};
use crate::failure::Failure;

mod all;

pub(crate) use all::all;

/// The server sends something every few seconds; a stream that is silent for this long is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// Something to show while following.
#[derive(Debug)]
pub(crate) enum Sight<'a> {
    /// The generation after a change.
    Changed(&'a Generation),
    /// A picture of an unfinished image of a generation.
    Preview(&'a str, &'a Preview),
    /// The connection is lost and tried again.
    Lost,
}

/// Whether nothing more will happen to a generation.
pub(crate) fn has_ended(generation: &Generation) -> bool {
    use GenerationState::{Cancelled, Failed, Succeeded};
    matches!(generation.state(), Succeeded | Failed | Cancelled)
}

/// Follows a generation until it has ended.
///
/// # Errors
/// [`Failure::LostSight`] when the server stays away, or what it refuses.
pub(crate) async fn to_the_end(
    client: &Client,
    name: &str,
    mut show: impl FnMut(Sight<'_>),
) -> Result<Generation, Failure> {
    let mut backoff = Backoff::for_stream();
    loop {
        let broken = match watch(client, name, &mut backoff, &mut show).await {
            Ok(Some(ended)) => return Ok(ended),
            // A server that stops ends the stream early.
            Ok(None) => None,
            Err(failure) if failure.is_transient() => Some(failure),
            Err(failure) => return Err(failure),
        };
        show(Sight::Lost);
        if !backoff.pause().await {
            let cause = Box::new(broken.unwrap_or(Failure::Incomplete("the end of the generation")));
            return Err(Failure::LostSight { name: name.to_owned(), cause });
        }
    }
}

/// Watches over one connection: the ended generation, or nothing when the stream ended before. A connection counts as
/// good once it says more than the state it starts with.
async fn watch(
    client: &Client,
    name: &str,
    backoff: &mut Backoff,
    show: &mut impl FnMut(Sight<'_>),
) -> Result<Option<Generation>, Failure> {
    let message = WatchGenerationRequest { name: name.to_owned(), after_version: 0 };
    let mut steps = client
        .call(message, async |channel, request| client::generations(channel).watch_generation(request).await)
        .await?;
    let mut is_first = true;
    while let Ok(step) = tokio::time::timeout(SILENCE, steps.message()).await {
        let Some(step) = step.map_err(|status| client.failure(status))? else { break };
        if !std::mem::take(&mut is_first) {
            backoff.reset();
        }
        if let Some(preview) = &step.preview {
            show(Sight::Preview(name, preview));
        }
        let Some(generation) = step.generation else { continue };
        show(Sight::Changed(&generation));
        if has_ended(&generation) {
            return Ok(Some(generation));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::{StreamExt as _, stream};
    use imagioo_proto::generation::v1::WatchGenerationResponse;
    use imagioo_rpc::RpcError;
    use tonic::Status;

    use super::*;
    use crate::client::fake::Fake;
    use crate::exit::Exit;

    fn step(state: GenerationState) -> Result<WatchGenerationResponse, Status> {
        let generation = Generation { state: state.into(), ..Generation::default() };
        Ok(WatchGenerationResponse { generation: Some(generation), preview: None })
    }

    /// A server whose nth stream is the nth of these.
    fn streams(streams: Vec<Vec<Result<WatchGenerationResponse, Status>>>) -> Fake {
        let next = AtomicUsize::new(0);
        let watch = move |_| stream::iter(streams[next.fetch_add(1, Ordering::Relaxed)].clone()).boxed();
        Fake { watch: Some(Arc::new(watch)), ..Fake::default() }
    }

    #[tokio::test]
    async fn the_end_is_seen_across_lost_connections() {
        use GenerationState::{Queued, Running, Succeeded};
        let server = streams(vec![
            vec![step(Queued)],
            vec![step(Running), Err(Status::unavailable("stopping"))],
            vec![step(Running), Ok(WatchGenerationResponse::default()), step(Succeeded)],
        ]);
        let mut sights = Vec::new();
        let client = server.start().await;
        let ended = to_the_end(&client, "generations/gen_1", |sight| {
            sights.push(match sight {
                Sight::Changed(generation) => Some(generation.state()),
                Sight::Preview(..) | Sight::Lost => None,
            });
        });
        assert_eq!(ended.await.expect("ended").state(), Succeeded);
        assert_eq!(sights, [Some(Queued), None, Some(Running), None, Some(Running), Some(Succeeded)]);
    }

    #[tokio::test]
    async fn a_refusal_is_final() {
        let server = streams(vec![vec![Err(RpcError::not_found("generation").into())]]);
        let failure =
            to_the_end(&server.start().await, "generations/gen_1", |_| {}).await.expect_err("refused");
        assert_eq!(failure.exit(), Exit::NotFound);
    }
}
