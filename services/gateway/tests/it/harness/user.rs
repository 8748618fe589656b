//! A signed-in person and what they can do.

use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::model_service_client::ModelServiceClient;
use imagioo_proto::generation::v1::{
    CancelGenerationRequest, CreateGenerationRequest, DownloadImageRequest, Generation, GenerationState,
    GetGenerationRequest, GetImageRequest, Image, ListGenerationsRequest, ListGenerationsResponse,
    ListImagesRequest, ListImagesResponse, ListModelsRequest, ListModelsResponse, RunGenerationAgainRequest,
    UploadImageRequest, WatchGenerationRequest, WatchGenerationResponse, download_image_response::Part,
};
use imagioo_rpc::{Code, RpcError, bearer};
use imagioo_types::{GenerationId, SessionId, UserId};
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use super::{Account, Gateway, eventually, within};

/// Somebody with an access token, at one replica of the gateway.
#[derive(Clone)]
pub struct User {
    pub id: UserId,
    pub session: SessionId,
    /// What the `authorization` header carries.
    pub credential: String,
    pub channel: Channel,
}

/// A create call with this prompt and otherwise the model's defaults.
pub fn wanted(prompt: &str) -> CreateGenerationRequest {
    CreateGenerationRequest {
        model: "models/sketch".to_owned(),
        prompt: prompt.to_owned(),
        ..CreateGenerationRequest::default()
    }
}

impl User {
    pub fn sign_in(account: &Account, gateway: &Gateway, id: UserId) -> Self {
        let (session, credential) = account.sign_in(id);
        Self { id, session, credential, channel: gateway.public.clone() }
    }

    /// The same person at another replica.
    pub fn at(&self, gateway: &Gateway) -> Self {
        Self { channel: gateway.public.clone(), ..self.clone() }
    }

    /// The same person with another credential, or whatever else the header may carry.
    pub fn with(&self, credential: &str) -> Self {
        Self { credential: credential.to_owned(), ..self.clone() }
    }

