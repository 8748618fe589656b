//! `imagioo.generation.v1.GenerationService`.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use imagioo_picture::Operation;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::generation_service_server::GenerationService;
use imagioo_rpc::{AccessVerifier, Caller, Code, RpcError, caller, page, validated};
use imagioo_runtime::Shutdown;
use imagioo_types::{Credits, GenerationId, ImageId};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use super::convert::{self, bad_name};
use crate::app::App;
use crate::generations::again::{self, Again};
use crate::generations::cancel;
use crate::generations::create::{self, Accepted, Create};
use crate::generations::inputs::Named;
use crate::generations::read::{self, Whole};
use crate::generations::route;
use crate::generations::watch::{self, Step, Watch};
use crate::preset::PresetName;
use crate::presets::using::{self, Wanted};
use crate::watchers::Progress;

/// The public calls that make images.
pub(crate) struct Generations {
    pub(crate) app: App,
    pub(crate) verifier: AccessVerifier,
    pub(crate) shutdown: Shutdown,
}

impl Generations {
    /// Creates, and waits as long as the caller likes.
    async fn create(
        &self,
        caller: &Caller,
        call: Create,
        wait: Duration,
    ) -> Result<wire::Generation, Status> {
        let whole = match create::create(&self.app, caller, call).await? {
            Accepted::New(generation) if wait.is_zero() => {
                Whole { generation: *generation, images: Vec::new() }
            }
            accepted => watch::wait(&self.app, caller, accepted.id(), wait).await?,
        };
        Ok(self.encode(whole, None))
    }

    fn encode(&self, whole: Whole, progress: Option<Progress>) -> wire::Generation {
        let ahead = self.app.depths.queued(&whole.generation.deployment);
        convert::generation(whole, ahead, progress)
    }
}

#[tonic::async_trait]
impl GenerationService for Generations {
    async fn create_generation(
        &self,
        request: Request<wire::CreateGenerationRequest>,
    ) -> Result<Response<wire::CreateGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let wait = Duration::from_secs(u64::try_from(message.wait_seconds).unwrap_or_default());
        let generation = Some(self.create(&caller, decode(message)?, wait).await?);
        Ok(Response::new(wire::CreateGenerationResponse { generation }))
    }

    async fn run_generation_again(
        &self,
        request: Request<wire::RunGenerationAgainRequest>,
    ) -> Result<Response<wire::RunGenerationAgainResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        check_request_id(&message.request_id)?;
        let wait = Duration::from_secs(u64::try_from(message.wait_seconds).unwrap_or_default());
        let id = GenerationId::from_name(&message.name).map_err(bad_name("name"))?;
        let again = Again {
            id,
            body_hash: again_hash(&message),
            model: message.model,
            keep_seed: message.keep_seed,
            request_id: message.request_id,
            max_credits: message.max_credits.map(Credits::new),
            consent: convert::consent(message.routing),
        };
        let call = again::call(&self.app, &caller, again).await?;
        let generation = Some(self.create(&caller, call, wait).await?);
        Ok(Response::new(wire::RunGenerationAgainResponse { generation }))
    }

    async fn estimate_generation(
        &self,
        request: Request<wire::EstimateGenerationRequest>,
    ) -> Result<Response<wire::EstimateGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let catalogue = self.app.catalogue();
        let operation = message.operation();
        let mut asked = convert::asked(operation, message.settings.as_ref(), message.count)?;
        asked.references = usize::try_from(message.references).unwrap_or_default();
        let (name, mut model) = (preset_name(&message.preset)?, message.model);
        let preset = using::estimate(&self.app, &caller, name, (&mut model, &mut asked)).await?;
        // Whoever estimates an inpaint has its mask later.
        asked.mask = asked.operation == Some(Operation::Inpaint);
        asked.consent = convert::consent(message.routing);
        let model = preset.model(&catalogue, &model, self.app.clock.now())?;
        let priced = preset.price(model, &asked)?;
        Ok(Response::new(wire::EstimateGenerationResponse {
            price: priced.price.get(),
            catalogue_version: catalogue.version.clone(),
            queue_depth: route::begin(&priced.route, &self.app.health)
                .map_or(0, |stop| self.app.depths.queued(&stop.deployment)),
        }))
    }

    async fn get_generation(
        &self,
        request: Request<wire::GetGenerationRequest>,
    ) -> Result<Response<wire::GetGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = GenerationId::from_name(&message.name).map_err(bad_name("name"))?;
        let whole = read::get(&self.app, &caller, id).await?;
        Ok(Response::new(wire::GetGenerationResponse { generation: Some(self.encode(whole, None)) }))
    }

    async fn list_generations(
        &self,
        request: Request<wire::ListGenerationsRequest>,
    ) -> Result<Response<wire::ListGenerationsResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let limit = page::size(message.page_size);
        let before = page::decode(&message.page_token)?.map(GenerationId::from_uuid);
        let versions_of = match message.versions_of.as_str() {
            "" => None,
            name => Some(GenerationId::from_name(name).map_err(bad_name("versions_of"))?),
        };
        let found = read::list(&self.app, &caller, versions_of, (before, limit)).await?;
        let last = found.last().map(|whole| whole.generation.id.uuid());
        let next_page_token = match last {
            Some(last) if found.len() as i64 == limit => page::encode(&last)?,
            _ => String::new(),
        };
        let generations = found.into_iter().map(|whole| self.encode(whole, None)).collect();
        Ok(Response::new(wire::ListGenerationsResponse { generations, next_page_token }))
    }

    type WatchGenerationStream = BoxStream<'static, Result<wire::WatchGenerationResponse, Status>>;

    async fn watch_generation(
        &self,
        request: Request<wire::WatchGenerationRequest>,
    ) -> Result<Response<Self::WatchGenerationStream>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = GenerationId::from_name(&message.name).map_err(bad_name("name"))?;
        read::get(&self.app, &caller, id).await?;
        let watch = Watch::start(&self.app, &caller, id);
        let (verifier, shutdown) = (self.verifier.clone(), self.shutdown.clone());
        let steps =
            stream::try_unfold((watch, verifier, caller), async move |(mut watch, verifier, caller)| {
                let step = watch.next().await?;
                // After the wait, which may have been long: nothing is shown to somebody who was signed out meanwhile.
                verifier.not_revoked(&caller.identity)?;
                Ok::<_, Status>(step.map(|step| (step, (watch, verifier, caller))))
            });
        let app = self.app.clone();
        let answers = steps.map(move |step| step.map(|step| encode_step(&app, step)));
        Ok(Response::new(answers.take_until(async move { shutdown.requested().await }).boxed()))
    }

    async fn cancel_generation(
        &self,
        request: Request<wire::CancelGenerationRequest>,
    ) -> Result<Response<wire::CancelGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = GenerationId::from_name(&message.name).map_err(bad_name("name"))?;
        let whole = cancel::cancel(&self.app, &caller, id).await?;
        Ok(Response::new(wire::CancelGenerationResponse { generation: Some(self.encode(whole, None)) }))
    }
}

