//! `imagioo presets`: settings and words under a name.

use imagioo_proto::generation::v1::preset_service_client::PresetServiceClient;
use imagioo_proto::generation::v1::{
    self as wire, CreatePresetRequest, DeletePresetRequest, GetPresetRequest, ListPresetsRequest, Preset,
    UpdatePresetRequest,
};
use serde::Serialize;

use super::generate::wish::Wish;
use super::pages;
use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::PresetAnswer;
use crate::names;
use crate::table::Table;

/// More presets than anybody looks through.
const MOST: usize = 10_000;

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
    /// What people read in lists; without it the name
    #[arg(long)]
    title: Option<String>,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// The model; without it whoever uses the preset names one
    #[arg(long, short)]
    model: Option<String>,
    /// Words around the prompt, such as "{prompt}, oil on canvas"
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    template: String,
    #[command(flatten)]
    wish: Wish,
}

#[derive(Serialize)]
struct ListAnswer {
    presets: Vec<PresetAnswer>,
}

#[derive(Serialize)]
struct DeleteAnswer<'a> {
    deleted: &'a str,
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

async fn get(client: &Client, name: &str) -> Result<Preset, Failure> {
    let request = GetPresetRequest { name: name.to_owned() };
    let answer = client
        .call(request, async |channel, request| PresetServiceClient::new(channel).get_preset(request).await)
        .await?;
    answer.preset.ok_or(Failure::Incomplete("the preset"))
}

/// Makes the preset, or the next version of the one that is there.
async fn save(client: &Client, args: Save) -> Result<Preset, Failure> {
    let name = names::preset(&args.name);
    let preset = Preset {
        name: name.clone(),
        title: args.title.unwrap_or_else(|| args.name.clone()),
        description: args.description,
        model: args.model.as_deref().map(names::model).unwrap_or_default(),
        operation: args.wish.operation().into(),
        settings: Some(args.wish.settings(wire::ImageFormat::Unspecified)),
        template: args.template,
        ..Preset::default()
    };
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

fn table(presets: &[Preset]) -> Table {
    let mut table = Table::new(&["NAME", "VERSION", "MODEL", "PRICE", "TITLE"]);
    for preset in presets {
        let price = preset.price.map_or_else(|| "-".to_owned(), |price| price.to_string());
        let model = if preset.model.is_empty() { "-" } else { &preset.model };
        table.row([
            preset.name.clone(),
            preset.version.to_string(),
            model.trim_start_matches("models/").to_owned(),
            price,
            preset.title.clone(),
        ]);
    }
    table
}

fn describe(preset: &Preset) -> Vec<String> {
    let price =
        preset.price.map_or_else(|| "depends on the model".to_owned(), |price| format!("{price} credits"));
    let lines = [
        (preset.name.clone(), format!("version {}", preset.version)),
        ("title".to_owned(), preset.title.clone()),
        ("about".to_owned(), preset.description.clone()),
        ("model".to_owned(), preset.model.clone()),
        ("words".to_owned(), preset.template.clone()),
        ("price".to_owned(), price),
    ];
    lines
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| format!("{name}: {text}"))
        .collect()
}
