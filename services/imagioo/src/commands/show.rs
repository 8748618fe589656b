//! `imagioo show`.

use imagioo_proto::generation::v1::{Generation, GetGenerationRequest, Image};
use imagioo_types::GenerationId;

use super::list::short;
use crate::client::{self, Client};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::GenerationAnswer;
use crate::json::generation::{format, state};
use crate::json::settings;
use crate::names;
use crate::output::{credits, tame};
use crate::when;

/// Options of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The generation, such as gen_…
    name: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let id = names::generation(&args.name)?;
    let generation = get(&context.client()?, id).await?;
    context.output.answer(&GenerationAnswer::from(&generation), || lines(&generation))?;
    Ok(Exit::Done)
}

/// One generation.
///
/// # Errors
/// What the server refuses, such as a name that is nobody's or somebody else's.
pub(super) async fn get(client: &Client, id: GenerationId) -> Result<Generation, Failure> {
    let message = GetGenerationRequest { name: id.name() };
    let answer = client
        .call(message, async |channel, request| client::generations(channel).get_generation(request).await)
        .await?;
    answer.generation.ok_or(Failure::Incomplete("the generation"))
}

fn lines(generation: &Generation) -> Vec<String> {
    let mut facts: Vec<(&str, String)> = vec![
        ("name", generation.name.clone()),
        ("state", state_and_progress(generation)),
        ("model", short(&generation.model).to_owned()),
        ("does", settings::operation(generation.operation()).unwrap_or_default()),
        ("prompt", generation.prompt.clone()),
        ("settings", manner(generation)),
        ("price", credits(generation.price)),
        ("charge", credits(generation.charge)),
        ("created", when::minute(generation.create_time.as_ref())),
        ("started", when::minute(generation.start_time.as_ref())),
        ("ended", when::minute(generation.end_time.as_ref())),
    ];
    if let Some(failure) = &generation.failure {
        facts.push(("failure", format!("{} ({})", failure.message, failure.reason)));
    }
    facts.extend(generation.images.iter().map(|image| ("image", describe(image))));
    facts.into_iter().map(|(what, fact)| format!("{what:<9} {}", tame(&fact))).collect()
}

fn state_and_progress(generation: &Generation) -> String {
    let state = state(generation);
    match (&generation.progress, generation.queue_position) {
        (Some(progress), _) => format!("{state}: {} {}%", progress.stage, progress.percent),
        (None, Some(ahead @ 1..)) => format!("{state}, {ahead} ahead"),
        (None, _) => state,
    }
}

fn manner(generation: &Generation) -> String {
    let settings = generation.settings.clone().unwrap_or_default();
    let images = if generation.count == 1 { "image" } else { "images" };
    let mut words = vec![format!("{} {images}", generation.count)];
    words.extend(settings::words(&settings));
    words.join(", ")
}

fn describe(image: &Image) -> String {
    let Image { width, height, size_bytes, .. } = image;
    format!("{} {width}x{height} {} {size_bytes} bytes", short(&image.name), format(image.format()))
}
