//! `imagioo presets`: settings and words under a name.

mod content;
mod shown;

use imagioo_proto::generation::v1::preset_service_client::PresetServiceClient;
use imagioo_proto::generation::v1::{
    CreatePresetRequest, DeletePresetRequest, GetPresetRequest, ListPresetsRequest, Preset,
    UpdatePresetRequest,
};
use serde::Serialize;

use super::pages;
use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::PresetAnswer;
use crate::names;
pub(super) use content::Content;
pub(super) use shown::{describe, table};

/// More presets than anybody looks through.
pub(super) const MOST: usize = 10_000;

/// Options of `presets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List your presets and the shared ones
    List,
    /// Show one, the newest version or a certain one
    Show {
        /// The preset, such as portrait, portrait@2 or sharedPresets/portrait
        name: String,
    },
    /// Make a preset, or a new version of one
    Save(Box<Save>),
    /// Delete one; generations that used it still tell so
    Delete {
        /// The preset
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Save {
    /// What to call it: lower-case letters, digits and hyphens
    name: String,
    #[command(flatten)]
    content: Content,
}

#[derive(Serialize)]
pub(super) struct ListAnswer {
    pub(super) presets: Vec<PresetAnswer>,
}

#[derive(Serialize)]
pub(super) struct DeleteAnswer<'a> {
    pub(super) deleted: &'a str,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (client, output) = (context.client()?, context.output);
    match args.command {
        Command::List => {
            let presets = list(&client).await?;
            let answer = ListAnswer { presets: presets.iter().map(PresetAnswer::from).collect() };
            output.answer(&answer, || table(&presets).lines(output.width()))?;
        }
        Command::Show { name } => {
            let preset = get(&client, &names::preset(&name)).await?;
            output.answer(&PresetAnswer::from(&preset), || describe(&preset))?;
        }
        Command::Save(args) => {
            let preset = save(&client, *args).await?;
            let line = || vec![format!("{} is at version {}", preset.name, preset.version)];
            output.answer(&PresetAnswer::from(&preset), line)?;
        }
        Command::Delete { name } => {
            let name = names::preset(&name);
            let request = DeletePresetRequest { name: name.clone(), etag: String::new() };
            client
                .call(request, async |channel, request| {
                    PresetServiceClient::new(channel).delete_preset(request).await
                })
                .await?;
            output.answer(&DeleteAnswer { deleted: &name }, || vec![format!("{name} is deleted")])?;
        }
    }
    Ok(Exit::Done)
}

async fn list(client: &Client) -> Result<Vec<Preset>, Failure> {
    pages(MOST, async |page_size, page_token| {
        let request = ListPresetsRequest { page_size, page_token, ..ListPresetsRequest::default() };
        let answer = client
            .call(request, async |channel, request| {
                PresetServiceClient::new(channel).list_presets(request).await
            })
            .await?;
        Ok((answer.presets, answer.next_page_token))
    })
    .await
}

/// A preset that the caller may see.
///
/// # Errors
/// What the server refuses.
pub(super) async fn get(client: &Client, name: &str) -> Result<Preset, Failure> {
    let request = GetPresetRequest { name: name.to_owned() };
    let answer = client
        .call(request, async |channel, request| PresetServiceClient::new(channel).get_preset(request).await)
        .await?;
    answer.preset.ok_or(Failure::Incomplete("the preset"))
}

/// Makes the preset, or the next version of the one that is there.
async fn save(client: &Client, args: Save) -> Result<Preset, Failure> {
    let name = names::preset(&args.name);
    let preset = Preset { name: name.clone(), ..args.content.preset(&args.name) };
    let known = match get(client, &name).await {
        Ok(known) => Some(known),
        Err(Failure::Rpc(error)) if error.code() == imagioo_rpc::Code::NotFound => None,
        Err(failure) => return Err(failure),
    };
    let saved = match known {
        Some(known) => {
            let request = UpdatePresetRequest { preset: Some(Preset { etag: known.etag, ..preset }) };
            let method =
                async |channel, request| PresetServiceClient::new(channel).update_preset(request).await;
            client.call(request, method).await?.preset
        }
        None => {
            let request = CreatePresetRequest {
                preset_id: args.name,
                preset: Some(Preset { name: String::new(), ..preset }),
            };
            let method =
                async |channel, request| PresetServiceClient::new(channel).create_preset(request).await;
            client.call(request, method).await?.preset
        }
    };
    saved.ok_or(Failure::Incomplete("the preset"))
}
