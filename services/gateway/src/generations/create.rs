//! Creating a generation: validate, price, screen, hold, insert, in this order; a refusal leaves nothing behind.

use fail::fail_point;
use imagioo_picture::Operation;
use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_runtime::telemetry::trace;
use imagioo_types::{Credits, GenerationId, InvalidPrompt, Prompt, Screened, Wording};
use time::{Duration, OffsetDateTime};

use crate::app::App;
use crate::catalogue::{Asked, Catalogue, Model, Stop};
use crate::db;
use crate::db::generations::insert::{Inserted, New};
use crate::dispatch::Share;
use crate::error::Error;
use crate::generation::{Generation, State};
use crate::generations::inputs::{self, Named, Pictures};
use crate::generations::route;
use crate::holds::{Held, Wanted};
use crate::instruments;
use crate::presets::using;
use crate::provider_keys;

/// A create call, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Create {
    /// Empty when the caller gave none.
    pub(crate) request_id: String,
    /// SHA-256 of what makes two calls the same.
    pub(crate) body_hash: [u8; 32],
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) negative_prompt: String,
    pub(crate) asked: Asked,
    pub(crate) references: Vec<Named>,
    pub(crate) mask: Option<Named>,
    pub(crate) parent: Option<GenerationId>,
    pub(crate) max_credits: Option<Credits>,
    /// When it must have started and ended, if sooner than usual.
    pub(crate) start_within: Option<Duration>,
    pub(crate) end_within: Option<Duration>,
    pub(crate) preset: Option<using::Wanted>,
}

/// A generation that is accepted.
#[derive(Debug, Clone)]
pub(crate) enum Accepted {
    /// Created by this call: as it stands in the database.
    New(Box<Generation>),
    /// Created by an earlier call with the same request_id.
    Found(GenerationId),
}

impl Accepted {
    pub(crate) fn id(&self) -> GenerationId {
        match self {
            Self::New(generation) => generation.id,
            Self::Found(id) => *id,
        }
    }
}

/// Accepts a generation, or finds the one that the same call created before.
pub(crate) async fn create(app: &App, caller: &Caller, call: Create) -> Result<Accepted, Error> {
    let id = GenerationId::generate();
    let request_id = if call.request_id.is_empty() { id.to_string() } else { call.request_id.clone() };
    match accept(app, caller, &call, id, &request_id).await {
        Err(Error::Refused(refusal)) if !call.request_id.is_empty() => {
            repeated(app, caller, &call, refusal).await.map(Accepted::Found)
        }
        outcome => outcome,
    }
}

async fn accept(
    app: &App,
    caller: &Caller,
    call: &Create,
    id: GenerationId,
    request_id: &str,
) -> Result<Accepted, Error> {
    let (call, preset) = using::apply(app, caller, call).await?;
    let catalogue = app.catalogue();
    let model = preset.model(&catalogue, &call.model, app.clock.now())?;
    let source = call.asked.consent.key;
    let own_keys = provider_keys::using::usable(app, caller, (&catalogue, model), source).await?;
    let asked = Asked { own_keys, ..call.asked.clone() };
    let priced = preset.price(app, (&catalogue, model), &asked)?;
    let wording = wording(&call, priced.operation)?;
    let pictures = Pictures::find(app, caller, &call.references, call.mask.as_ref()).await?;
    // Nothing is read for what is refused anyway; larger pictures may cost more.
    let priced = match pictures.sizes() {
        none if none.is_empty() => priced,
        sizes => preset.price(app, (&catalogue, model), &Asked { sizes, ..asked })?,
    };
    pictures.leave_room(&priced, app.config.results.max_pixels)?;
    within_limit(priced.price, call.max_credits)?;
    let parent = match call.parent.or(pictures.origin()) {
        Some(parent) => Some(inputs::lineage(app, caller, parent).await?),
        None => None,
    };
    let screened = app.screen.screen(id, wording).await?;
    let wanted = Wanted { request_id, body_hash: call.body_hash, generation: id, amount: priced.price };
    fail_point!("gateway.create.before_hold");
    let held = app.holds.hold(caller, wanted).await?;
    fail_point!("gateway.create.after_hold");
    if held.generation != id && exists(app, held.generation).await? {
        return Ok(Accepted::Found(held.generation));
    }
    let screened = screened_for(app, held.generation, (id, screened)).await?;
    let deployment = route::begin(&priced.route, &app.health)
        .and_then(|stop| catalogue.deployment(&stop.deployment))
        .ok_or_else(|| RpcError::internal("a route leads nowhere"))?;
    let window = app.health.window(deployment);
    let new = New {
        id: held.generation,
        owner: caller.identity.user,
        request_id: request_id.to_owned(),
        body_hash: call.body_hash,
        model: model.name(),
        operation: priced.operation,
        settings: priced.settings,
        count: priced.count,
        prompt: screened,
        inputs: pictures.keep(app, caller).await?,
        parent,
        route: if is_plain(&priced.route) { Vec::new() } else { priced.route },
        preset: preset.name,
        deployment: deployment.id.clone(),
        catalogue_version: catalogue.version.clone(),
        price: agreed(held, priced.price)?,
        share: Share { weight: app.config.share.weight, cap: app.config.share.in_flight },
        open: app.health.may_overfill(deployment) && app.depths.has_room(&deployment.id, window),
        start_within: shortest(call.start_within, app.config.timing.start_within()),
        end_within: shortest(call.end_within, app.config.timing.end_within()),
        trace: trace::traceparent(),
    };
    let inserted = app.hot.insert(new.clone()).await?;
    fail_point!("gateway.create.before_answer");
    follow_up(app, (&deployment.id, window), inserted)?;
    Ok(match inserted.created {
        Some(created) => {
            instruments::created(&deployment.id);
            Accepted::New(Box::new(new.into_generation(inserted.state, created)))
        }
        None => Accepted::Found(inserted.id),
    })
}

