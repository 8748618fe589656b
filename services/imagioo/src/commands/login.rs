//! `imagioo login`.

use imagioo_proto::account::v1::SignInRequest;
use imagioo_proto::account::v1::account_service_client::AccountServiceClient;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::whoami;
use crate::client::Credential;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::password;
use crate::profile::{DEFAULT_NAME, Profile, Profiles};
use crate::session::tokens_of;

/// Options of `login`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Your mail address; without it the profile's
    #[arg(long, short, value_name = "ADDRESS")]
    email: Option<String>,
    /// Read the password from standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
    /// Keep an API key, read from standard input, instead of opening a session
    #[arg(long, conflicts_with_all = ["email", "password_stdin"])]
    api_key_stdin: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    profile: &'a str,
    email: Option<&'a str>,
    server: &'a str,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let profile =
        if args.api_key_stdin { with_api_key(context).await? } else { with_password(context, args).await? };
    remember(context, context.options.profile.clone(), profile, "signed in").await
}

async fn with_api_key(context: &Context) -> Result<Profile, Failure> {
    let key = password::read_piped("API key").await?;
    let client = context.anonymous()?.with(Credential::Key(key.clone()));
    let user = whoami::me(&client).await?;
    let mut profile = Profile::new(client.server().clone(), Some(user.email));
    profile.api_key = Some(key);
    Ok(profile)
}

async fn with_password(context: &Context, args: Args) -> Result<Profile, Failure> {
    let client = context.anonymous()?;
    let known = context.selected()?.1.and_then(|profile| profile.email);
    let email = args.email.or(known);
    let email =
        email.ok_or_else(|| Failure::usage("whose account?", "give the address with `--email ADDRESS`"))?;
    let password =
        if args.password_stdin { password::read_piped("password").await? } else { password::ask()? };
    let message = SignInRequest { email: email.clone(), password: password.expose_secret().to_owned() };
    let answer = client
        .call(message, async |channel, request| AccountServiceClient::new(channel).sign_in(request).await)
        .await?;
    let mut profile = Profile::new(client.server().clone(), Some(email));
    profile.session = Some(tokens_of(answer.session)?);
    Ok(profile)
}

/// Keeps fresh credentials in a profile and tells which. Without a chosen name the profile becomes the default.
///
/// # Errors
/// [`Failure::Profile`].
pub(super) async fn remember(
    context: &Context,
    chosen: Option<String>,
    profile: Profile,
    done: &str,
) -> Result<Exit, Failure> {
    let (store, fresh) = (context.store.clone(), profile.clone());
    let keep = move || store.change(|profiles| keep(profiles, chosen.as_deref(), fresh));
    let name = tokio::task::spawn_blocking(keep).await.map_err(|_| Failure::Broken)??;
    tell(context, &name, &profile, done)
}

/// Tells which profile has the credentials now.
pub(super) fn tell(context: &Context, name: &str, profile: &Profile, done: &str) -> Result<Exit, Failure> {
    let (email, server) = (profile.email.as_deref(), profile.server.as_str());
    context.output.answer(&Answer { profile: name, email, server }, || {
        vec![format!("{done} as {} at {server} (profile `{name}`)", email.unwrap_or("somebody"))]
    })?;
    Ok(Exit::Done)
}

/// Puts the credentials into the chosen profile, else into the account's own, else into a new one: no other account's
/// credentials are ever replaced without being named.
fn keep(profiles: &mut Profiles, chosen: Option<&str>, fresh: Profile) -> String {
    let own =
        || profiles.iter().find(|(_, known)| known.is_same_account(&fresh)).map(|(name, _)| name.to_owned());
    let name = match chosen.map(str::to_owned).or_else(own) {
        Some(name) => {
            renew(profiles, &name, fresh);
            name
        }
        None => add(profiles, fresh),
    };
    if chosen.is_none() {
        profiles.make_default(&name);
    }
    name
}

fn renew(profiles: &mut Profiles, name: &str, fresh: Profile) {
    match profiles.get_mut(name) {
        Some(known) if known.server == fresh.server => {
            known.email = fresh.email;
            known.api_key = fresh.api_key;
            known.session = fresh.session;
        }
        _ => profiles.insert(name, fresh),
    }
}

fn add(profiles: &mut Profiles, fresh: Profile) -> String {
    let email = fresh.email.clone().unwrap_or_else(|| "account".to_owned());
    let numbered = (2..).map(|number| format!("{email}-{number}"));
    let mut names = [DEFAULT_NAME.to_owned(), email.clone()].into_iter().chain(numbered);
    // The numbers do not end.
    let name = names.find(|name| profiles.get(name).is_none()).unwrap_or(email);
    profiles.insert_if_absent(&name, fresh);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(server: &str, email: &str, key: &str) -> Profile {
        let mut profile = Profile::new(server.parse().expect("an address"), Some(email.to_owned()));
        profile.api_key = Some(key.into());
        profile
    }

    fn key_of(profiles: &Profiles, name: &str) -> String {
        let key = profiles.get(name).and_then(|profile| profile.api_key.clone());
        key.expect("a key").expose_secret().to_owned()
    }

    #[test]
    fn signing_in_again_renews_the_accounts_own_profile() {
        let mut profiles = Profiles::default();
        assert_eq!(keep(&mut profiles, None, fresh("a", "me@example.org", "old")), "default");
        profiles.get_mut("default").expect("kept").model = Some("models/sketch".to_owned());
        assert_eq!(keep(&mut profiles, None, fresh("a", "Me@example.org", "new")), "default");
        assert_eq!(key_of(&profiles, "default"), "new");
        assert!(profiles.get("default").expect("kept").model.is_some());
    }

    #[test]
    fn another_account_gets_its_own_profile_and_becomes_the_default() {
        let mut profiles = Profiles::default();
        keep(&mut profiles, None, fresh("a", "me@example.org", "1"));
        assert_eq!(keep(&mut profiles, None, fresh("a", "you@example.org", "2")), "you@example.org");
        assert_eq!(keep(&mut profiles, None, fresh("b", "you@example.org", "3")), "you@example.org-2");
        assert_eq!(key_of(&profiles, "default"), "1");
        assert_eq!(profiles.default_name(), "you@example.org-2");
    }

    #[test]
    fn a_named_profile_is_replaced_and_the_default_stays() {
        let mut profiles = Profiles::default();
        keep(&mut profiles, None, fresh("a", "me@example.org", "1"));
        keep(&mut profiles, Some("work"), fresh("b", "me@example.org", "2"));
        assert_eq!(keep(&mut profiles, Some("work"), fresh("c", "you@example.org", "3")), "work");
        assert_eq!(key_of(&profiles, "work"), "3");
        assert_eq!(profiles.default_name(), "default");
    }
}
