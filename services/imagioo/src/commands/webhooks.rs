//! `imagioo webhooks`: addresses that receive your events, and what was sent to them.

use imagioo_proto::generation::v1::webhook_service_client::WebhookServiceClient;
use tonic::transport::Channel;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

mod deliveries;
mod endpoints;

/// Options of `webhooks`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add an endpoint and print its secret, which is never shown again
    Add {
        /// Where events are sent: an address that begins with https
        url: String,
        /// Event to receive, such as generation.succeeded; may be repeated [default: every outcome]
        #[arg(long = "event", short, value_name = "TYPE")]
        events: Vec<String>,
        /// What it is for; only shown
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        description: String,
        /// Name of this request: repeating the command with it finds the same endpoint
        #[arg(long, value_name = "ID")]
        request_id: Option<String>,
    },
    /// List your endpoints, newest first
    List,
    /// Show one endpoint
    Show {
        /// The endpoint, such as whe_…
        name: String,
    },
    /// Change an endpoint, or switch it on and off
    Update(endpoints::Update),
    /// Remove an endpoint with its log
    Remove {
        /// The endpoint, such as whe_…
        name: String,
    },
    /// Give an endpoint a new secret and print it; the old one goes on signing for a day
    Rotate {
        /// The endpoint, such as whe_…
        name: String,
    },
    /// Send a test event and say what became of it
    Test {
        /// The endpoint, such as whe_…
        name: String,
    },
    /// List what was sent to an endpoint, newest first, or show one delivery with its attempts
    Deliveries {
        /// The endpoint, such as whe_…, or a delivery, such as whe_…/deliveries/evt_…
        name: String,
        /// Show at most this many
        #[arg(long, short = 'l', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Send an event once more
    Replay {
        /// The delivery, such as whe_…/deliveries/evt_…
        name: String,
    },
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Add { url, events, description, request_id } => {
            endpoints::add(context, (url, events, description), request_id).await
        }
        Command::List => endpoints::list(context).await,
        Command::Show { name } => endpoints::show(context, &name).await,
        Command::Update(update) => endpoints::update(context, update).await,
        Command::Remove { name } => endpoints::remove(context, &name).await,
        Command::Rotate { name } => endpoints::rotate(context, &name).await,
        Command::Test { name } => deliveries::test(context, &name).await,
        Command::Deliveries { name, limit } => deliveries::list(context, &name, limit as usize).await,
        Command::Replay { name } => deliveries::replay(context, &name).await,
    }
}

fn service(channel: Channel) -> WebhookServiceClient<Channel> {
    WebhookServiceClient::new(channel)
}
