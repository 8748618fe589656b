//! `imagioo generate`.

mod pictures;
mod routing;
pub(super) mod wish;

use std::path::{Path, PathBuf};

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::{CreateGenerationRequest, Generation, GenerationState};
use uuid::Uuid;

use super::models;
use crate::backoff::patiently;
use crate::client::{self, Client};
use crate::context::Context;
use crate::download::Saving;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::follow::{self, has_ended};
use crate::json::GenerationAnswer;
use crate::names;
use crate::paths::{Destination, promised_format};
use crate::progress::Progress;
use crate::prompt;
use pictures::Pictures;
use routing::Routing;
use wish::Wish;

/// Options of `generate`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// What to draw; `-` reads it from standard input. Upscale, outpaint, remove-background and variation need none
    #[arg(default_value = "", hide_default_value = true)]
    prompt: String,
    /// Model to ask, see `imagioo models`; without it the profile's, else the first
    #[arg(long, short)]
    model: Option<String>,
    /// File or folder to save to; several images are numbered [default: GENERATION-INDEX here]
    #[arg(long, short, value_name = "PATH", conflicts_with = "no_wait")]
    output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, short, conflicts_with = "no_wait")]
    force: bool,
    /// How many images
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    count: i32,
    /// File format; without it the one that the name of `--output` promises, else the model's
    #[arg(long)]
    format: Option<Format>,
    #[command(flatten)]
    pictures: Pictures,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    routing: Routing,
    /// Fill in what is left out from a preset, see `imagioo presets`
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Refuse to pay more than this many credits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    max_credits: Option<i64>,
    /// Name of this request: repeating the command with it finds the same generation
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Wait for the images and save them; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Print the generation's name and leave
    #[arg(long)]
    no_wait: bool,
}

/// File format of an image.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Png,
    #[value(alias = "jpg")]
    Jpeg,
    Webp,
}

impl From<Format> for wire::ImageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Png => Self::Png,
            Format::Jpeg => Self::Jpeg,
            Format::Webp => Self::Webp,
        }
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let destination = destination(&args)?;
    let (force, no_wait) = (args.force, args.no_wait);
    let prompt = prompt::read(&args.prompt).await?;
    let client = context.client()?;
    let progress = Progress::new(context.output);
    progress.say("asking");
    let request = request(context, &client, args, prompt).await?;
    let accepted = create(&client, &request).await?;
    context.leave_behind(Some(&accepted.name));
    if no_wait {
        drop(progress);
        context.output.answer(&GenerationAnswer::from(&accepted), || vec![accepted.name.clone()])?;
        return Ok(Exit::Done);
    }
    let ended = if has_ended(&accepted) {
        accepted
    } else {
        follow::to_the_end(&client, &accepted.name, |sight| progress.show(&sight)).await?
    };
    let saving = Saving { destination, force, progress: &progress };
    let places = deliver(context, &client, &ended, &saving).await?;
    drop(progress);
    tell(context, &ended, &places)?;
    Ok(Exit::Done)
}

/// Where the images will go; what could not be saved is refused before it is paid for. A named request may be a
/// repetition whose files are there already: they are compared when the images arrive.
fn destination(args: &Args) -> Result<Destination, Failure> {
    if args.output.as_deref() == Some(Path::new("-")) {
        return Err(Failure::usage(
            "images are not written to standard output",
            "name a file with `--output`",
        ));
    }
    let destination = Destination::new(args.output.clone(), args.count > 1);
    let expected = if args.request_id.is_some() { 0 } else { args.count };
    destination.check(expected, args.force)?;
    Ok(destination)
}

