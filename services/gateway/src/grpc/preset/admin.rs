//! `imagioo.generation.v1.PresetAdminService`, for the operator.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::preset_admin_service_server::PresetAdminService;
use imagioo_rpc::{page, validated};
use tonic::{Request, Response, Status};

use super::{content, encode, encode_page, whole_preset};
use crate::app::App;
use crate::db::presets::Place;
use crate::grpc::convert::bad_name;
use crate::preset::Shelf;
use crate::presets::{read, save};

/// The presets that everybody may use.
pub(crate) struct SharedPresets {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl PresetAdminService for SharedPresets {
    async fn create_shared_preset(
        &self,
        request: Request<wire::CreateSharedPresetRequest>,
    ) -> Result<Response<wire::CreateSharedPresetResponse>, Status> {
        let message = validated(request.into_inner())?;
        let content = content(message.preset.unwrap_or_default())?;
        let made = save::create(&self.app, Shelf::Shared, &message.preset_id, content).await?;
        Ok(Response::new(wire::CreateSharedPresetResponse { preset: Some(encode(&self.app, made)) }))
    }

    async fn update_shared_preset(
        &self,
        request: Request<wire::UpdateSharedPresetRequest>,
    ) -> Result<Response<wire::UpdateSharedPresetResponse>, Status> {
        let message = validated(request.into_inner())?.preset.unwrap_or_default();
        let slug = whole_preset(&message.name, "preset.name", true)?;
        let etag = message.etag.clone();
        let updated = save::update(&self.app, Shelf::Shared, &slug, (&etag, content(message)?)).await?;
        Ok(Response::new(wire::UpdateSharedPresetResponse { preset: Some(encode(&self.app, updated)) }))
    }

    async fn get_shared_preset(
        &self,
        request: Request<wire::GetSharedPresetRequest>,
    ) -> Result<Response<wire::GetSharedPresetResponse>, Status> {
        let message = validated(request.into_inner())?;
        let name = message.name.parse().map_err(bad_name("name"))?;
        let found = read::get_shared(&self.app, &name).await?;
        Ok(Response::new(wire::GetSharedPresetResponse { preset: Some(encode(&self.app, found)) }))
    }

    async fn list_shared_presets(
        &self,
        request: Request<wire::ListSharedPresetsRequest>,
    ) -> Result<Response<wire::ListSharedPresetsResponse>, Status> {
        let message = validated(request.into_inner())?;
        let limit = page::size(message.page_size);
        let after = page::decode::<Place>(&message.page_token)?;
        let found = read::list_shared(&self.app, (after, limit)).await?;
        let (presets, next_page_token) = encode_page(&self.app, found, limit)?;
        Ok(Response::new(wire::ListSharedPresetsResponse { presets, next_page_token }))
    }

    async fn delete_shared_preset(
        &self,
        request: Request<wire::DeleteSharedPresetRequest>,
    ) -> Result<Response<wire::DeleteSharedPresetResponse>, Status> {
        let message = validated(request.into_inner())?;
        let slug = whole_preset(&message.name, "name", true)?;
        save::delete(&self.app, Shelf::Shared, &slug, &message.etag).await?;
        Ok(Response::new(wire::DeleteSharedPresetResponse {}))
    }
}
