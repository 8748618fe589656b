//! `imagioo logout`.

use imagioo_proto::account::v1::SignOutRequest;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::client::{Client, Credential};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::profile::Profile;

/// Options of `logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Forget the credentials here even though the server cannot be told
    #[arg(long)]
    forget: bool,
}

#[derive(Serialize)]
struct Answer {
    profile: String,
    /// Whether the server ended a session.
    ended: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let (name, profile) = context.selected()?;
    let profile = profile.ok_or_else(|| Failure::NotFound(format!("there is no profile `{name}`")))?;
    // No other process may renew the session meanwhile: the token to end it with would be stale.
    let store = context.store.clone();
    let locked = tokio::task::spawn_blocking(move || store.lock()).await.map_err(|_| Failure::Broken)??;
    let current = locked.load()?.get(&name).and_then(|profile| profile.session.clone());
    let ended = match current {
        Some(tokens) if !args.forget => end(&profile, &tokens.refresh_token).await?,
        _ => false,
    };
    locked.change(|profiles| profiles.get_mut(&name).map(Profile::sign_out))?;
    let answer = Answer { profile: name, ended };
    context.output.answer(&answer, || vec![format!("signed out of profile `{}`", answer.profile)])?;
    if profile.api_key.is_some() {
        context.output.remark("its API key still works: `imagioo keys revoke` ends it");
    }
    Ok(Exit::Done)
}

/// Ends the session; false when it was over already.
async fn end(profile: &Profile, refresh_token: &SecretString) -> Result<bool, Failure> {
    let client = Client::new(profile.server.clone(), Credential::Nothing)?;
    let message = SignOutRequest { refresh_token: refresh_token.expose_secret().to_owned() };
    let answer = client
        .call(message, async |channel, request| AccountServiceClient::new(channel).sign_out(request).await)
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(failure) if failure.exit() == Exit::SignedOut => Ok(false),
        Err(failure) => Err(failure),
    }
}
