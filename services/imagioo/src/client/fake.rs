//! A server for tests: real connections, answers by the test.

use std::sync::Arc;

use futures::stream::BoxStream;
use imagioo_proto::account::v1 as account;
use imagioo_proto::account::v1::account_service_server::{AccountService, AccountServiceServer};
use imagioo_proto::generation::v1 as generation;
use imagioo_proto::generation::v1::generation_service_server::{GenerationService, GenerationServiceServer};
use imagioo_proto::generation::v1::image_service_server::{ImageService, ImageServiceServer};
use imagioo_rpc::Incoming;
use imagioo_runtime::Shutdown;
use tonic::{Request, Response, Status};

use crate::client::{Client, Credential};

type Answer<T> = Result<Response<T>, Status>;
type Stream<T> = BoxStream<'static, Result<T, Status>>;
type Unary<Q, A> = dyn Fn(Q) -> futures::future::BoxFuture<'static, Result<A, Status>> + Send + Sync;
type Streaming<Q, A> = dyn Fn(Q) -> Stream<A> + Send + Sync;

/// The answers of a server; a call without one is unimplemented.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) refresh: Option<Arc<Unary<account::RefreshSessionRequest, account::RefreshSessionResponse>>>,
    pub(crate) create:
        Option<Arc<Unary<generation::CreateGenerationRequest, generation::CreateGenerationResponse>>>,
    pub(crate) watch:
        Option<Arc<Streaming<generation::WatchGenerationRequest, generation::WatchGenerationResponse>>>,
    pub(crate) watch_all:
        Option<Arc<Streaming<generation::WatchGenerationsRequest, generation::WatchGenerationsResponse>>>,
    pub(crate) download:
        Option<Arc<Streaming<generation::DownloadImageRequest, generation::DownloadImageResponse>>>,
}

impl Fake {
    /// Starts the server and connects to it; it lives as long as the test's runtime.
    pub(crate) async fn start(self) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tonic::transport::Server::builder()
            .add_service(AccountServiceServer::new(self.clone()))
            .add_service(GenerationServiceServer::new(self.clone()))
            .add_service(ImageServiceServer::new(self))
            .serve_with_incoming(Incoming::of(listener));
        Shutdown::new(std::time::Duration::ZERO)
            .attend("fake server", async move { server.await.expect("served") });
        Client::new(format!("http://{address}").parse().expect("an address"), Credential::Nothing)
            .expect("a client")
    }
}

async fn unary<Q, A>(answer: Option<&Arc<Unary<Q, A>>>, request: Request<Q>) -> Answer<A> {
    let Some(answer) = answer else { return refused() };
    answer(request.into_inner()).await.map(Response::new)
}

fn streaming<Q, A>(answer: Option<&Arc<Streaming<Q, A>>>, request: Request<Q>) -> Answer<Stream<A>> {
    answer.map_or_else(refused, |answer| Ok(Response::new(answer(request.into_inner()))))
}

fn refused<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this test"))
}

#[tonic::async_trait]
impl AccountService for Fake {
    async fn sign_up(&self, _: Request<account::SignUpRequest>) -> Answer<account::SignUpResponse> {
        refused()
    }

    async fn sign_in(&self, _: Request<account::SignInRequest>) -> Answer<account::SignInResponse> {
        refused()
    }

    async fn refresh_session(
        &self,
        request: Request<account::RefreshSessionRequest>,
    ) -> Answer<account::RefreshSessionResponse> {
        unary(self.refresh.as_ref(), request).await
    }

    async fn sign_out(&self, _: Request<account::SignOutRequest>) -> Answer<account::SignOutResponse> {
        refused()
    }

    async fn get_me(&self, _: Request<account::GetMeRequest>) -> Answer<account::GetMeResponse> {
        refused()
    }

    async fn create_api_key(
        &self,
        _: Request<account::CreateApiKeyRequest>,
    ) -> Answer<account::CreateApiKeyResponse> {
        refused()
    }

    async fn list_api_keys(
        &self,
        _: Request<account::ListApiKeysRequest>,
    ) -> Answer<account::ListApiKeysResponse> {
        refused()
    }

    async fn revoke_api_key(
        &self,
        _: Request<account::RevokeApiKeyRequest>,
    ) -> Answer<account::RevokeApiKeyResponse> {
        refused()
    }
}

#[tonic::async_trait]
impl GenerationService for Fake {
    async fn create_generation(
        &self,
        request: Request<generation::CreateGenerationRequest>,
    ) -> Answer<generation::CreateGenerationResponse> {
        unary(self.create.as_ref(), request).await
    }

    async fn run_generation_again(
        &self,
        _: Request<generation::RunGenerationAgainRequest>,
    ) -> Answer<generation::RunGenerationAgainResponse> {
        refused()
    }

    async fn estimate_generation(
        &self,
        _: Request<generation::EstimateGenerationRequest>,
    ) -> Answer<generation::EstimateGenerationResponse> {
        refused()
    }

    async fn get_generation(
        &self,
        _: Request<generation::GetGenerationRequest>,
    ) -> Answer<generation::GetGenerationResponse> {
        refused()
    }

    async fn list_generations(
        &self,
        _: Request<generation::ListGenerationsRequest>,
    ) -> Answer<generation::ListGenerationsResponse> {
        refused()
    }

    type WatchGenerationStream = Stream<generation::WatchGenerationResponse>;

    async fn watch_generation(
        &self,
        request: Request<generation::WatchGenerationRequest>,
    ) -> Answer<Self::WatchGenerationStream> {
        streaming(self.watch.as_ref(), request)
    }

    type WatchGenerationsStream = Stream<generation::WatchGenerationsResponse>;

    async fn watch_generations(
        &self,
        request: Request<generation::WatchGenerationsRequest>,
    ) -> Answer<Self::WatchGenerationsStream> {
        streaming(self.watch_all.as_ref(), request)
    }

    async fn cancel_generation(
        &self,
        _: Request<generation::CancelGenerationRequest>,
    ) -> Answer<generation::CancelGenerationResponse> {
        refused()
    }
}

#[tonic::async_trait]
impl ImageService for Fake {
    async fn get_image(
        &self,
        _: Request<generation::GetImageRequest>,
    ) -> Answer<generation::GetImageResponse> {
        refused()
    }

    async fn list_images(
        &self,
        _: Request<generation::ListImagesRequest>,
    ) -> Answer<generation::ListImagesResponse> {
        refused()
    }

    async fn upload_image(
        &self,
        _: Request<tonic::Streaming<generation::UploadImageRequest>>,
    ) -> Answer<generation::UploadImageResponse> {
        refused()
    }

    type DownloadImageStream = Stream<generation::DownloadImageResponse>;

    async fn download_image(
        &self,
        request: Request<generation::DownloadImageRequest>,
    ) -> Answer<Self::DownloadImageStream> {
        streaming(self.download.as_ref(), request)
    }
}
