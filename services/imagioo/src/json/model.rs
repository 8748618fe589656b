//! Models.

use imagioo_proto::generation::v1 as wire;
use serde::Serialize;

use super::{generation, word};

/// A model.
#[derive(Debug, Serialize)]
pub(crate) struct ModelAnswer {
    name: String,
    title: String,
    operations: Vec<String>,
    sizes: Vec<String>,
    qualities: Vec<String>,
    formats: Vec<String>,
    max_count: i32,
    seed: bool,
    price: i64,
    deployments: Vec<DeploymentAnswer>,
}

/// A place where a model runs.
#[derive(Debug, Serialize)]
struct DeploymentAnswer {
    id: String,
    region: String,
    state: String,
    reason: String,
}

/// The formats of a model as words.
pub(crate) fn formats(model: &wire::Model) -> Vec<String> {
    model.formats().map(generation::format).collect()
}

/// How a deployment is doing, as a word.
pub(crate) fn state(deployment: &wire::ModelDeployment) -> String {
    word(deployment.state().as_str_name(), "DEPLOYMENT_STATE_")
}

impl From<&wire::Model> for ModelAnswer {
    fn from(model: &wire::Model) -> Self {
        Self {
            name: model.name.clone(),
            title: model.title.clone(),
            operations: model
                .operations()
                .map(|operation| word(operation.as_str_name(), "OPERATION_"))
                .collect(),
            sizes: model.sizes.clone(),
            qualities: model.qualities.clone(),
            formats: formats(model),
            max_count: model.max_count,
            seed: model.seed,
            price: model.price,
            deployments: model
                .deployments
                .iter()
                .map(|deployment| DeploymentAnswer {
                    id: deployment.id.clone(),
                    region: deployment.region.clone(),
                    state: state(deployment),
                    reason: deployment.reason.clone(),
                })
                .collect(),
        }
    }
}
