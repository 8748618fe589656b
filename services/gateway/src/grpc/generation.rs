//! `imagioo.generation.v1.GenerationService`.

use std::time::Duration;

use futures::stream::BoxStream;
use imagioo_picture::Operation;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::generation_service_server::GenerationService;
use imagioo_rpc::{AccessVerifier, Caller, RpcError, caller, page, validated};
use imagioo_runtime::Shutdown;
use imagioo_types::GenerationId;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::convert::{self, bad_name};
use super::decode;
use super::watch::Watching;
use crate::app::App;
use crate::error::Error;
use crate::generations::again;
use crate::generations::cancel;
use crate::generations::create::{self, Accepted, Create};
use crate::generations::inputs::Pictures;
use crate::generations::outlook;
use crate::generations::read::{self, Whole};
use crate::generations::route;
use crate::generations::watch::{self, Now};
use crate::presets::using;
use crate::provider_keys;

/// The public calls that make images.
pub(crate) struct Generations {
    pub(crate) app: App,
    pub(crate) verifier: AccessVerifier,
    pub(crate) shutdown: Shutdown,
}

impl Generations {
    fn watching(&self, caller: &Caller) -> Result<Watching, Status> {
        let (app, verifier, shutdown) = (self.app.clone(), self.verifier.clone(), self.shutdown.clone());
        Ok(Watching::admit(app, verifier, shutdown, caller)?)
    }

    /// Creates, and waits as long as the caller likes.
    async fn create(
        &self,
        caller: &Caller,
        call: Create,
        wait: Duration,
    ) -> Result<wire::Generation, Status> {
        let place = if wait.is_zero() { None } else { Some(watch::place(&self.app, caller)?) };
        let whole = match create::create(&self.app, caller, call).await? {
            Accepted::New(generation) if wait.is_zero() => {
                let outlook = outlook::of_new(&self.app, &generation);
                let whole = Whole { generation: *generation, images: Vec::new() };
                return Ok(convert::generation(Now { whole, outlook, progress: None }));
            }
            accepted => {
                let waiting = place.map(|place| (place, Instant::now() + wait));
                watch::wait(&self.app, caller, accepted.id(), waiting).await?
            }
        };
        self.encode(whole).await
    }

    async fn encode(&self, whole: Whole) -> Result<wire::Generation, Status> {
        let [generation] = <[_; 1]>::try_from(self.encode_all(vec![whole]).await?)
            .map_err(|_| RpcError::internal("one generation is not one"))?;
        Ok(generation)
    }

    /// Generations of one owner.
    async fn encode_all(&self, wholes: Vec<Whole>) -> Result<Vec<wire::Generation>, Status> {
        let Some(owner) = wholes.first().map(|whole| whole.generation.owner) else { return Ok(Vec::new()) };
        let all = wholes.iter().map(|whole| &whole.generation);
        let outlooks = outlook::of(&self.app, owner, all).await.map_err(Error::from)?;
        let encode = |whole: Whole| {
            let outlook = outlooks.get(&whole.generation.id).copied().unwrap_or_default();
            convert::generation(Now { whole, outlook, progress: None })
        };
        Ok(wholes.into_iter().map(encode).collect())
    }
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[tonic::async_trait]
impl GenerationService for Generations {
    async fn create_generation(
        &self,
        request: Request<wire::CreateGenerationRequest>,
    ) -> Result<Response<wire::CreateGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let wait = seconds(message.wait_seconds);
        let generation = Some(self.create(&caller, decode::create(message)?, wait).await?);
        Ok(Response::new(wire::CreateGenerationResponse { generation }))
    }

    async fn run_generation_again(
        &self,
        request: Request<wire::RunGenerationAgainRequest>,
    ) -> Result<Response<wire::RunGenerationAgainResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let wait = seconds(message.wait_seconds);
        let again = decode::again(message)?;
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
        let named = decode::images(&message.reference_images, "reference_images")?;
        let pictures = Pictures::find(&self.app, &caller, &named, None).await?;
        if !named.is_empty() {
            asked.sizes = pictures.sizes();
            asked.references = named.len();
        }
        let (name, mut model) = (decode::preset_name(&message.preset)?, message.model);
        let preset = using::estimate(&self.app, &caller, name, (&mut model, &mut asked)).await?;
        // Whoever estimates an inpaint has its mask later.
        asked.mask = asked.operation == Some(Operation::Inpaint);
        asked.consent = convert::consent(message.routing);
        let model = preset.model(&catalogue, &model, self.app.clock.now())?;
        let source = asked.consent.key;
        asked.own_keys =
            provider_keys::using::usable(&self.app, &caller, (&catalogue, model), source).await?;
        let priced = preset.price(&self.app, (&catalogue, model), &asked)?;
        pictures.leave_room(&priced, self.app.config.results.max_pixels)?;
        let first = route::begin(&priced.route, &self.app.health);
        let outlook = first
            .map(|stop| outlook::of_next(&self.app, &stop.deployment, caller.identity.user))
            .unwrap_or_default();
        Ok(Response::new(wire::EstimateGenerationResponse {
            price: priced.price.get(),
            catalogue_version: catalogue.version.clone(),
            queue_depth: outlook.ahead,
            estimate: outlook.estimate.map(convert::estimate),
            key_source: convert::key_source(first.is_some_and(|stop| stop.own_key)).into(),
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
        Ok(Response::new(wire::GetGenerationResponse { generation: Some(self.encode(whole).await?) }))
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
        let generations = self.encode_all(found).await?;
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
        let steps = self.watching(&caller)?.one(caller, id, message.after_version).await?;
        Ok(Response::new(steps))
    }

    type WatchGenerationsStream = BoxStream<'static, Result<wire::WatchGenerationsResponse, Status>>;

    async fn watch_generations(
        &self,
        request: Request<wire::WatchGenerationsRequest>,
    ) -> Result<Response<Self::WatchGenerationsStream>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let steps = self.watching(&caller)?.all(caller, &message.cursor).await?;
        Ok(Response::new(steps))
    }

    async fn cancel_generation(
        &self,
        request: Request<wire::CancelGenerationRequest>,
    ) -> Result<Response<wire::CancelGenerationResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let id = GenerationId::from_name(&message.name).map_err(bad_name("name"))?;
        let whole = cancel::cancel(&self.app, &caller, id).await?;
        Ok(Response::new(wire::CancelGenerationResponse { generation: Some(self.encode(whole).await?) }))
    }
}
