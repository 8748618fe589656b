//! `imagioo.generation.v1.ModelService`.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::model_service_server::ModelService;
use imagioo_rpc::{RpcError, caller, validated};
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::App;

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
        let models = self.app.catalogue.models.iter().map(convert::model).collect();
        let catalogue_version = self.app.catalogue.version.clone();
        Ok(Response::new(wire::ListModelsResponse { models, catalogue_version }))
    }

    async fn get_model(
        &self,
        request: Request<wire::GetModelRequest>,
    ) -> Result<Response<wire::GetModelResponse>, Status> {
        caller(&request)?;
        let message = validated(request.into_inner())?;
        let found = self.app.catalogue.model(&message.name).map(convert::model);
        let model = found.ok_or_else(|| RpcError::not_found("model"))?;
        Ok(Response::new(wire::GetModelResponse { model: Some(model) }))
    }
}
