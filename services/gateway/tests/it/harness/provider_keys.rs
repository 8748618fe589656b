//! What a signed-in person does with keys of their own.

use imagioo_proto::generation::v1::provider_key_service_client::ProviderKeyServiceClient;
use imagioo_proto::generation::v1::{
    DeleteProviderKeyRequest, EstimateGenerationRequest, EstimateGenerationResponse, ListProviderKeysRequest,
    ListProviderKeysResponse, ProviderKey, SetProviderKeyRequest,
};
use imagioo_rpc::RpcError;
use tonic::transport::Channel;

use super::{User, within};

impl User {
    fn provider_keys(&self) -> ProviderKeyServiceClient<Channel> {
        ProviderKeyServiceClient::new(self.channel.clone())
    }

    pub async fn set_key(&self, provider: &str, key: &str) -> Result<ProviderKey, RpcError> {
        let request = SetProviderKeyRequest { provider: provider.to_owned(), key: key.to_owned() };
        let answer = within("an answer", self.provider_keys().set_provider_key(self.says(request))).await?;
        Ok(answer.into_inner().provider_key.expect("a key"))
    }

    pub async fn list_keys(&self) -> ListProviderKeysResponse {
        let request = self.says(ListProviderKeysRequest {});
        let answer = within("an answer", self.provider_keys().list_provider_keys(request)).await;
        answer.expect("listed").into_inner()
    }

    pub async fn delete_key(&self, provider: &str) -> Result<(), RpcError> {
        let request = DeleteProviderKeyRequest { name: format!("providerKeys/{provider}") };
        within("an answer", self.provider_keys().delete_provider_key(self.says(request))).await?;
        Ok(())
    }

    pub async fn estimate(
        &self,
        request: EstimateGenerationRequest,
    ) -> Result<EstimateGenerationResponse, RpcError> {
        let answer = within("an answer", self.generations().estimate_generation(self.says(request))).await?;
        Ok(answer.into_inner())
    }
}
