//! `imagioo.account.v1.AccountService`.

use std::sync::Arc;

use imagioo_proto::account::v1::account_service_server::AccountService;
use imagioo_proto::account::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, GetMeRequest, GetMeResponse, ListApiKeysRequest,
    ListApiKeysResponse, RefreshSessionRequest, RefreshSessionResponse, RevokeApiKeyRequest,
    RevokeApiKeyResponse, Session, SignInRequest, SignInResponse, SignOutRequest, SignOutResponse,
    SignUpRequest, SignUpResponse, User,
};
use imagioo_rpc::{Code, RpcError, caller, page, validated};
use imagioo_types::ApiKeyId;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{instant, refuse, timestamp};
use crate::app::App;
use crate::credential::visible_prefix;
use crate::db::api_keys::ApiKeyRow;
use crate::db::users::UserRow;
use crate::sessions::SignedIn;
use crate::{api_keys, sessions, users};

/// Accounts, sessions and API keys of the caller.
pub(crate) struct AccountGrpc(pub(crate) Arc<App>);

#[tonic::async_trait]
impl AccountService for AccountGrpc {
    async fn sign_up(&self, request: Request<SignUpRequest>) -> Result<Response<SignUpResponse>, Status> {
        let SignUpRequest { email, password } = validated(request.into_inner())?;
        let (user, signed_in) = users::sign_up(&self.0, &email, password.into()).await.map_err(refuse)?;
        Ok(Response::new(SignUpResponse { user: Some(user.into()), session: Some(signed_in.into()) }))
    }

    async fn sign_in(&self, request: Request<SignInRequest>) -> Result<Response<SignInResponse>, Status> {
        let SignInRequest { email, password } = validated(request.into_inner())?;
        let signed_in = sessions::sign_in(&self.0, &email, password.into()).await.map_err(refuse)?;
        Ok(Response::new(SignInResponse { session: Some(signed_in.into()) }))
    }

    async fn refresh_session(
        &self,
        request: Request<RefreshSessionRequest>,
    ) -> Result<Response<RefreshSessionResponse>, Status> {
        let request = validated(request.into_inner())?;
        let signed_in = sessions::refresh(&self.0, &request.refresh_token).await.map_err(refuse)?;
        Ok(Response::new(RefreshSessionResponse { session: Some(signed_in.into()) }))
    }

    async fn sign_out(&self, request: Request<SignOutRequest>) -> Result<Response<SignOutResponse>, Status> {
        let request = validated(request.into_inner())?;
        sessions::sign_out(&self.0, &request.refresh_token).await.map_err(refuse)?;
        Ok(Response::new(SignOutResponse {}))
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Result<Response<GetMeResponse>, Status> {
        let identity = caller(&request)?.identity;
        let user = users::get_me(&self.0, identity.user).await.map_err(refuse)?;
        Ok(Response::new(GetMeResponse { user: Some(user.into()) }))
    }

    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let identity = caller(&request)?.identity;
        let CreateApiKeyRequest { display_name, expire_time } = validated(request.into_inner())?;
        let expires_at = match expire_time {
            None => None,
            Some(time) => Some(instant(time).ok_or_else(no_instant)?),
        };
        if display_name.contains('\0') {
            return Err(no_text().into());
        }
        let (row, secret) =
            api_keys::create(&self.0, &identity, &display_name, expires_at).await.map_err(refuse)?;
        let secret = secret.text().to_owned();
        Ok(Response::new(CreateApiKeyResponse { api_key: Some(row.into()), secret }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let identity = caller(&request)?.identity;
        let request = validated(request.into_inner())?;
        let before = page::decode::<Uuid>(&request.page_token)?.map(ApiKeyId::from_uuid);
        let size = page::size(request.page_size);
        let page = api_keys::list(&self.0, identity.user, before, size).await.map_err(refuse)?;
        let next_page_token = match page.next {
            None => String::new(),
            Some(id) => page::encode(&id.uuid())?,
        };
        let api_keys = page.keys.into_iter().map(ApiKey::from).collect();
        Ok(Response::new(ListApiKeysResponse { api_keys, next_page_token }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<RevokeApiKeyResponse>, Status> {
        let identity = caller(&request)?.identity;
        let request = validated(request.into_inner())?;
        let id = ApiKeyId::from_name(&request.name).map_err(|_| RpcError::not_found("API key"))?;
        let row = api_keys::revoke(&self.0, identity.user, id).await.map_err(refuse)?;
        Ok(Response::new(RevokeApiKeyResponse { api_key: Some(row.into()) }))
    }
}

fn no_instant() -> RpcError {
    RpcError::new(Code::InvalidArgument, "the expiry is no point in time")
        .field("expire_time", "write seconds since 1970 and nanoseconds from 0 to 999999999")
}

fn no_text() -> RpcError {
    RpcError::new(Code::InvalidArgument, "the name contains a character that cannot be stored")
        .field("display_name", "leave out the null character")
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            name: row.id.name(),
            email: row.email,
            create_time: Some(timestamp(row.created_at)),
            email_verified: row.email_verified,
        }
    }
}

impl From<SignedIn> for Session {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            name: signed_in.session.name(),
            access_token: signed_in.access.text.expose_secret().to_owned(),
            access_expire_time: Some(timestamp(signed_in.access.expires_at)),
            refresh_token: signed_in.refresh.expose_secret().to_owned(),
            expire_time: Some(timestamp(signed_in.expires_at)),
        }
    }
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            name: row.id.name(),
            display_name: row.display_name,
            prefix: visible_prefix(row.id),
            create_time: Some(timestamp(row.created_at)),
            expire_time: row.expires_at.map(timestamp),
            revoke_time: row.revoked_at.map(timestamp),
            last_use_time: row.last_used_at.map(timestamp),
        }
    }
}
