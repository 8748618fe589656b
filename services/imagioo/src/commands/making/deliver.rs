//! What a person gets in the end: files, or the reason why there are none.

use std::path::PathBuf;

use imagioo_proto::generation::v1::{Generation, GenerationState};

use crate::client::Client;
use crate::context::Context;
use crate::download::Saving;
use crate::failure::Failure;
use crate::json::GenerationAnswer;

/// Saves the images of an ended generation, or says why there are none.
pub(super) async fn deliver(
    context: &Context,
    client: &Client,
    ended: &Generation,
    saving: &Saving<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let failure = match ended.state() {
        GenerationState::Succeeded => {
            let saved = saving.all(client, &ended.images).await;
            return saved.inspect_err(|_| {
                let name = &ended.name;
                context
                    .output
                    .remark(&format!("the server keeps the images: `imagioo download {name}` saves them"));
            });
        }
        GenerationState::Cancelled => Failure::Cancelled(ended.name.clone()),
        _ => Failure::Generation(ended.name.clone(), Box::new(ended.failure.clone().unwrap_or_default())),
    };
    if context.output.is_json() {
        context.output.object(&GenerationAnswer::from(ended))?;
    }
    Err(failure)
}

pub(super) fn tell(context: &Context, ended: &Generation, places: &[PathBuf]) -> Result<(), Failure> {
    let answer = GenerationAnswer::saved_at(ended, places);
    context.output.answer(&answer, || places.iter().map(|place| place.display().to_string()).collect())?;
    if ended.images.len() < usize::try_from(ended.count).unwrap_or_default() {
        let why = ended.failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
        context.output.remark(&format!("{} of {} images were made{why}", ended.images.len(), ended.count));
    }
    Ok(())
}
