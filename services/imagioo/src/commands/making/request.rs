//! The request that a command and the shared options make together.

use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationSettings, Operation, Preset};
use imagioo_rpc::Code;
use uuid::Uuid;

use super::model::{self, Needs};
use super::{Making, pictures};
use crate::backoff::patiently;
use crate::client::Client;
use crate::commands::presets;
use crate::context::Context;
use crate::failure::Failure;
use crate::names;
use crate::progress::Progress;

/// Previews that are asked for where they are shown.
const PREVIEWS: i32 = 2;

/// What a command wants, before the shared options are added.
#[derive(Debug, Default)]
pub(in crate::commands) struct Draft {
    /// What is done; unspecified when it is to be found from the rest.
    pub(in crate::commands) operation: Operation,
    /// The text, read already.
    pub(in crate::commands) prompt: String,
    /// Files or names, the one to change first.
    pub(in crate::commands) pictures: Vec<String>,
    /// A file or a name; white where to repaint.
    pub(in crate::commands) mask: Option<String>,
    /// Settings that only this operation has.
    pub(in crate::commands) settings: GenerationSettings,
}

impl Draft {
    /// What the server will do: as it finds it, when neither the command nor the preset names it.
    fn operation(&self, preset: &Preset) -> Operation {
        match self.operation {
            Operation::Unspecified if preset.operation() != Operation::Unspecified => preset.operation(),
            Operation::Unspecified if self.mask.is_some() => Operation::Inpaint,
            Operation::Unspecified if self.settings.margins.is_some() => Operation::Outpaint,
            Operation::Unspecified if !self.pictures.is_empty() => Operation::ImageToImage,
            Operation::Unspecified => Operation::TextToImage,
            named => named,
        }
    }
}

/// The whole request: a model is chosen, and files are uploaded.
pub(super) async fn complete(
    context: &Context,
    client: &Client,
    progress: &Progress,
    draft: Draft,
    making: &Making,
) -> Result<CreateGenerationRequest, Failure> {
    let preset = making.preset.as_deref().map(names::preset).unwrap_or_default();
    let model = match &making.model {
        Some(named) => names::model(named),
        None => choose(context, client, progress, &draft, &preset).await?,
    };
    let mut references = Vec::with_capacity(draft.pictures.len());
    for picture in &draft.pictures {
        references.push(pictures::input(client, picture).await?);
    }
    let mask = match &draft.mask {
        Some(picture) => Some(pictures::input(client, picture).await?),
        None => None,
    };
    let mut settings = making.style.settings(making.format(), draft.settings);
    // Several images may be made at once where nobody wants to see drafts.
    settings.previews = (making.count == 1 && progress.has_pictures()).then_some(PREVIEWS);
    Ok(CreateGenerationRequest {
        request_id: making.request_id.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
        model,
        preset,
        prompt: draft.prompt,
        operation: draft.operation.into(),
        references,
        mask,
        settings: Some(settings),
        count: making.count,
        max_credits: making.max_credits,
        wait_seconds: 0,
        parent: String::new(),
        routing: making.routing.message(),
        start_timeout: making.limits.start_timeout(),
        timeout: making.limits.timeout(),
    })
}

/// The model when the person names none: empty where the preset names one, or where the server is to say what is
/// wrong with the preset.
async fn choose(
    context: &Context,
    client: &Client,
    progress: &Progress,
    draft: &Draft,
    preset: &str,
) -> Result<String, Failure> {
    let preset = match preset {
        "" => Preset::default(),
        name => match patiently(async || presets::get(client, name).await).await {
            Ok(preset) if preset.model.is_empty() => preset,
            Ok(_) => return Ok(String::new()),
            Err(Failure::Rpc(error)) if error.code() == Code::NotFound => return Ok(String::new()),
            Err(failure) => return Err(failure),
        },
    };
    let needs = Needs { operation: draft.operation(&preset), pictures: draft.pictures.len() };
    model::choose(context, client, progress, needs).await
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::Margins;

    use super::*;

    #[test]
    fn what_is_not_named_is_found_as_the_server_finds_it() {
        let pictures = || vec!["fox.png".to_owned()];
        let margins =
            GenerationSettings { margins: Some(Margins::default()), ..GenerationSettings::default() };
        let found = |draft: Draft| draft.operation(&Preset::default());
        assert_eq!(found(Draft::default()), Operation::TextToImage);
        assert_eq!(found(Draft { pictures: pictures(), ..Draft::default() }), Operation::ImageToImage);
        let wide = Draft { pictures: pictures(), settings: margins, ..Draft::default() };
        assert_eq!(found(wide), Operation::Outpaint);
        let masked = Draft { pictures: pictures(), mask: Some("m.png".to_owned()), ..Draft::default() };
        assert_eq!(found(masked), Operation::Inpaint);
        let upscale = || Draft { operation: Operation::Upscale, ..Draft::default() };
        assert_eq!(found(upscale()), Operation::Upscale);
        let preset = Preset { operation: Operation::Variation.into(), ..Preset::default() };
        assert_eq!(Draft::default().operation(&preset), Operation::Variation);
        assert_eq!(upscale().operation(&preset), Operation::Upscale);
    }
}
