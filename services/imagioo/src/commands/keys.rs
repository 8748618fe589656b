//! `imagioo keys`: list, create, revoke.

use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::{ApiKey, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest};
use serde::Serialize;
use time::Duration;

use super::list::short;
use super::pages;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::ApiKeyAnswer;
use crate::names;
use crate::table::Table;
use crate::when;

/// More keys than anybody looks through.
const MOST: usize = 10_000;

/// Options of `keys`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List your keys, newest first
    List,
    /// Create a key and print its secret, which is never shown again
    Create {
        /// What to call the key
        name: String,
        /// Days until the key stops working; without it never
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_days: Option<u32>,
    },
    /// Stop a key for good
    Revoke {
        /// The key, such as key_…
        name: String,
    },
}

#[derive(Serialize)]
struct ListAnswer {
    api_keys: Vec<ApiKeyAnswer>,
}

#[derive(Serialize)]
struct CreateAnswer<'a> {
    api_key: ApiKeyAnswer,
    secret: &'a str,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::List => list(context).await,
        Command::Create { name, expires_days } => create(context, name, expires_days).await,
        Command::Revoke { name } => revoke(context, &name).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let keys = pages(MOST, async |page_size, page_token| {
        let message = ListApiKeysRequest { page_size, page_token };
        let page = client
            .call(message, async |channel, request| {
                AccountServiceClient::new(channel).list_api_keys(request).await
            })
            .await?;
        Ok((page.api_keys, page.next_page_token))
    });
    let keys = keys.await?;
    let answer = ListAnswer { api_keys: keys.iter().map(ApiKeyAnswer::from).collect() };
    let output = context.output;
    output.answer(&answer, || table(&keys).lines(output.width()))?;
    Ok(Exit::Done)
}

async fn create(context: &Context, display_name: String, expires_days: Option<u32>) -> Result<Exit, Failure> {
    let expires = expires_days.map(|days| context.clock.now() + Duration::days(days.into()));
    let message = CreateApiKeyRequest { display_name, expire_time: expires.map(when::timestamp) };
    let answer = context
        .client()?
        .call(message, async |channel, request| {
            AccountServiceClient::new(channel).create_api_key(request).await
        })
        .await?;
    let key = answer.api_key.ok_or(Failure::Incomplete("the key"))?;
    let secret = answer.secret.as_str();
    context.output.remark(&format!("created {}; its secret is shown only now:", key.name));
    let created = CreateAnswer { api_key: ApiKeyAnswer::from(&key), secret };
    context.output.answer(&created, || vec![secret.to_owned()])?;
    Ok(Exit::Done)
}

async fn revoke(context: &Context, name: &str) -> Result<Exit, Failure> {
    let message = RevokeApiKeyRequest { name: names::api_key(name)?.name() };
    let answer = context
        .client()?
        .call(message, async |channel, request| {
            AccountServiceClient::new(channel).revoke_api_key(request).await
        })
        .await?;
    let key = answer.api_key.ok_or(Failure::Incomplete("the key"))?;
    context.output.answer(&ApiKeyAnswer::from(&key), || vec![format!("{} no longer works", key.name)])?;
    Ok(Exit::Done)
}

fn table(keys: &[ApiKey]) -> Table {
    let mut table = Table::new(&["NAME", "PREFIX", "CREATED", "LAST USE", "EXPIRES", "REVOKED", "CALLED"]);
    for key in keys {
        table.row([
            short(&key.name).to_owned(),
            key.prefix.clone(),
            when::minute(key.create_time.as_ref()),
            when::minute(key.last_use_time.as_ref()),
            when::minute(key.expire_time.as_ref()),
            when::minute(key.revoke_time.as_ref()),
            key.display_name.clone(),
        ]);
    }
    table
}
