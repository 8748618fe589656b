//! `imagioo again`.

use imagioo_proto::generation::v1::RunGenerationAgainRequest;
use uuid::Uuid;

use super::making::receiving::Receiving;
use super::making::routing::Routing;
use super::{making, show};
use crate::client;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::names;

/// Options of `again`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The generation to repeat, such as gen_…
    name: String,
    /// Another model; without it the same
    #[arg(long, short)]
    model: Option<String>,
    /// Keep the seed, for the same picture; otherwise a new one is chosen
    #[arg(long)]
    keep_seed: bool,
    #[command(flatten)]
    receiving: Receiving,
    #[command(flatten)]
    routing: Routing,
    /// Refuse to pay more than this many credits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    max_credits: Option<i64>,
    /// Name of this request: repeating the command with it finds the same generation
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let id = names::generation(&args.name)?;
    let client = context.client()?;
    let count = show::get(&client, id).await?.count;
    // A named request may be a repetition whose files are there already.
    let expected = if args.request_id.is_some() { 0 } else { count };
    args.receiving.destination(count)?.check(expected, args.receiving.force())?;
    let progress = args.receiving.progress(context.output);
    progress.say("asking");
    let request = RunGenerationAgainRequest {
        request_id: args.request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        name: id.name(),
        model: args.model.as_deref().map(names::model).unwrap_or_default(),
        keep_seed: args.keep_seed,
        max_credits: args.max_credits,
        wait_seconds: 0,
        routing: args.routing.message(),
    };
    let call = async || {
        let method =
            async |channel, request| client::generations(channel).run_generation_again(request).await;
        Ok(client.call(request.clone(), method).await?.generation)
    };
    let accepted = making::once(&request.request_id, call).await?;
    args.receiving.receive(context, &client, progress, accepted).await
}
