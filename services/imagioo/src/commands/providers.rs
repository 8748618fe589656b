//! `imagioo providers`: the accounts at model providers that `imagioo serve` has in its data folder.

mod accounts;

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::password;
use crate::serve::data::DataFolder;
use crate::table::Table;
use accounts::{Account, Accounts};

/// Options of `providers`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's data folder
    #[arg(long, value_name = "DIR", env = "IMAGIOO_DATA_DIR", global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the accounts
    List,
    /// Add an account, or give it another key; proved by a call that costs nothing before anything is kept
    Add(Add),
    /// Prove an account's address and key by a call that costs nothing
    Check {
        /// The account
        name: String,
    },
    /// Remove an account and its key
    Remove {
        /// The account
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The account: openai, gemini, bfl, fal, replicate, stability, comfyui, automatic1111, or a name of your own
    name: String,
    /// Which API it speaks; without it the name says so
    #[arg(long)]
    kind: Option<Kind>,
    /// Where the API begins, for servers of your own
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Read the key from standard input instead of asking for it
    #[arg(long, conflicts_with = "no_key")]
    key_stdin: bool,
    /// The server wants no key
    #[arg(long)]
    no_key: bool,
    /// Keep it without proving it
    #[arg(long)]
    no_check: bool,
}

/// An API that imagioo speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
enum Kind {
    Openai,
    Gemini,
    Bfl,
    Fal,
    Replicate,
    Stability,
    Comfyui,
    Automatic1111,
}

impl Kind {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether people run it themselves, usually without a key.
    fn is_own(self) -> bool {
        matches!(self, Self::Comfyui | Self::Automatic1111)
    }
}

#[derive(Serialize)]
struct ListAnswer {
    providers: Vec<Account>,
}

#[derive(Serialize)]
struct Answer<'a> {
    provider: &'a str,
    checked: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let data = DataFolder::open(args.data.as_deref()).map_err(|error| {
        Failure::usage(format!("{error:#}"), "name the server's folder with `--data DIR`")
    })?;
    let accounts = Accounts::of(&data)?;
    let output = context.output;
    match args.command {
        Command::List => {
            let answer = ListAnswer { providers: accounts.list() };
            output.answer(&answer, || table(&answer.providers).lines(output.width()))?;
        }
        Command::Add(add) => {
            let name = add.name.clone();
            let checked = !add.no_check;
            self::add(accounts, add).await?;
            output.answer(&Answer { provider: &name, checked }, || {
                vec![format!(
                    "{name} is kept; restart `imagioo serve`, then `imagioo models` lists its models"
                )]
            })?;
        }
        Command::Check { name } => {
            accounts.check(&name).await?;
            output.answer(&Answer { provider: &name, checked: true }, || vec![format!("{name} works")])?;
        }
        Command::Remove { name } => {
            accounts.without(&name)?.keep(None)?;
            output
                .answer(&Answer { provider: &name, checked: false }, || vec![format!("{name} is removed")])?;
        }
    }
    Ok(Exit::Done)
}

async fn add(accounts: Accounts, add: Add) -> Result<(), Failure> {
    let known = <Kind as clap::ValueEnum>::from_str(&add.name, false).ok();
    let kind = add.kind.or(known).ok_or_else(|| {
        Failure::usage(
            format!("`{}` is not a provider imagioo knows", add.name),
            "say which API it speaks, as in `--kind openai --base-url http://127.0.0.1:8080/v1`",
        )
    })?;
    if kind.is_own() && add.base_url.is_none() {
        return Err(Failure::usage(
            format!("where is your {} server?", kind.name()),
            "name it, as in `--base-url http://127.0.0.1:8188`",
        ));
    }
    let key = match (add.key_stdin, add.no_key || kind.is_own()) {
        (true, _) => Some(password::read_piped("key").await?),
        (false, true) => None,
        (false, false) => Some(password::ask_key(&add.name)?),
    };
    let accounts = accounts.with(&add.name, &kind.name(), add.base_url.as_deref(), key.as_ref())?;
    if !add.no_check {
        accounts.check(&add.name).await?;
    }
    let key: Option<(&str, &SecretString)> = key.as_ref().map(|key| (add.name.as_str(), key));
    accounts.keep(key)
}

fn table(accounts: &[Account]) -> Table {
    let mut table = Table::new(&["NAME", "KIND", "ADDRESS", "KEY"]);
    for account in accounts {
        let key = if account.key { "yes" } else { "no" };
        let address = account.base_url.clone().unwrap_or_else(|| "-".to_owned());
        table.row([account.name.clone(), account.kind.clone(), address, key.to_owned()]);
    }
    table
}
