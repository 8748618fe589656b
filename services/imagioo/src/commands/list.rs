//! `imagioo list`.

use imagioo_proto::generation::v1::{Generation, ListGenerationsRequest};
use imagioo_types::GenerationId;
use serde::Serialize;

use super::pages;
use crate::client::{self, Client};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::GenerationAnswer;
use crate::json::generation::state;
use crate::names;
use crate::table::Table;
use crate::when;

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show at most this many
    #[arg(long, short = 'l', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only the versions of this generation: everything derived from the same first one
    #[arg(long, value_name = "NAME")]
    versions_of: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    generations: Vec<GenerationAnswer>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let versions_of = args.versions_of.as_deref().map(names::generation).transpose()?;
    let generations = newest(&context.client()?, args.limit as usize, versions_of).await?;
    let answer = Answer { generations: generations.iter().map(GenerationAnswer::from).collect() };
    let output = context.output;
    output.answer(&answer, || table(&generations, context).lines(output.width()))?;
    if generations.is_empty() {
        output.remark("nothing yet: `imagioo generate \"a red fox\"` makes your first image");
    }
    Ok(Exit::Done)
}

async fn newest(
    client: &Client,
    limit: usize,
    versions_of: Option<GenerationId>,
) -> Result<Vec<Generation>, Failure> {
    let versions_of = versions_of.map(|id| id.name()).unwrap_or_default();
    pages(limit, async |page_size, page_token| {
        let message = ListGenerationsRequest { page_size, page_token, versions_of: versions_of.clone() };
        let page = client
            .call(message, async |channel, request| {
                client::generations(channel).list_generations(request).await
            })
            .await?;
        Ok((page.generations, page.next_page_token))
    })
    .await
}

fn table(generations: &[Generation], context: &Context) -> Table {
    let now = context.clock.now();
    let mut table = Table::new(&["NAME", "STATE", "MODEL", "COUNT", "CHARGE", "AGE", "PROMPT"]);
    for generation in generations {
        table.row([
            short(&generation.name).to_owned(),
            state(generation),
            short(&generation.model).to_owned(),
            format!("{}", generation.count),
            format!("{}", generation.charge),
            when::age(generation.create_time.as_ref(), now),
            generation.prompt.clone(),
        ]);
    }
    table
}

/// A name without its collection.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
