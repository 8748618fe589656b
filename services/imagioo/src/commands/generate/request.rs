//! The request that the options of `generate` make together.

use imagioo_proto::generation::v1::{CreateGenerationRequest, ImageFormat};
use uuid::Uuid;

use super::Args;
use crate::backoff::patiently;
use crate::client::Client;
use crate::commands::models;
use crate::context::Context;
use crate::failure::Failure;
use crate::names;
use crate::paths::promised_format;

pub(super) async fn request(
    context: &Context,
    client: &Client,
    args: Args,
    prompt: String,
) -> Result<CreateGenerationRequest, Failure> {
    let promised = args.output.as_deref().and_then(promised_format);
    let format = args.format.map(Into::into).or(promised).unwrap_or(ImageFormat::Unspecified);
    Ok(CreateGenerationRequest {
        request_id: args.request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        model: match (&args.preset, &args.model) {
            (Some(_), None) => String::new(),
            _ => model(context, client, args.model).await?,
        },
        preset: args.preset.as_deref().map(names::preset).unwrap_or_default(),
        prompt,
        operation: args.wish.operation().into(),
        references: args.pictures.references(client).await?,
        mask: args.pictures.mask(client).await?,
        settings: Some(args.wish.settings(format)),
        count: args.count,
        max_credits: args.max_credits,
        wait_seconds: 0,
        parent: String::new(),
        routing: args.routing.message(),
        start_timeout: args.routing.start_timeout(),
        timeout: args.routing.timeout(),
    })
}

/// The named model, else the profile's, else the catalogue's first.
async fn model(context: &Context, client: &Client, named: Option<String>) -> Result<String, Failure> {
    let preferred = || Ok::<_, Failure>(context.selected()?.1.and_then(|profile| profile.model));
    let named = match named {
        Some(named) => Some(named),
        None => preferred()?,
    };
    if let Some(named) = named {
        return Ok(names::model(&named));
    }
    let first = patiently(async || models::all(client).await).await?.models.into_iter().next();
    first.map(|model| model.name).ok_or_else(|| Failure::NotFound("the server has no models".to_owned()))
}
