//! The client commands, one file each.

use crate::cli::ClientCommand;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) mod admin;
pub(crate) mod again;
pub(crate) mod balance;
pub(crate) mod cancel;
pub(crate) mod doctor;
pub(crate) mod download;
pub(crate) mod edit;
pub(crate) mod generate;
pub(crate) mod inpaint;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
mod making;
pub(crate) mod models;
pub(crate) mod outpaint;
pub(crate) mod own_keys;
pub(crate) mod presets;
pub(crate) mod providers;
pub(crate) mod remove_background;
pub(crate) mod show;
pub(crate) mod signup;
pub(crate) mod upscale;
pub(crate) mod vary;
pub(crate) mod watch;
pub(crate) mod webhooks;
pub(crate) mod whoami;

/// The longest page that the API gives.
const PAGE: usize = 50;

/// Runs a command to its end.
pub(crate) async fn run(context: &Context, command: ClientCommand) -> Result<Exit, Failure> {
    match command {
        ClientCommand::Signup(args) => signup::run(context, args).await,
        ClientCommand::Login(args) => login::run(context, args).await,
        ClientCommand::Logout(args) => logout::run(context, args).await,
        ClientCommand::Whoami(args) => whoami::run(context, args).await,
        ClientCommand::Generate(args) => generate::run(context, *args).await,
        ClientCommand::Edit(args) => edit::run(context, *args).await,
        ClientCommand::Inpaint(args) => inpaint::run(context, *args).await,
        ClientCommand::Outpaint(args) => outpaint::run(context, *args).await,
        ClientCommand::Upscale(args) => upscale::run(context, *args).await,
        ClientCommand::RemoveBackground(args) => remove_background::run(context, *args).await,
        ClientCommand::Vary(args) => vary::run(context, *args).await,
        ClientCommand::Again(args) => again::run(context, *args).await,
        ClientCommand::List(args) => list::run(context, args).await,
        ClientCommand::Show(args) => show::run(context, args).await,
        ClientCommand::Watch(args) => watch::run(context, args).await,
        ClientCommand::Download(args) => download::run(context, args).await,
        ClientCommand::Cancel(args) => cancel::run(context, args).await,
        ClientCommand::Balance(args) => balance::run(context, args).await,
        ClientCommand::Models(args) => models::run(context, args).await,
        ClientCommand::Keys(args) => keys::run(context, args).await,
        ClientCommand::OwnKeys(args) => own_keys::run(context, args).await,
        ClientCommand::Presets(args) => presets::run(context, args).await,
        ClientCommand::Providers(args) => providers::run(context, args).await,
        ClientCommand::Webhooks(args) => webhooks::run(context, args).await,
        ClientCommand::Admin(args) => admin::run(context, args).await,
        ClientCommand::Doctor(args) => doctor::run(context, args).await,
    }
}

/// Collects the items of as many pages as `limit` needs.
async fn pages<T>(
    limit: usize,
    mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Failure>,
) -> Result<Vec<T>, Failure> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let wanted = limit.saturating_sub(items.len()).min(PAGE);
        let (more, next) = page(i32::try_from(wanted).unwrap_or_default(), token).await?;
        items.extend(more);
        if next.is_empty() || items.len() >= limit {
            items.truncate(limit);
            return Ok(items);
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(limit: usize) -> (Vec<usize>, Vec<i32>) {
        let mut sizes = Vec::new();
        let items = pages(limit, async |size, token| {
            sizes.push(size);
            let first: usize = token.parse().unwrap_or_default();
            let items: Vec<_> = (first..120).take(size as usize).collect();
            let next = first + items.len();
            Ok((items, if next < 120 { format!("{next}") } else { String::new() }))
        });
        (items.await.expect("pages"), sizes)
    }

    #[tokio::test]
    async fn no_more_is_asked_for_than_was_wanted() {
        let (items, sizes) = collect(70).await;
        assert_eq!(items.len(), 70);
        assert_eq!(sizes, [50, 20]);
    }

    #[tokio::test]
    async fn the_last_page_ends_a_longer_list() {
        let (items, sizes) = collect(1_000).await;
        assert_eq!(items, (0..120).collect::<Vec<_>>());
        assert_eq!(sizes, [50, 50, 50]);
    }
}
