//! `imagioo.generation.v1.ProviderKeyService`.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::provider_key_service_server::ProviderKeyService;
use imagioo_rpc::{caller, validated};
use tonic::{Request, Response, Status};

use super::convert::{bad_name, timestamp};
use crate::app::App;
use crate::provider_key::{ProviderKey, provider_of};
use crate::provider_keys::manage;

/// The callers' own keys.
pub(crate) struct ProviderKeys {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl ProviderKeyService for ProviderKeys {
    async fn set_provider_key(
        &self,
        request: Request<wire::SetProviderKeyRequest>,
    ) -> Result<Response<wire::SetProviderKeyResponse>, Status> {
        let caller = caller(&request)?;
        let wire::SetProviderKeyRequest { provider, key } = validated(request.into_inner())?;
        let kept = manage::set(&self.app, &caller, &provider, &key.into()).await?;
        Ok(Response::new(wire::SetProviderKeyResponse { provider_key: Some(encode(kept)) }))
    }

    async fn list_provider_keys(
        &self,
        request: Request<wire::ListProviderKeysRequest>,
    ) -> Result<Response<wire::ListProviderKeysResponse>, Status> {
        let caller = caller(&request)?;
        let keys = manage::list(&self.app, &caller).await?;
        let catalogue = self.app.catalogue();
        let providers = catalogue.own_keys.iter().map(|(provider, rule)| wire::OwnKeyProvider {
            provider: provider.clone(),
            price: rule.credits.get(),
        });
        Ok(Response::new(wire::ListProviderKeysResponse {
            provider_keys: keys.into_iter().map(encode).collect(),
            providers: providers.collect(),
        }))
    }

    async fn delete_provider_key(
        &self,
        request: Request<wire::DeleteProviderKeyRequest>,
    ) -> Result<Response<wire::DeleteProviderKeyResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let provider = provider_of(&message.name).map_err(bad_name("name"))?;
        manage::delete(&self.app, &caller, provider).await?;
        Ok(Response::new(wire::DeleteProviderKeyResponse {}))
    }
}

fn encode(key: ProviderKey) -> wire::ProviderKey {
    let state = match key.rejected {
        None => wire::ProviderKeyState::Active,
        Some(_) => wire::ProviderKeyState::Rejected,
    };
    wire::ProviderKey {
        name: key.name(),
        provider: key.provider,
        hint: key.hint,
        state: state.into(),
        reject_reason: key.rejected.map(|(reason, _)| reason.as_str().to_uppercase()).unwrap_or_default(),
        reject_time: key.rejected.map(|(_, at)| timestamp(at)),
        create_time: Some(timestamp(key.created_at)),
        update_time: Some(timestamp(key.updated_at)),
    }
}
