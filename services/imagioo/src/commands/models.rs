//! `imagioo models`.

mod shown;

use imagioo_proto::generation::v1::model_service_client::ModelServiceClient;
use imagioo_proto::generation::v1::{
    self as wire, GetModelRequest, ListModelsRequest, ListModelsResponse, Model,
};
use serde::Serialize;

use super::making::purpose::Operation;
use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::ModelAnswer;
use crate::names;
use shown::{describe, table};

/// Options of `models`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Everything that this one accepts, and what it costs
    #[arg(value_name = "MODEL", conflicts_with = "operation")]
    name: Option<String>,
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
    let client = context.client()?;
    if let Some(name) = args.name {
        let model = one(&client, &names::model(&name)).await?;
        context.output.answer(&ModelAnswer::from(&model), || describe(&model))?;
        return Ok(Exit::Done);
    }
    let ListModelsResponse { mut models, catalogue_version } = all(&client).await?;
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

/// One model, also one that is no longer offered.
async fn one(client: &Client, name: &str) -> Result<Model, Failure> {
    let request = GetModelRequest { name: name.to_owned() };
    let answer = client
        .call(request, async |channel, request| ModelServiceClient::new(channel).get_model(request).await)
        .await?;
    answer.model.ok_or(Failure::Incomplete("the model"))
}
