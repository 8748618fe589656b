//! The command line: commands, and the options that all client commands share.

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use crate::address::Address;
use crate::commands::{
    admin, again, balance, cancel, doctor, download, edit, generate, inpaint, keys, list, login, logout,
    models, outpaint, own_keys, presets, providers, remove_background, show, signup, upscale, vary, watch,
    webhooks, whoami,
};
use crate::{exit, serve};

/// Create images with AI models and keep them, on your own server or somebody else's.
#[derive(Debug, Parser)]
#[command(name = "imagioo", version, after_help = exit::TABLE, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every client command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Client options")]
pub(crate) struct Global {
    /// Profile to use; without it the default profile
    #[arg(long, global = true, env = "IMAGIOO_PROFILE", value_name = "NAME", value_parser = profile_name)]
    pub(crate) profile: Option<String>,
    /// Address of the server, such as http://127.0.0.1:7420; without it the profile's
    #[arg(long, global = true, env = "IMAGIOO_SERVER", value_name = "URL")]
    pub(crate) server: Option<Address>,
    /// API key to use instead of the profile's credentials; better given in the environment
    #[arg(long, global = true, env = "IMAGIOO_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) api_key: Option<SecretString>,
    /// Print one JSON object instead of text; failures as JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

fn profile_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=100).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if fits { Ok(text.to_owned()) } else { Err("a name has 1 to 100 characters and no blanks") }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole platform in this process
    Serve(serve::Args),
    #[command(flatten)]
    Client(ClientCommand),
}

/// What to do as a client of a server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Create an account and sign in
    Signup(signup::Args),
    /// Sign in and remember it in a profile
    Login(login::Args),
    /// End the session and forget the credentials
    Logout(logout::Args),
    /// Show who is signed in, and where
    Whoami(whoami::Args),
    /// Create images from a text
    Generate(Box<generate::Args>),
    /// Change a picture after an instruction
    Edit(Box<edit::Args>),
    /// Repaint the part of a picture that a mask shows
    Inpaint(Box<inpaint::Args>),
    /// Continue a picture beyond its borders
    Outpaint(Box<outpaint::Args>),
    /// Give a picture more pixels
    Upscale(Box<upscale::Args>),
    /// Cut out the subject of a picture
    RemoveBackground(Box<remove_background::Args>),
    /// Create images that resemble a picture
    Vary(Box<vary::Args>),
    /// Run a generation again, with the same or another model
    Again(Box<again::Args>),
    /// List your generations, newest first
    List(list::Args),
    /// Show one generation
    Show(show::Args),
    /// Follow one generation to its end, or all of yours
    Watch(watch::Args),
    /// Save an image, or all images of a generation
    Download(download::Args),
    /// End a generation early; what was delivered is kept and charged
    Cancel(cancel::Args),
    /// Show your credits
    Balance(balance::Args),
    /// List the models
    Models(models::Args),
    /// Keep settings and words under a name
    Presets(presets::Args),
    /// Manage your own keys for model providers
    OwnKeys(own_keys::Args),
    /// Manage API keys
    Keys(keys::Args),
    /// Manage a server's accounts at model providers, on its own machine
    Providers(providers::Args),
    /// Manage webhooks: addresses that are told when something is done
    Webhooks(webhooks::Args),
    /// Look after a server, with the operator's key
    Admin(admin::Args),
    /// Find out what is wrong and what to do
    Doctor(doctor::Args),
}

impl ClientCommand {
    /// The word that chooses it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Signup(_) => "signup",
            Self::Login(_) => "login",
            Self::Logout(_) => "logout",
            Self::Whoami(_) => "whoami",
            Self::Generate(_) => "generate",
            Self::Edit(_) => "edit",
            Self::Inpaint(_) => "inpaint",
            Self::Outpaint(_) => "outpaint",
            Self::Upscale(_) => "upscale",
            Self::RemoveBackground(_) => "remove-background",
            Self::Vary(_) => "vary",
            Self::Again(_) => "again",
            Self::List(_) => "list",
            Self::Show(_) => "show",
            Self::Watch(_) => "watch",
            Self::Download(_) => "download",
            Self::Cancel(_) => "cancel",
            Self::Balance(_) => "balance",
            Self::Models(_) => "models",
            Self::Presets(_) => "presets",
            Self::OwnKeys(_) => "own-keys",
            Self::Keys(_) => "keys",
            Self::Providers(_) => "providers",
            Self::Webhooks(_) => "webhooks",
            Self::Admin(_) => "admin",
            Self::Doctor(_) => "doctor",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_options_may_stand_before_and_after_the_command() {
        for arguments in [["imagioo", "--json", "list"], ["imagioo", "list", "--json"]] {
            let cli = Cli::try_parse_from(arguments).expect("valid");
            assert!(cli.global.json);
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_printed_by_accident() {
        let cli = Cli::try_parse_from(["imagioo", "--api-key", "img_live_x", "list"]).expect("valid");
        assert!(!format!("{cli:?}").contains("img_live_x"));
    }
}
