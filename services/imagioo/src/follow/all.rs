//! Following everything that somebody has, without end, across lost connections and restarts of the server.

use std::collections::HashMap;
use std::time::Duration;

use imagioo_proto::generation::v1::{Generation, Progress, WatchGenerationsRequest};

use super::Sight;
use crate::backoff::Backoff;
use crate::client::{self, Client};
use crate::failure::Failure;

/// As for one generation.
const SILENCE: Duration = super::SILENCE;

/// Generations that are known to have been shown. Whatever is forgotten may be shown twice.
const REMEMBERED: usize = 10_000;

/// What tells two copies of a generation apart.
#[derive(PartialEq)]
struct Seen {
    version: i64,
    progress: Option<Progress>,
    queue_position: Option<i64>,
}

impl Seen {
    fn of(Generation { version, progress, queue_position, .. }: &Generation) -> Self {
        Self { version: *version, progress: progress.clone(), queue_position: *queue_position }
    }
}

/// Follows all generations from a cursor on, an empty one for what is open now, until `show` fails. A generation that
/// comes again unchanged is shown once; the cursor tells where to go on another time.
///
/// # Errors
/// The error of `show`, what the server refuses, or [`Failure::Unreachable`] when it stays away.
pub(crate) async fn all(
    client: &Client,
    mut cursor: String,
    mut show: impl FnMut(Sight<'_>, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut backoff, mut seen) = (Backoff::for_stream(), HashMap::new());
    loop {
        let broken = match watch(client, &mut cursor, &mut seen, &mut backoff, &mut show).await {
            Ok(()) => None,
            Err(failure) if failure.is_transient() => Some(failure),
            Err(failure) => return Err(failure),
        };
        show(Sight::Lost, &cursor)?;
        if !backoff.pause().await {
            return Err(broken.unwrap_or(Failure::Incomplete("more of the stream")));
        }
    }
}

/// Watches over one connection until it ends.
async fn watch(
    client: &Client,
    cursor: &mut String,
    seen: &mut HashMap<String, Seen>,
    backoff: &mut Backoff,
    show: &mut impl FnMut(Sight<'_>, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let message = WatchGenerationsRequest { cursor: cursor.clone() };
    let method = async |channel, request| client::generations(channel).watch_generations(request).await;
    let mut steps = client.call(message, method).await?;
    while let Ok(step) = tokio::time::timeout(SILENCE, steps.message()).await {
        let Some(step) = step.map_err(|status| client.failure(status))? else { break };
        if let Some(generation) = step.generation
            && seen.insert(generation.name.clone(), Seen::of(&generation)) != Some(Seen::of(&generation))
        {
            show(Sight::Changed(&generation), cursor)?;
        }
        if let Some((name, preview)) = step.preview.and_then(|shown| Some((shown.generation, shown.preview?)))
        {
            show(Sight::Preview(&name, &preview), cursor)?;
        }
        if !step.cursor.is_empty() {
            // Everything before it was shown, and the connection is a good one.
            *cursor = step.cursor;
            backoff.reset();
            if seen.len() > REMEMBERED {
                seen.clear();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::{StreamExt as _, stream};
    use imagioo_proto::generation::v1::{GenerationState, WatchGenerationsResponse};
    use imagioo_rpc::RpcError;
    use tonic::Status;

    use super::*;
    use crate::client::fake::Fake;
    use crate::exit::Exit;

    fn step(name: &str, state: GenerationState, version: i64) -> Result<WatchGenerationsResponse, Status> {
        let generation =
            Generation { name: name.to_owned(), state: state.into(), version, ..Generation::default() };
        Ok(WatchGenerationsResponse { generation: Some(generation), ..WatchGenerationsResponse::default() })
    }

    fn cursor(cursor: &str) -> Result<WatchGenerationsResponse, Status> {
        Ok(WatchGenerationsResponse { cursor: cursor.to_owned(), ..WatchGenerationsResponse::default() })
    }

    #[tokio::test]
    async fn a_lost_connection_goes_on_from_the_last_cursor_and_nothing_is_shown_twice() {
        use GenerationState::{Running, Succeeded};
        let asked = Arc::new(Mutex::new(Vec::new()));
        let cursors = Arc::clone(&asked);
        let watch = move |request: WatchGenerationsRequest| {
            let mut cursors = cursors.lock().expect("unpoisoned");
            cursors.push(request.cursor);
            let steps = match cursors.len() {
                1 => vec![
                    step("a", Running, 2),
                    cursor("c1"),
                    step("b", Running, 2),
                    Err(Status::unavailable("gone")),
                ],
                2 => {
                    vec![step("b", Running, 2), step("b", Succeeded, 3), step("a", Running, 2), cursor("c2")]
                }
                _ => vec![Err(RpcError::not_found("more").into())],
            };
            stream::iter(steps).boxed()
        };
        let server = Fake { watch_all: Some(Arc::new(watch)), ..Fake::default() };
        let mut sights = Vec::new();
        let client = server.start().await;
        let failure = all(&client, String::new(), |sight, cursor| {
            if let Sight::Changed(generation) = sight {
                sights.push((generation.name.clone(), generation.version, cursor.to_owned()));
            }
            Ok(())
        });
        assert_eq!(failure.await.expect_err("refused at last").exit(), Exit::NotFound);
        assert_eq!(*asked.lock().expect("unpoisoned"), ["", "c1", "c2"]);
        let expected = [("a", 2, ""), ("b", 2, "c1"), ("b", 3, "c1")];
        assert_eq!(
            sights,
            expected.map(|(name, version, cursor)| (name.to_owned(), version, cursor.to_owned()))
        );
    }
}
