//! A request with a preset: the words and settings that both make together, and what they cost.

use std::borrow::Cow;

use imagioo_rpc::{Caller, Code, RpcError};
use imagioo_runtime::database::begin_as;
use imagioo_types::{Credits, Prompt};
use time::OffsetDateTime;

use crate::app::App;
use crate::catalogue::{Asked, Catalogue, Model, Priced, Stop, Unsupported};
use crate::db::{self, USER_ROLE};
use crate::error::Error;
use crate::generations::create::{self, Create};
use crate::preset::{Content, Preset, PresetName};
use crate::presets::fill::fill;

/// A preset as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its settings and words are to be filled in.
    Filled(PresetName),
    /// They are in the request already: it repeats a generation that was made with this version.
    Repeated(PresetName),
}

/// A preset in use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Used {
    /// The version, to be recorded; nothing when the request has no preset.
    pub(crate) name: Option<String>,
    surcharge: Credits,
    /// Fields of the request that it filled.
    filled: Vec<&'static str>,
}

impl Used {
    /// The model by its name; a refusal says where the name came from.
    pub(crate) fn model<'a>(
        &self,
        catalogue: &'a Catalogue,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<&'a Model, RpcError> {
        if name.is_empty() {
            let what = match &self.name {
                Some(preset) => format!("{preset} names none: name one"),
                None => "must not be empty".to_owned(),
            };
            return Err(
                RpcError::new(Code::InvalidArgument, "the request has invalid fields").field("model", what)
            );
        }
        create::find_model(catalogue, name, now).map_err(|refusal| match &self.name {
            Some(preset) if self.filled.contains(&"model") => {
                refusal.field("preset", format!("{preset} names {name}: name another model beside it"))
            }
            _ => refusal,
        })
    }

    /// What the request costs, surcharge included, if the model can serve it; otherwise which models would.
    pub(crate) fn price(
        &self,
        app: &App,
        (catalogue, model): (&Catalogue, &Model),
        asked: &Asked,
    ) -> Result<Priced, RpcError> {
        let priced = model.price(asked).map_err(|Unsupported(problems)| {
            let error = unable(model, &able(app, catalogue, asked));
            problems
                .into_iter()
                .fold(error, |error, (field, what)| error.field(field, self.explain(field, what)))
        })?;
        let total = self.surcharge.times(priced.count.into()).and_then(|more| priced.price.add(more));
        let price = total.map_err(|_| {
            RpcError::new(Code::SettingUnsupported, "this costs too much").field("count", "costs too much")
        })?;
        let dearer = |stop: Stop| Stop { credits: stop.credits + self.surcharge.get(), ..stop };
        let route = priced.route.into_iter().map(dearer).collect();
        Ok(Priced { price, route, ..priced })
    }

    fn explain(&self, field: &str, what: String) -> String {
        match &self.name {
            Some(preset) if self.filled.contains(&field) => {
                format!("{what}; it comes from {preset}: set it yourself, or choose another model or preset")
            }
            _ => what,
        }
    }
}

/// The models that would take this now.
fn able(app: &App, catalogue: &Catalogue, asked: &Asked) -> Vec<String> {
    catalogue.able(asked, app.clock.now(), |deployment| app.health.standing(deployment).is_available())
}

fn unable(model: &Model, others: &[String]) -> RpcError {
    let name = model.name();
    match others {
        [] => {
            RpcError::new(Code::SettingUnsupported, format!("{name} cannot do this, nor can another model"))
        }
        others => {
            let message = format!("{name} cannot do this; these can: {}", others.join(", "));
            RpcError::new(Code::SettingUnsupported, message).detail("models", others.join(","))
        }
    }
}

/// The call with everything that its preset says.
pub(crate) async fn apply<'a>(
    app: &App,
    caller: &Caller,
    call: &'a Create,
) -> Result<(Cow<'a, Create>, Used), Error> {
    let Some(wanted) = &call.preset else { return Ok((Cow::Borrowed(call), Used::default())) };
    let (preset, is_repeated) = find(app, caller, wanted).await?;
    let mut used = Used::of(&preset);
    if is_repeated {
        return Ok((Cow::Borrowed(call), used));
    }
    let mut call = call.clone();
    words(&preset.content, &mut call)?;
    used.filled = fill(&preset.content, &mut call.model, &mut call.asked);
    Ok((Cow::Owned(call), used))
}

/// The same for a request that is only priced.
pub(crate) async fn estimate(
    app: &App,
    caller: &Caller,
    name: Option<PresetName>,
    (model, asked): (&mut String, &mut Asked),
) -> Result<Used, Error> {
    let Some(name) = name else { return Ok(Used::default()) };
    let (preset, _) = find(app, caller, &Wanted::Filled(name)).await?;
    let mut used = Used::of(&preset);
    used.filled = fill(&preset.content, model, asked);
    Ok(used)
}

impl Used {
    fn of(preset: &Preset) -> Self {
        Self { name: Some(preset.versioned_name()), surcharge: preset.content.surcharge, filled: Vec::new() }
    }
}

/// The preset, and whether the request has its part already. A deleted one serves repetitions only.
async fn find(app: &App, caller: &Caller, wanted: &Wanted) -> Result<(Preset, bool), Error> {
    let (name, is_repeated) = match wanted {
        Wanted::Filled(name) => (name, false),
        Wanted::Repeated(name) => (name, true),
    };
    let owner = caller.identity.user;
    let mut tx = begin_as(&app.pool, USER_ROLE, owner).await?;
    let found = db::presets::find(&mut tx, name.shelf(owner), &name.slug, name.version).await?;
    tx.commit().await?;
    let found = found.filter(|preset| is_repeated || preset.deleted_at.is_none());
    let preset = found.ok_or_else(|| {
        RpcError::not_found("preset")
            .field("preset", "must be one of yours or a shared one: list the presets")
    })?;
    Ok((preset, is_repeated))
}

/// Puts the words together; the limit is for what comes out, which is what is screened, stored and sent.
fn words(content: &Content, call: &mut Create) -> Result<(), RpcError> {
    if content.words.prompt.is_some() {
        check_own(&call.prompt)?;
        call.prompt = content.compose(&call.prompt);
        let most = Prompt::MAX_CHARS;
        let found = call.prompt.chars().count();
        if found > most {
            return Err(RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(
                "prompt",
                format!("has {found} characters together with the preset's words: {most} is the most"),
            ));
        }
    }
    if call.negative_prompt.trim().is_empty() {
        content.words.negative_text().clone_into(&mut call.negative_prompt);
    }
    Ok(())
}

/// What the caller wrote must be a text before it becomes a part of one.
fn check_own(prompt: &str) -> Result<(), RpcError> {
    Prompt::parse_optional(prompt.to_owned()).map(drop).map_err(|error| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("prompt", error.to_string())
    })
}