/// Whether a route says nothing that the deployment and the price do not.
fn is_plain(route: &[Stop]) -> bool {
    matches!(route, [] | [Stop { own_key: false, .. }])
}

fn shortest(wished: Option<Duration>, longest: Duration) -> Duration {
    wished.map_or(longest, |wished| wished.min(longest))
}

/// The texts of a call, if the operation has what it needs of them.
fn wording(call: &Create, operation: Operation) -> Result<Wording, RpcError> {
    let invalid = |field: &'static str, error: InvalidPrompt| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(field, error.to_string())
    };
    let prompt = Prompt::parse_optional(call.prompt.clone()).map_err(|error| invalid("prompt", error))?;
    if prompt.is_none() && operation.needs_prompt() {
        return Err(invalid("prompt", InvalidPrompt::Empty));
    }
    let negative = Prompt::parse_optional(call.negative_prompt.clone())
        .map_err(|error| invalid("settings.negative_prompt", error))?;
    Ok(Wording { prompt, negative })
}

async fn exists(app: &App, id: GenerationId) -> Result<bool, Error> {
    Ok(db::generations::find(&mut *app.pool.acquire().await?, id).await?.is_some())
}

/// Words with a decision about the generation that a hold names. Where an earlier, crashed call made the hold, this one's
/// decision is about an id that will not be, and an endpoint was told that one.
async fn screened_for(
    app: &App,
    held: GenerationId,
    (asked, screened): (GenerationId, Screened),
) -> Result<Screened, RpcError> {
    if held == asked { Ok(screened) } else { app.screen.screen(held, screened.wording().clone()).await }
}

/// A hold that an earlier, crashed call made is at the price of that call; the catalogue may have changed since.
fn agreed(held: Held, price: Credits) -> Result<Credits, RpcError> {
    if held.amount == price {
        return Ok(price);
    }
    Err(RpcError::new(
        Code::RequestIdReused,
        "the price changed since this request_id was first used: create again with a new request_id",
    ))
}

/// Wakes the dispatcher for a generation that waits, and refuses one that was given up before it came to be.
fn follow_up(app: &App, (queue, window): (&str, i64), inserted: Inserted) -> Result<(), RpcError> {
    match inserted.state {
        State::Void => Err(RpcError::new(
            Code::RequestGivenUp,
            "this call took too long and was given up; nothing is held: create again with a new request_id",
        )),
        State::Queued if inserted.created.is_some() => {
            // With every slot taken its turn comes when one is given back, which wakes the dispatcher, too.
            if app.depths.has_slots(queue, window) {
                app.turns.notify_one();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The generation that an earlier call with the same key created, or the refusal if there was none.
async fn repeated(
    app: &App,
    caller: &Caller,
    call: &Create,
    refusal: RpcError,
) -> Result<GenerationId, Error> {
    let mut conn = app.pool.acquire().await?;
    let earlier = db::generations::find_by_request(&mut conn, caller.identity.user, &call.request_id).await?;
    match earlier {
        Some(generation) if generation.body_hash == call.body_hash => Ok(generation.id),
        Some(_) => Err(RpcError::new(
            Code::RequestIdReused,
            "this request_id was used for another request: choose a new one",
        )
        .field("request_id", "already used with another body")
        .into()),
        None => Err(refusal.into()),
    }
}

/// The model with this name.
pub(crate) fn find_model<'a>(
    catalogue: &'a Catalogue,
    name: &str,
    now: OffsetDateTime,
) -> Result<&'a Model, RpcError> {
    let model = catalogue.model(name).ok_or_else(|| {
        let names: Vec<_> = catalogue.offered(now).map(Model::name).collect();
        RpcError::new(Code::ModelUnknown, "there is no such model")
            .field("model", format!("must be one of {}", names.join(", ")))
    })?;
    if !model.is_gone(now) {
        return Ok(model);
    }
    let instead = match &model.successor {
        Some(successor) => format!("use models/{successor}"),
        None => "choose another model".to_owned(),
    };
    Err(RpcError::new(Code::ModelSunset, "the model is no longer offered").field("model", instead))
}

fn within_limit(price: Credits, limit: Option<Credits>) -> Result<(), RpcError> {
    match limit {
        Some(limit) if price > limit => Err(RpcError::new(
            Code::PriceAboveLimit,
            format!("this costs {price} credits, more than max_credits {limit}"),
        )
        .field("max_credits", format!("must be at least {price}"))
        .detail("price", price)),
        _ => Ok(()),
    }
}