fn encode_step(app: &App, step: Step) -> wire::WatchGenerationResponse {
    match step {
        Step::Changed(whole, progress) => {
            let ahead = app.depths.queued(&whole.generation.deployment);
            let generation = Some(convert::generation(*whole, ahead, progress));
            wire::WatchGenerationResponse { generation, preview: None }
        }
        Step::Preview(preview) => wire::WatchGenerationResponse {
            generation: None,
            preview: Some(wire::Preview { index: preview.index, format: preview.format, data: preview.data }),
        },
        Step::Heartbeat => wire::WatchGenerationResponse::default(),
    }
}

/// Two calls are the same when everything but the key, the wait and the limit is.
fn body_hash(message: &wire::CreateGenerationRequest) -> [u8; 32] {
    let canonical = wire::CreateGenerationRequest {
        request_id: String::new(),
        wait_seconds: 0,
        max_credits: None,
        ..message.clone()
    };
    Sha256::digest(canonical.encode_to_vec()).into()
}

/// The same for a repetition.
fn again_hash(message: &wire::RunGenerationAgainRequest) -> [u8; 32] {
    let canonical = wire::RunGenerationAgainRequest {
        request_id: String::new(),
        wait_seconds: 0,
        max_credits: None,
        ..message.clone()
    };
    Sha256::digest(canonical.encode_to_vec()).into()
}

/// A create call, decoded; the HTTP door asks for the same.
pub(crate) fn decode(message: wire::CreateGenerationRequest) -> Result<Create, RpcError> {
    let message = validated(message)?;
    check_request_id(&message.request_id)?;
    let body_hash = body_hash(&message);
    let mut asked = convert::asked(message.operation(), message.settings.as_ref(), message.count)?;
    asked.references = message.references.len();
    asked.mask = message.mask.is_some();
    asked.consent = convert::consent(message.routing);
    let parent = match message.parent.as_str() {
        "" => None,
        name => Some(GenerationId::from_name(name).map_err(bad_name("parent"))?),
    };
    let references = message.references.into_iter().map(|input| named(input, "references"));
    Ok(Create {
        body_hash,
        asked,
        request_id: message.request_id,
        model: message.model,
        prompt: message.prompt,
        negative_prompt: message.settings.map(|settings| settings.negative_prompt).unwrap_or_default(),
        references: references.collect::<Result<_, _>>()?,
        mask: message.mask.map(|input| named(input, "mask")).transpose()?,
        parent,
        max_credits: message.max_credits.map(Credits::new),
        start_within: message.start_timeout.map(convert::duration),
        end_within: message.timeout.map(convert::duration),
        preset: preset_name(&message.preset)?.map(Wanted::Filled),
    })
}

/// The preset that a request names, if it does.
fn preset_name(text: &str) -> Result<Option<PresetName>, RpcError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(bad_name("preset"))
}

fn check_request_id(request_id: &str) -> Result<(), RpcError> {
    if request_id.chars().any(char::is_control) {
        return Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("request_id", "must have no control characters"));
    }
    Ok(())
}

/// A picture as the request names it; the rules of the message let no input through that names none.
fn named(input: wire::ImageInput, field: &'static str) -> Result<Named, RpcError> {
    match input.source {
        Some(wire::image_input::Source::Image(name)) => {
            ImageId::from_name(&name).map(Named::Image).map_err(bad_name(field))
        }
        Some(wire::image_input::Source::Data(file)) => Ok(Named::File(file)),
        None => Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field(field, "must be an image or a file")),
    }
}