async fn request(
    context: &Context,
    client: &Client,
    args: Args,
    prompt: String,
) -> Result<CreateGenerationRequest, Failure> {
    let promised = args.output.as_deref().and_then(promised_format);
    let format = args.format.map(Into::into).or(promised).unwrap_or(wire::ImageFormat::Unspecified);
    Ok(CreateGenerationRequest {
        request_id: args.request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        model: match (&args.preset, &args.model) {
            (Some(_), None) => String::new(),
            _ => model(context, client, args.model).await?,
        },
        preset: args.preset.as_deref().map(names::preset).unwrap_or_default(),
        prompt,
        operation: args.wish.operation().into(),
        references: args.pictures.references(client).await?,
        mask: args.pictures.mask(client).await?,
        settings: Some(args.wish.settings(format)),
        count: args.count,
        max_credits: args.max_credits,
        wait_seconds: 0,
        parent: String::new(),
        routing: args.routing.message(),
        start_timeout: args.routing.start_timeout(),
        timeout: args.routing.timeout(),
    })
}

/// The named model, else the profile's, else the catalogue's first.
async fn model(context: &Context, client: &Client, named: Option<String>) -> Result<String, Failure> {
    let preferred = || Ok::<_, Failure>(context.selected()?.1.and_then(|profile| profile.model));
    let named = match named {
        Some(named) => Some(named),
        None => preferred()?,
    };
    if let Some(named) = named {
        return Ok(names::model(&named));
    }
    let first = patiently(async || models::all(client).await).await?.models.into_iter().next();
    first.map(|model| model.name).ok_or_else(|| Failure::NotFound("the server has no models".to_owned()))
}

/// Creates the generation. A call without an answer is repeated with the same request id, which pays only once.
async fn create(client: &Client, request: &CreateGenerationRequest) -> Result<Generation, Failure> {
    let call = async || {
        let method = async |channel, request| client::generations(channel).create_generation(request).await;
        client.call(request.clone(), method).await
    };
    match patiently(call).await {
        Ok(answer) => answer.generation.ok_or(Failure::Incomplete("the generation")),
        Err(failure) if failure.is_transient() => {
            Err(Failure::Unanswered { request_id: request.request_id.clone(), cause: Box::new(failure) })
        }
        Err(failure) => Err(failure),
    }
}

/// Saves the images of an ended generation, or says why there are none.
async fn deliver(
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

fn tell(context: &Context, ended: &Generation, places: &[PathBuf]) -> Result<(), Failure> {
    let answer = GenerationAnswer::saved_at(ended, places);
    context.output.answer(&answer, || places.iter().map(|place| place.display().to_string()).collect())?;
    if ended.images.len() < usize::try_from(ended.count).unwrap_or_default() {
        let why = ended.failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
        context.output.remark(&format!("{} of {} images were made{why}", ended.images.len(), ended.count));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use clap::Parser as _;
    use futures::FutureExt as _;
    use tonic::Status;

    use super::*;
    use crate::client::fake::Fake;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        let arguments = ["generate"].iter().chain(arguments);
        Line::try_parse_from(arguments).map(|line| line.args)
    }

    #[test]
    fn waiting_is_the_default_and_the_last_word_counts() {
        assert!(!parse(&["a fox"]).expect("valid").no_wait);
        assert!(parse(&["a fox", "--no-wait"]).expect("valid").no_wait);
        assert!(!parse(&["a fox", "--no-wait", "--wait"]).expect("valid").no_wait);
    }

    #[test]
    fn impossible_wishes_are_refused_before_anything_is_asked() {
        for wishes in [
            &["x", "-n", "0"][..],
            &["x", "-n", "101"],
            &["x", "--max-credits=-1"],
            &["x", "--seed", "4294967296"],
        ] {
            assert!(parse(wishes).is_err(), "{wishes:?}");
        }
        assert!(parse(&["x", "--no-wait", "-o", "x.png"]).is_err());
    }

    #[test]
    fn a_repeated_request_may_meet_its_own_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let fox = folder.path().join("fox.png");
        std::fs::write(&fox, b"there already").expect("written");
        let path = fox.to_str().expect("text");
        assert!(destination(&parse(&["x", "-o", path]).expect("valid")).is_err());
        assert!(destination(&parse(&["x", "-o", path, "--request-id", "r"]).expect("valid")).is_ok());
        assert!(destination(&parse(&["x", "-o", path, "--force"]).expect("valid")).is_ok());
        assert!(destination(&parse(&["x", "-o", "-"]).expect("valid")).is_err());
    }

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
