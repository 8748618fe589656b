//! The call that creates a generation, once however often it is made.

use imagioo_proto::generation::v1::{CreateGenerationRequest, Generation};

use crate::backoff::patiently;
use crate::client::{self, Client};
use crate::failure::Failure;

/// Creates the generation.
pub(super) async fn create(
    client: &Client,
    request: &CreateGenerationRequest,
) -> Result<Generation, Failure> {
    let call = async || {
        let method = async |channel, request| client::generations(channel).create_generation(request).await;
        Ok(client.call(request.clone(), method).await?.generation)
    };
    once(&request.request_id, call).await
}

/// Makes a call that accepts a generation. Without an answer it is repeated with the same request id, which pays only
/// once.
///
/// # Errors
/// [`Failure::Unanswered`] when nobody knows whether it was accepted, or what the server refuses.
pub(in crate::commands) async fn once(
    request_id: &str,
    call: impl AsyncFn() -> Result<Option<Generation>, Failure>,
) -> Result<Generation, Failure> {
    match patiently(call).await {
        Ok(generation) => generation.ok_or(Failure::Incomplete("the generation")),
        Err(failure) if failure.is_transient() => {
            Err(Failure::Unanswered { request_id: request_id.to_owned(), cause: Box::new(failure) })
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::FutureExt as _;
    use imagioo_proto::generation::v1 as wire;
    use tonic::Status;

    use super::*;
    use crate::client::fake::Fake;

    #[tokio::test]
    async fn a_call_without_an_answer_is_repeated_under_the_same_name() {
        let names = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&names);
        let server = Fake {
            create: Some(Arc::new(move |request: CreateGenerationRequest| {
                let mut names = asked.lock().expect("unpoisoned");
                names.push(request.request_id);
                let answer = match names.len() {
                    1 => Err(Status::unavailable("stopping")),
                    _ => Ok(wire::CreateGenerationResponse { generation: Some(Generation::default()) }),
                };
                futures::future::ready(answer).boxed()
            })),
            ..Fake::default()
        };
        let request =
            CreateGenerationRequest { request_id: "r".to_owned(), ..CreateGenerationRequest::default() };
        create(&server.start().await, &request).await.expect("created");
        assert_eq!(*names.lock().expect("unpoisoned"), ["r", "r"]);
    }
}