    /// A request that carries the credential.
    pub fn says<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer(&self.credential).expect("text"));
        request
    }

    pub fn generations(&self) -> GenerationServiceClient<Channel> {
        GenerationServiceClient::new(self.channel.clone())
    }

    pub fn images(&self) -> ImageServiceClient<Channel> {
        ImageServiceClient::new(self.channel.clone())
    }

    pub fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel.clone())
    }

    pub async fn create(&self, prompt: &str) -> Generation {
        self.ask(wanted(prompt)).await.expect("accepted")
    }

    /// Creates as many generations, one after the other.
    pub async fn create_many(&self, count: usize) -> Vec<Generation> {
        let mut created = Vec::with_capacity(count);
        for number in 0..count {
            created.push(self.create(&format!("fox {number}")).await);
        }
        created
    }

    pub async fn ask(&self, call: CreateGenerationRequest) -> Result<Generation, RpcError> {
        let answer = within("an answer", self.generations().create_generation(self.says(call))).await?;
        Ok(answer.into_inner().generation.expect("a generation"))
    }

    pub async fn get(&self, name: &str) -> Result<Generation, RpcError> {
        let request = GetGenerationRequest { name: name.to_owned() };
        let answer = within("an answer", self.generations().get_generation(self.says(request))).await?;
        Ok(answer.into_inner().generation.expect("a generation"))
    }

    pub async fn cancel(&self, name: &str) -> Result<Generation, RpcError> {
        let request = CancelGenerationRequest { name: name.to_owned() };
        let answer = within("an answer", self.generations().cancel_generation(self.says(request))).await?;
        Ok(answer.into_inner().generation.expect("a generation"))
    }

    pub async fn list(&self, page_size: i32, page_token: &str) -> Result<ListGenerationsResponse, RpcError> {
        let request = ListGenerationsRequest {
            page_size,
            page_token: page_token.to_owned(),
            versions_of: String::new(),
        };
        Ok(within("an answer", self.generations().list_generations(self.says(request))).await?.into_inner())
    }

    /// The versions of a generation, newest first.
    pub async fn versions(&self, name: &str) -> Result<Vec<Generation>, RpcError> {
        let request = ListGenerationsRequest { versions_of: name.to_owned(), ..Default::default() };
        let answer = within("an answer", self.generations().list_generations(self.says(request))).await?;
        Ok(answer.into_inner().generations)
    }

    pub async fn run_again(&self, request: RunGenerationAgainRequest) -> Result<Generation, RpcError> {
        let answer = within("an answer", self.generations().run_generation_again(self.says(request))).await?;
        Ok(answer.into_inner().generation.expect("a generation"))
    }

    /// Uploads a file in parts of 100 bytes.
    pub async fn upload(&self, file: &[u8]) -> Result<Image, RpcError> {
        let parts: Vec<_> =
            file.chunks(100).map(|part| UploadImageRequest { data: part.to_vec().into() }).collect();
        let request = self.says(()).map(|()| futures::stream::iter(parts));
        let answer = within("an answer", self.images().upload_image(request)).await?;
        Ok(answer.into_inner().image.expect("an image"))
    }

    pub async fn get_image(&self, name: &str) -> Result<Image, RpcError> {
        let request = GetImageRequest { name: name.to_owned() };
        let answer = within("an answer", self.images().get_image(self.says(request))).await?;
        Ok(answer.into_inner().image.expect("an image"))
    }

    pub async fn list_images(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListImagesResponse, RpcError> {
        let request = ListImagesRequest { page_size, page_token: page_token.to_owned() };
        Ok(within("an answer", self.images().list_images(self.says(request))).await?.into_inner())
    }

    /// What is sent first, and then every piece of the file.
    pub async fn download(&self, name: &str, offset: i64) -> Result<(Image, Vec<Vec<u8>>), RpcError> {
        let request = self.says(DownloadImageRequest { name: name.to_owned(), offset });
        let mut parts = within("an answer", self.images().download_image(request)).await?.into_inner();
        let (mut image, mut pieces) = (None, Vec::new());
        while let Some(part) = within("a part", parts.message()).await? {
            match part.part.expect("a part") {
                Part::Image(first) => {
                    assert!(image.is_none() && pieces.is_empty(), "the image comes first, once");
                    image = Some(first);
                }
                Part::Data(data) => pieces.push(data.to_vec()),
            }
        }
        Ok((image.expect("an image"), pieces))
    }

    pub async fn list_models(&self) -> ListModelsResponse {
        let answer = within("an answer", self.models().list_models(self.says(ListModelsRequest {}))).await;
        answer.expect("the catalogue").into_inner()
    }

    pub async fn watch(&self, name: &str) -> Watching {
        self.try_watch(name).await.expect("watched")
    }

    pub async fn try_watch(&self, name: &str) -> Result<Watching, RpcError> {
        let request = self.says(WatchGenerationRequest { name: name.to_owned(), after_version: 0 });
        let steps = within("an answer", self.generations().watch_generation(request)).await?;
        Ok(Watching { steps: steps.into_inner(), version: 0 })
    }

    /// The generation as soon as it is in this state, seen through a watch of its own.
    pub async fn sees(&self, name: &str, state: GenerationState) -> Generation {
        self.watch(name).await.until(state).await
    }

    /// The generation when it has ended, however it did.
    pub async fn sees_the_end(&self, name: &str) -> Generation {
        self.watch(name).await.until_the_end().await
    }

    /// Why even reading is refused, as soon as it is.
    pub async fn until_refused(&self) -> RpcError {
        let mut refusal = None;
        eventually("reading is refused", async || {
            refusal = self.list(1, "").await.err();
            refusal.is_some()
        })
        .await;
        refusal.expect("it was")
    }

    /// Calls that change something are refused until the gateway knows who was signed out.
    pub async fn until_changes_are_possible(&self) {
        let nothing = GenerationId::generate().name();
        eventually(
            "the deny list arrives",
            async || matches!(self.cancel(&nothing).await, Err(error) if error.code() == Code::NotFound),
        )
        .await;
    }
}

/// A watch of one generation.
pub struct Watching {
    steps: Streaming<WatchGenerationResponse>,
    version: i64,
}

impl Watching {
    /// The next step that says something; nothing when the stream is over. Versions never go back.
    pub async fn next(&mut self) -> Result<Option<WatchGenerationResponse>, RpcError> {
        loop {
            let Some(step) = within("a step", self.steps.message()).await? else { return Ok(None) };
            if let Some(generation) = &step.generation {
                assert!(generation.version >= self.version, "a version went back");
                self.version = generation.version;
            }
            if step != WatchGenerationResponse::default() {
                return Ok(Some(step));
            }
        }
    }

    /// The generation as of the next step that shows it.
    pub async fn change(&mut self) -> Generation {
        let shown = async {
            loop {
                let step = self.next().await.expect("no error").expect("more to come");
                if let Some(generation) = step.generation {
                    return generation;
                }
            }
        };
        within("a change", shown).await
    }

    pub async fn until(&mut self, state: GenerationState) -> Generation {
        let reached = async {
            loop {
                let generation = self.change().await;
                if generation.state() == state {
                    return generation;
                }
                assert!(!is_final(&generation), "ended as {generation:?} before it was {state:?}");
            }
        };
        within(&format!("{state:?}"), reached).await
    }

    /// The last thing the stream shows, which must be a final state.
    pub async fn until_the_end(&mut self) -> Generation {
        let mut last = None;
        let closed = async {
            while let Some(step) = self.next().await.expect("no error") {
                last = step.generation.or(last.take());
            }
        };
        within("the end", closed).await;
        let last = last.expect("a state");
        assert!(is_final(&last), "the stream closed on {last:?}");
        last
    }
}

fn is_final(generation: &Generation) -> bool {
    use GenerationState::{Cancelled, Failed, Succeeded};
    matches!(generation.state(), Succeeded | Failed | Cancelled)
}
