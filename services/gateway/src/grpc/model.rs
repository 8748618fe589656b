//! `imagioo.generation.v1.ModelService`.

use imagioo_picture::{Background, Format, Operation};
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::model_service_server::ModelService;
use imagioo_rpc::{RpcError, caller, validated};
use tonic::{Request, Response, Status};

use super::convert::timestamp;
use crate::app::App;
use crate::catalogue::{Bounds, CustomSize, Deployment, Model, PriceRule};
use crate::dispatch::health::{Health, Standing};

/// The catalogue.
pub(crate) struct Models {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl ModelService for Models {
    async fn list_models(
        &self,
        request: Request<wire::ListModelsRequest>,
    ) -> Result<Response<wire::ListModelsResponse>, Status> {
        caller(&request)?;
        let catalogue = self.app.catalogue();
        let encode = |model| encode(model, &self.app.health);
        let models = catalogue.offered(self.app.clock.now()).map(encode).collect();
        Ok(Response::new(wire::ListModelsResponse { models, catalogue_version: catalogue.version.clone() }))
    }

    async fn get_model(
        &self,
        request: Request<wire::GetModelRequest>,
    ) -> Result<Response<wire::GetModelResponse>, Status> {
        caller(&request)?;
        let message = validated(request.into_inner())?;
        let found = self.app.catalogue().model(&message.name).map(|model| encode(model, &self.app.health));
        let model = found.ok_or_else(|| RpcError::not_found("model"))?;
        Ok(Response::new(wire::GetModelResponse { model: Some(model) }))
    }
}

fn encode(model: &Model, health: &Health) -> wire::Model {
    let operation = |operation: &Operation| wire::Operation::from(*operation).into();
    wire::Model {
        name: model.name(),
        title: model.title.clone(),
        operations: model.operations.iter().map(operation).collect(),
        sizes: model.sizes.iter().map(ToString::to_string).collect(),
        qualities: model.qualities.clone(),
        formats: model
            .formats
            .iter()
            .map(|format: &Format| wire::ImageFormat::from(*format).into())
            .collect(),
        max_count: model.max_count,
        seed: model.seed,
        price: model.base_price().get(),
        custom_size: model.custom_size.map(custom_size),
        aspect_ratios: model.aspect_ratios.clone(),
        resolutions: model.resolutions.clone(),
        backgrounds: model
            .backgrounds
            .iter()
            .map(|background: &Background| wire::Background::from(*background).into())
            .collect(),
        max_references: number(model.max_references),
        negative_prompt: model.negative_prompt,
        compression: model.compression,
        guidance: model.guidance.map(bounds),
        steps: model.steps.map(bounds),
        strength: model.strength.map(bounds),
        upscale_factors: model.upscale_factors.iter().copied().map(number).collect(),
        sunset_time: model.sunset.map(|day| timestamp(day.midnight().assume_utc())),
        successor: model.successor.as_ref().map(|id| format!("models/{id}")).unwrap_or_default(),
        regions: model.regions(),
        prices: model.prices.iter().map(price).collect(),
        deployments: model
            .deployments
            .iter()
            .map(|found| deployment(found, health.standing(&found.id)))
            .collect(),
    }
}

fn deployment(deployment: &Deployment, standing: Standing) -> wire::ModelDeployment {
    let (state, until, reason) = match standing {
        Standing::Available => (wire::DeploymentState::Available, None, String::new()),
        Standing::Paused { until, reason } => (wire::DeploymentState::Paused, Some(until), reason),
        Standing::Shut { until, reason } => (wire::DeploymentState::Shut, Some(until), reason),
        Standing::Probing { reason } => (wire::DeploymentState::Probing, None, reason),
    };
    wire::ModelDeployment {
        id: deployment.id.clone(),
        region: deployment.region.clone(),
        state: state.into(),
        retry_time: until.map(timestamp),
        reason,
        prices: deployment.prices.iter().map(price).collect(),
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn bounds(bounds: Bounds) -> wire::Bounds {
    wire::Bounds { min: bounds.min, max: bounds.max }
}

fn pixels(pixels: u64) -> i64 {
    i64::try_from(pixels).unwrap_or(i64::MAX)
}

fn custom_size(size: CustomSize) -> wire::CustomSize {
    wire::CustomSize {
        multiple_of: number(size.multiple_of),
        min_pixels: pixels(size.min_pixels),
        max_pixels: pixels(size.max_pixels),
        max_side: number(size.max_side),
        max_ratio: size.max_ratio,
    }
}

fn price(rule: &PriceRule) -> wire::Price {
    wire::Price {
        credits: rule.credits.get(),
        operation: rule.operation.map(wire::Operation::from).unwrap_or_default().into(),
        quality: rule.quality.clone().unwrap_or_default(),
        resolution: rule.resolution.clone().unwrap_or_default(),
        max_pixels: pixels(rule.max_pixels.unwrap_or_default()),
        credits_per_reference: rule.credits_per_reference,
        credits_per_input_megapixel: rule.credits_per_input_megapixel,
    }
}
