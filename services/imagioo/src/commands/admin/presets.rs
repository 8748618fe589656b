//! `imagioo admin presets`: the presets that everybody may use, and what they cost.

use imagioo_proto::generation::v1::preset_admin_service_client::PresetAdminServiceClient;
use imagioo_proto::generation::v1::{
    CreateSharedPresetRequest, DeleteSharedPresetRequest, GetSharedPresetRequest, ListSharedPresetsRequest,
    Preset, UpdateSharedPresetRequest,
};
use imagioo_rpc::{Channel, Code};
use imagioo_types::ServiceName;

use super::operator::{Operator, Place};
use crate::commands::pages;
use crate::commands::presets::{self, Content, DeleteAnswer, ListAnswer, MOST, describe, table};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::PresetAnswer;
use crate::names;

/// Options of `admin presets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the shared presets
    List,
    /// Show one, the newest version or a certain one
    Show {
        /// The preset, such as portrait or portrait@2
        name: String,
    },
    /// Make a shared preset, or a new version of one
    #[command(visible_aliases = ["create", "update"])]
    Save(Box<Save>),
    /// Make a shared preset, or a new version of one, of a preset of your own
    Share(Share),
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
    #[command(flatten)]
    price: Price,
}

#[derive(Debug, clap::Args)]
struct Share {
    /// The preset of the account that is signed in, such as portrait or portrait@2
    name: String,
    /// What to call it for everybody; without it the same
    #[arg(long = "as", value_name = "NAME")]
    shared: Option<String>,
    #[command(flatten)]
    price: Price,
}

#[derive(Debug, clap::Args)]
struct Price {
    /// Credits for every image on top of the model's price; without it as before, or none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000))]
    surcharge: Option<i64>,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let output = context.output;
    let mut shelf = Shelf::new(Operator::new(context, args.place)?)?;
    match args.command {
        Command::List => {
            let presets = shelf.list().await?;
            let answer = ListAnswer { presets: presets.iter().map(PresetAnswer::from).collect() };
            output.answer(&answer, || table(&presets).lines(output.width()))?;
        }
        Command::Show { name } => {
            let preset = shelf.get(&names::shared_preset(&name)?).await?;
            output.answer(&PresetAnswer::from(&preset), || describe(&preset))?;
        }
        Command::Save(args) => {
            let preset = args.content.preset(&args.name);
            saved(context, &shelf.save(args.name, preset, &args.price).await?)?;
        }
        Command::Share(args) => {
            let preset = presets::get(&context.client()?, &names::preset(&args.name)).await?;
            let own = preset.name.rsplit('/').next().unwrap_or_default();
            let id = args.shared.unwrap_or_else(|| own.split('@').next().unwrap_or_default().to_owned());
            saved(context, &shelf.save(id, preset, &args.price).await?)?;
        }
        Command::Delete { name } => {
            let name = names::shared_preset(&name)?;
            shelf.delete(name.clone()).await?;
            output.answer(&DeleteAnswer { deleted: &name }, || vec![format!("{name} is deleted")])?;
        }
    }
    Ok(Exit::Done)
}

fn saved(context: &Context, preset: &Preset) -> Result<(), Failure> {
    let line = || vec![format!("{} is at version {}", preset.name, preset.version)];
    context.output.answer(&PresetAnswer::from(preset), line)
}

/// The shared presets of a server.
struct Shelf {
    operator: Operator,
    client: PresetAdminServiceClient<Channel>,
}

impl Shelf {
    fn new(operator: Operator) -> Result<Self, Failure> {
        let client = PresetAdminServiceClient::new(operator.channel(ServiceName::Gateway)?);
        Ok(Self { operator, client })
    }

    async fn list(&mut self) -> Result<Vec<Preset>, Failure> {
        pages(MOST, async |page_size, page_token| {
            let request = ListSharedPresetsRequest { page_size, page_token };
            let answer = self.client.list_shared_presets(request).await;
            let page = answer.map_err(|status| self.operator.failure(status))?.into_inner();
            Ok((page.presets, page.next_page_token))
        })
        .await
    }

    async fn get(&mut self, name: &str) -> Result<Preset, Failure> {
        let request = GetSharedPresetRequest { name: name.to_owned() };
        let answer = self.client.get_shared_preset(request).await;
        let answer = answer.map_err(|status| self.operator.failure(status))?.into_inner();
        answer.preset.ok_or(Failure::Incomplete("the preset"))
    }

    /// Makes the preset, or the next version of the one that is there.
    async fn save(&mut self, id: String, preset: Preset, price: &Price) -> Result<Preset, Failure> {
        let name = names::shared_preset(&id)?;
        let known = match self.get(&name).await {
            Ok(known) => Some(known),
            Err(Failure::Rpc(error)) if error.code() == Code::NotFound => None,
            Err(failure) => return Err(failure),
        };
        let before = known.as_ref().map(|known| known.surcharge).unwrap_or_default();
        let preset = Preset { surcharge: price.surcharge.unwrap_or(before), ..preset };
        let answer = match known {
            Some(known) => {
                let preset = Some(Preset { name, etag: known.etag, ..preset });
                let answer = self.client.update_shared_preset(UpdateSharedPresetRequest { preset }).await;
                answer.map(|answer| answer.into_inner().preset)
            }
            None => {
                let preset = Some(Preset { name: String::new(), etag: String::new(), ..preset });
                let request = CreateSharedPresetRequest { preset_id: id, preset };
                let answer = self.client.create_shared_preset(request).await;
                answer.map(|answer| answer.into_inner().preset)
            }
        };
        let saved = answer.map_err(|status| self.operator.failure(status))?;
        saved.ok_or(Failure::Incomplete("the preset"))
    }

    async fn delete(&mut self, name: String) -> Result<(), Failure> {
        let request = DeleteSharedPresetRequest { name, etag: String::new() };
        let answer = self.client.delete_shared_preset(request).await;
        answer.map(drop).map_err(|status| self.operator.failure(status))
    }
}
