//! `imagioo own-keys`: your own keys for model providers, which the server keeps and never shows.

use std::collections::BTreeSet;

use imagioo_proto::generation::v1::provider_key_service_client::ProviderKeyServiceClient;
use imagioo_proto::generation::v1::{
    DeleteProviderKeyRequest, ListProviderKeysRequest, ListProviderKeysResponse, SetProviderKeyRequest,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::provider_key::{OwnKeyProviderAnswer, ProviderKeyAnswer, key_state};
use crate::password;
use crate::table::Table;
use crate::when;

/// What the name of a key begins with.
const COLLECTION: &str = "providerKeys/";

/// Options of `own-keys`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List your keys, and the providers that take some
    List,
    /// Keep a key, in place of the one before it: what runs on it the provider charges you
    Set {
        /// The provider, such as openai; `imagioo own-keys list` shows them
        provider: String,
        /// Read the key from standard input instead of asking for it
        #[arg(long, visible_alias = "from-stdin")]
        key_stdin: bool,
    },
    /// Forget a key; generations that wait for it fail uncharged
    Delete {
        /// The provider, such as openai
        provider: String,
    },
}

#[derive(Serialize)]
struct ListAnswer {
    provider_keys: Vec<ProviderKeyAnswer>,
    providers: Vec<OwnKeyProviderAnswer>,
}

#[derive(Serialize)]
struct DeleteAnswer {
    deleted: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::List => list(context).await,
        Command::Set { provider, key_stdin } => {
            let key =
                if key_stdin { password::read_piped("key").await? } else { password::ask_key(&provider)? };
            set(context, provider, key).await
        }
        Command::Delete { provider } => delete(context, &provider).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let found = context
        .client()?
        .call(ListProviderKeysRequest {}, async |channel, request| {
            ProviderKeyServiceClient::new(channel).list_provider_keys(request).await
        })
        .await?;
    let answer = ListAnswer {
        provider_keys: found.provider_keys.iter().map(ProviderKeyAnswer::from).collect(),
        providers: found.providers.iter().map(OwnKeyProviderAnswer::from).collect(),
    };
    let output = context.output;
    output.answer(&answer, || table(&found).lines(output.width()))?;
    Ok(Exit::Done)
}

async fn set(context: &Context, provider: String, key: SecretString) -> Result<Exit, Failure> {
    // What surrounds a key when it is copied is no part of it.
    let message = SetProviderKeyRequest { provider, key: key.expose_secret().trim().to_owned() };
    let answer = context
        .client()?
        .call(message, async |channel, request| {
            ProviderKeyServiceClient::new(channel).set_provider_key(request).await
        })
        .await?;
    let kept = answer.provider_key.ok_or(Failure::Incomplete("the key"))?;
    let line = format!("your own key for {} is kept and will be used from now on", kept.provider);
    context.output.answer(&ProviderKeyAnswer::from(&kept), || vec![line])?;
    Ok(Exit::Done)
}

async fn delete(context: &Context, provider: &str) -> Result<Exit, Failure> {
    let provider = provider.strip_prefix(COLLECTION).unwrap_or(provider);
    let name = format!("{COLLECTION}{provider}");
    let message = DeleteProviderKeyRequest { name: name.clone() };
    context
        .client()?
        .call(message, async |channel, request| {
            ProviderKeyServiceClient::new(channel).delete_provider_key(request).await
        })
        .await?;
    let line = format!("your own key for {provider} is forgotten");
    context.output.answer(&DeleteAnswer { deleted: name }, || vec![line])?;
    Ok(Exit::Done)
}

/// A line for each provider that takes keys, whether there is one for it or not, and for each key.
fn table(found: &ListProviderKeysResponse) -> Table {
    let mut table = Table::new(&["PROVIDER", "CREDITS AN IMAGE", "KEY", "STATE", "SET"]);
    let offers = found.providers.iter().map(|offer| &offer.provider);
    let names: BTreeSet<_> = offers.chain(found.provider_keys.iter().map(|key| &key.provider)).collect();
    for name in names {
        let offer = found.providers.iter().find(|offer| offer.provider == *name);
        let price = offer.map_or_else(|| "-".to_owned(), |offer| offer.price.to_string());
        let key = found.provider_keys.iter().find(|key| key.provider == *name);
        let [hint, state, set] = match key {
            Some(key) => [
                if key.hint.is_empty() { "yes".to_owned() } else { format!("…{}", key.hint) },
                match key.reject_reason.as_str() {
                    "" => key_state(key),
                    reason => format!("{}: {}", key_state(key), reason.to_lowercase()),
                },
                when::minute(key.update_time.as_ref()),
            ],
            None => ["-".to_owned(), "-".to_owned(), "-".to_owned()],
        };
        table.row([name.clone(), price, hint, state, set]);
    }
    table
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::{OwnKeyProvider, ProviderKey, ProviderKeyState};

    use super::*;

    #[test]
    fn the_list_shows_every_provider_and_why_a_key_is_not_used() {
        let offer = |provider: &str| OwnKeyProvider { provider: provider.to_owned(), price: 1 };
        let rejected = ProviderKey {
            provider: "openai".to_owned(),
            hint: "abcd".to_owned(),
            state: ProviderKeyState::Rejected.into(),
            reject_reason: "EXHAUSTED".to_owned(),
            ..ProviderKey::default()
        };
        let found = ListProviderKeysResponse {
            provider_keys: vec![rejected],
            providers: vec![offer("fal"), offer("openai")],
        };
        let lines = table(&found).lines(None).join("\n");
        assert!(lines.contains("…abcd") && lines.contains("rejected: exhausted"), "{lines}");
        assert!(lines.contains("fal"), "{lines}");
    }
}
