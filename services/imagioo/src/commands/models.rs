//! `imagioo models`.

use imagioo_proto::generation::v1::model_service_client::ModelServiceClient;
use imagioo_proto::generation::v1::{self as wire, ListModelsRequest, ListModelsResponse, Model};
use serde::Serialize;

use super::list::short;
use super::making::purpose::Operation;
use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::ModelAnswer;
use crate::json::model::{formats, state};
use crate::table::Table;

/// Options of `models`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those that can do this
    #[arg(long = "for", value_name = "OPERATION")]
    operation: Option<Operation>,
}

#[derive(Serialize)]
struct Answer {
    models: Vec<ModelAnswer>,
    catalogue_version: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let ListModelsResponse { mut models, catalogue_version } = all(&context.client()?).await?;
    if let Some(wanted) = args.operation.map(wire::Operation::from) {
        models.retain(|model| model.operations().any(|operation| operation == wanted));
    }
    let answer = Answer { models: models.iter().map(ModelAnswer::from).collect(), catalogue_version };
    let output = context.output;
    output.answer(&answer, || table(&models).lines(output.width()))?;
    Ok(Exit::Done)
}

/// The catalogue; its first model is the default.
///
/// # Errors
/// What the server refuses.
pub(super) async fn all(client: &Client) -> Result<ListModelsResponse, Failure> {
    client
        .call(ListModelsRequest {}, async |channel, request| {
            ModelServiceClient::new(channel).list_models(request).await
        })
        .await
}

fn table(models: &[Model]) -> Table {
    let mut table =
        Table::new(&["NAME", "PRICE", "MAX", "SEED", "FORMATS", "QUALITIES", "SIZES", "STATE", "TITLE"]);
    for model in models {
        table.row([
            short(&model.name).to_owned(),
            format!("{}", model.price),
            format!("{}", model.max_count),
            if model.seed { "yes" } else { "no" }.to_owned(),
            dashed(&formats(model)),
            dashed(&model.qualities),
            dashed(if model.sizes.is_empty() { &model.aspect_ratios } else { &model.sizes }),
            standing(model),
            model.title.clone(),
        ]);
    }
    table
}

/// The state of a model's preferred deployment, and how many others stand in for it.
fn standing(model: &Model) -> String {
    let preferred = model.deployments.first().map(state).unwrap_or_default();
    let others = model.deployments.iter().skip(1).filter(|other| state(other) == "available").count();
    if others == 0 { preferred } else { format!("{preferred} +{others}") }
}

fn dashed(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}
