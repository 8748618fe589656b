//! `imagioo signup`.

use imagioo_proto::account::v1::SignUpRequest;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use secrecy::ExposeSecret as _;

use super::login;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::password;
use crate::profile::Profile;
use crate::session::tokens_of;

/// Options of `signup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Your mail address
    #[arg(long, short, value_name = "ADDRESS")]
    email: String,
    /// Read the password from standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    refuse_taken_profile(context)?;
    let client = context.anonymous()?;
    let password =
        if args.password_stdin { password::read_piped("password").await? } else { password::ask_new()? };
    let message = SignUpRequest { email: args.email, password: password.expose_secret().to_owned() };
    let answer = client
        .call(message, async |channel, request| AccountServiceClient::new(channel).sign_up(request).await)
        .await?;
    let user = answer.user.ok_or(Failure::Incomplete("the account"))?;
    let mut profile = Profile::new(client.server().clone(), Some(user.email));
    profile.session = Some(tokens_of(answer.session)?);
    if let Some(name) = &context.options.profile
        && context.store.insert_if_absent(name, profile.clone())?
    {
        return login::tell(context, name, &profile, "signed up");
    }
    // Without a chosen name, or when another process took it meanwhile: the account must be kept all the same.
    login::remember(context, None, profile, "signed up").await
}

/// A named profile that exists is somebody's: it is refused before an account is created for it.
fn refuse_taken_profile(context: &Context) -> Result<(), Failure> {
    match (&context.options.profile, context.selected()?) {
        (Some(name), (_, Some(_))) => {
            let hint = "choose another `--profile`, or sign in with `imagioo login`";
            Err(Failure::usage(format!("there is a profile `{name}` already"), hint))
        }
        _ => Ok(()),
    }
}
