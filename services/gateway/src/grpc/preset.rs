//! `imagioo.generation.v1.PresetService` and `PresetAdminService`.

use imagioo_picture::Operation;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::preset_service_server::PresetService;
use imagioo_rpc::{Code, RpcError, caller, page, validated};
use imagioo_types::{Credits, Wording};
use tonic::{Request, Response, Status};

use super::convert::{self, bad_name, timestamp};
use crate::app::App;
use crate::db::presets::{Filter, Place};
use crate::preset::{Content, Preset, PresetName, Shelf};
use crate::presets::{check, read, save};

pub(crate) mod admin;

/// The caller's presets.
pub(crate) struct Presets {
    pub(crate) app: App,
}

#[tonic::async_trait]
impl PresetService for Presets {
    async fn create_preset(
        &self,
        request: Request<wire::CreatePresetRequest>,
    ) -> Result<Response<wire::CreatePresetResponse>, Status> {
        let shelf = Shelf::Own(caller(&request)?.identity.user);
        let message = validated(request.into_inner())?;
        let content = private(content(message.preset.unwrap_or_default())?)?;
        let made = save::create(&self.app, shelf, &message.preset_id, content).await?;
        Ok(Response::new(wire::CreatePresetResponse { preset: Some(encode(&self.app, made)) }))
    }

    async fn update_preset(
        &self,
        request: Request<wire::UpdatePresetRequest>,
    ) -> Result<Response<wire::UpdatePresetResponse>, Status> {
        let shelf = Shelf::Own(caller(&request)?.identity.user);
        let message = validated(request.into_inner())?.preset.unwrap_or_default();
        let slug = whole_preset(&message.name, "preset.name", false)?;
        let etag = message.etag.clone();
        let content = private(content(message)?)?;
        let updated = save::update(&self.app, shelf, &slug, (&etag, content)).await?;
        Ok(Response::new(wire::UpdatePresetResponse { preset: Some(encode(&self.app, updated)) }))
    }

    async fn get_preset(
        &self,
        request: Request<wire::GetPresetRequest>,
    ) -> Result<Response<wire::GetPresetResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let name = message.name.parse().map_err(bad_name("name"))?;
        let found = read::get(&self.app, &caller, &name).await?;
        Ok(Response::new(wire::GetPresetResponse { preset: Some(encode(&self.app, found)) }))
    }

    async fn list_presets(
        &self,
        request: Request<wire::ListPresetsRequest>,
    ) -> Result<Response<wire::ListPresetsResponse>, Status> {
        let caller = caller(&request)?;
        let message = validated(request.into_inner())?;
        let limit = page::size(message.page_size);
        let after = page::decode::<Place>(&message.page_token)?;
        let found = read::list(&self.app, &caller, &filter(&message), (after, limit)).await?;
        let (presets, next_page_token) = encode_page(&self.app, found, limit)?;
        Ok(Response::new(wire::ListPresetsResponse { presets, next_page_token }))
    }

    async fn delete_preset(
        &self,
        request: Request<wire::DeletePresetRequest>,
    ) -> Result<Response<wire::DeletePresetResponse>, Status> {
        let shelf = Shelf::Own(caller(&request)?.identity.user);
        let message = validated(request.into_inner())?;
        let slug = whole_preset(&message.name, "name", false)?;
        save::delete(&self.app, shelf, &slug, &message.etag).await?;
        Ok(Response::new(wire::DeletePresetResponse {}))
    }
}

fn filter(message: &wire::ListPresetsRequest) -> Filter {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Filter {
        shared: match message.visibility() {
            wire::PresetVisibility::Unspecified => None,
            wire::PresetVisibility::Private => Some(false),
            wire::PresetVisibility::Shared => Some(true),
        },
        model: text(&message.model),
        operation: Operation::of_message(message.operation()),
        query: text(message.query.trim()),
    }
}

/// The slug of a name without a version, on the shelf that the call is about.
fn whole_preset(name: &str, field: &'static str, shared: bool) -> Result<String, RpcError> {
    let name: PresetName = name.parse().map_err(bad_name(field))?;
    let invalid = |what: &str| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(field, what)
    };
    match (name.version, name.shared, shared) {
        (Some(_), ..) => Err(invalid("a version never changes: leave `@` and what follows it out")),
        (None, true, false) => {
            Err(RpcError::new(Code::PermissionDenied, "only operators change shared presets")
                .field(field, "make a preset of your own"))
        }
        (None, false, true) => Err(invalid("must be sharedPresets/ID")),
        (None, ..) => Ok(name.slug),
    }
}

/// What a message says; what only the server sets is ignored.
fn content(message: wire::Preset) -> Result<Content, RpcError> {
    let invalid = |field: &'static str, what: String| {
        RpcError::new(Code::InvalidArgument, "the preset has invalid fields").field(field, what)
    };
    let operation = Operation::of_message(message.operation());
    let settings = message.settings.unwrap_or_default();
    let asked = convert::asked(wire::Operation::Unspecified, Some(&settings), 0)
        .map_err(|_| invalid("preset.settings.size", "must be a size such as 1024x1024".to_owned()))?;
    let words = Wording::from_texts(message.template, settings.negative_prompt)
        .map_err(|error| invalid("preset.template", error.to_string()))?;
    Ok(Content {
        title: message.title.trim().to_owned(),
        description: message.description,
        model: Some(message.model).filter(|model| !model.is_empty()),
        operation,
        settings: asked.settings,
        words,
        surcharge: Credits::new(message.surcharge),
    })
}

/// Refuses what only operators may say.
fn private(content: Content) -> Result<Content, RpcError> {
    if content.surcharge == Credits::ZERO {
        return Ok(content);
    }
    Err(RpcError::new(Code::PermissionDenied, "only operators set a surcharge")
        .field("preset.surcharge", "leave it out"))
}

fn encode_page(app: &App, found: Vec<Preset>, limit: i64) -> Result<(Vec<wire::Preset>, String), RpcError> {
    let next_page_token = match found.last() {
        Some(Preset { shared, slug, .. }) if found.len() as i64 == limit => {
            page::encode(&Place { shared: *shared, slug: slug.clone() })?
        }
        _ => String::new(),
    };
    Ok((found.into_iter().map(|preset| encode(app, preset)).collect(), next_page_token))
}

fn encode(app: &App, preset: Preset) -> wire::Preset {
    let price = check::price(app, &preset.content).filter(|_| preset.deleted_at.is_none());
    let visibility = match preset.shared {
        true => wire::PresetVisibility::Shared,
        false => wire::PresetVisibility::Private,
    };
    wire::Preset {
        name: preset.name(),
        version: preset.version,
        visibility: visibility.into(),
        price: price.map(Credits::get),
        etag: save::etag(preset.version),
        create_time: Some(timestamp(preset.created_at)),
        delete_time: preset.deleted_at.map(timestamp),
        operation: preset.content.operation.map(wire::Operation::from).unwrap_or_default().into(),
        settings: Some(preset.content.settings.to_message(preset.content.words.negative_text())),
        template: preset.content.words.prompt_text().to_owned(),
        title: preset.content.title,
        description: preset.content.description,
        model: preset.content.model.unwrap_or_default(),
        surcharge: preset.content.surcharge.get(),
    }
}
