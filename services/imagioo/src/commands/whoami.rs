//! `imagioo whoami`.

use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use imagioo_proto::account::v1::{GetMeRequest, User};
use serde::Serialize;

use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::UserAnswer;

/// Options of `whoami`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Answer {
    user: UserAnswer,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    credential: &'static str,
}

pub(crate) async fn run(context: &Context, _args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let user = me(&client).await?;
    let profile = match context.options.api_key {
        Some(_) => None,
        None => Some(context.selected()?.0),
    };
    let answer = Answer {
        user: UserAnswer::from(&user),
        server: client.server().as_str().to_owned(),
        profile,
        credential: if client.session().is_some() { "session" } else { "api_key" },
    };
    context.output.answer(&answer, || {
        let by = if answer.credential == "session" { "signed in" } else { "by an API key" };
        let profile = answer.profile.as_ref().map(|name| format!(", profile `{name}`")).unwrap_or_default();
        vec![format!("{} ({}) at {}, {by}{profile}", user.email, user.name, answer.server)]
    })?;
    Ok(Exit::Done)
}

/// The account behind the client's credentials.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn me(client: &Client) -> Result<User, Failure> {
    let answer = client
        .call(GetMeRequest {}, async |channel, request| {
            AccountServiceClient::new(channel).get_me(request).await
        })
        .await?;
    answer.user.ok_or(Failure::Incomplete("the account"))
}
