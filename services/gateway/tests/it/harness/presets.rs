//! What a signed-in person does with presets.

use imagioo_proto::generation::v1::preset_service_client::PresetServiceClient;
use imagioo_proto::generation::v1::{
    CreatePresetRequest, DeletePresetRequest, GetPresetRequest, ListPresetsRequest, ListPresetsResponse,
    Preset, UpdatePresetRequest,
};
use imagioo_rpc::RpcError;
use tonic::transport::Channel;

use super::{User, within};

impl User {
    fn presets(&self) -> PresetServiceClient<Channel> {
        PresetServiceClient::new(self.channel.clone())
    }

    pub async fn create_preset(&self, id: &str, preset: Preset) -> Result<Preset, RpcError> {
        let request = CreatePresetRequest { preset_id: id.to_owned(), preset: Some(preset) };
        let answer = within("an answer", self.presets().create_preset(self.says(request))).await?;
        Ok(answer.into_inner().preset.expect("a preset"))
    }

    pub async fn update_preset(&self, preset: Preset) -> Result<Preset, RpcError> {
        let request = UpdatePresetRequest { preset: Some(preset) };
        let answer = within("an answer", self.presets().update_preset(self.says(request))).await?;
        Ok(answer.into_inner().preset.expect("a preset"))
    }

    pub async fn get_preset(&self, name: &str) -> Result<Preset, RpcError> {
        let request = GetPresetRequest { name: name.to_owned() };
        let answer = within("an answer", self.presets().get_preset(self.says(request))).await?;
        Ok(answer.into_inner().preset.expect("a preset"))
    }

    pub async fn list_presets(&self, request: ListPresetsRequest) -> Result<ListPresetsResponse, RpcError> {
        Ok(within("an answer", self.presets().list_presets(self.says(request))).await?.into_inner())
    }

    pub async fn delete_preset(&self, name: &str) -> Result<(), RpcError> {
        let request = DeletePresetRequest { name: name.to_owned(), etag: String::new() };
        within("an answer", self.presets().delete_preset(self.says(request))).await?;
        Ok(())
    }
}
