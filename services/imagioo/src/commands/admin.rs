//! `imagioo admin`: calls that need the operator's service key.

use std::path::PathBuf;
use std::sync::Arc;

use imagioo_proto::account::v1::CheckAccountsRequest;
use imagioo_proto::account::v1::account_admin_service_client::AccountAdminServiceClient;
use imagioo_proto::billing::v1::CheckBillingRequest;
use imagioo_proto::billing::v1::billing_admin_service_client::BillingAdminServiceClient;
use imagioo_proto::generation::v1::CheckGenerationsRequest;
use imagioo_proto::generation::v1::generation_admin_service_client::GenerationAdminServiceClient;
use imagioo_rpc::{ServiceKeys, connect, keys};
use imagioo_types::ServiceName;
use serde::Serialize;

use crate::address::Address;
use crate::context::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::Table;

/// Options of `admin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Count what should be zero when nothing is in progress; ends with 1 when something is not
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Data folder of the server; without it the profile's, else the usual one
    #[arg(long, value_name = "DIR", env = "IMAGIOO_DATA_DIR")]
    data: Option<PathBuf>,
    /// Folder with operator.key and peers.json; goes before the data folder
    #[arg(long, value_name = "DIR")]
    keys_dir: Option<PathBuf>,
}

/// What should be zero at rest.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Check {
    open_holds: i64,
    conservation: i64,
    non_terminal: i64,
    outbox: i64,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Command::Check(args) = args.command;
    let folder = keys_folder(context, args)?;
    let config = keys::config_in(&folder, ServiceName::Operator);
    let keys = ServiceKeys::load(&config, ServiceName::Operator, Arc::clone(&context.clock))?;
    let check = check(&context.server()?, &keys).await?;
    context.output.answer(&check, || table(&check).lines(None))?;
    Ok(if check == Check::default() { Exit::Done } else { Exit::Failed })
}

/// The named folder, else the one in the profile's data, else the one where a server on this machine keeps it.
fn keys_folder(context: &Context, args: CheckArgs) -> Result<PathBuf, Failure> {
    if let Some(folder) = args.keys_dir {
        return Ok(folder);
    }
    let data = match args.data {
        Some(data) => Some(data),
        None => context.selected()?.1.and_then(|profile| profile.data).or_else(environment::data_folder),
    };
    let data =
        data.ok_or_else(|| Failure::usage("where are the server's keys?", "name its folder with `--data`"))?;
    Ok(data.join("keys"))
}

async fn check(server: &Address, keys: &ServiceKeys) -> Result<Check, Failure> {
    let channel = |audience| connect(server.as_str(), keys, audience);
    let failed = |status| Failure::of_status(server, status);
    let mut billing = BillingAdminServiceClient::new(channel(ServiceName::Billing)?);
    let mut account = AccountAdminServiceClient::new(channel(ServiceName::Account)?);
    let mut gateway = GenerationAdminServiceClient::new(channel(ServiceName::Gateway)?);
    let billing = billing.check_billing(CheckBillingRequest {}).await.map_err(failed)?.into_inner();
    let account = account.check_accounts(CheckAccountsRequest {}).await.map_err(failed)?.into_inner();
    let gateway = gateway.check_generations(CheckGenerationsRequest {}).await.map_err(failed)?.into_inner();
    Ok(Check {
        open_holds: billing.open_holds,
        conservation: billing.conservation,
        non_terminal: gateway.non_terminal,
        outbox: billing.outbox + account.outbox + gateway.outbox,
    })
}

fn table(check: &Check) -> Table {
    let mut table = Table::new(&["CHECK", "FOUND", "MEANING"]);
    let rows = [
        ("open_holds", check.open_holds, "holds neither captured nor released"),
        ("conservation", check.conservation, "wallets and postings that break a law of the ledger"),
        ("non_terminal", check.non_terminal, "generations without an outcome"),
        ("outbox", check.outbox, "messages that the broker has not confirmed"),
    ];
    for (name, found, meaning) in rows {
        table.row([name.to_owned(), format!("{found}"), meaning.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_four_numbers() {
        let json = serde_json::to_string(&Check::default()).expect("JSON");
        assert_eq!(json, r#"{"open_holds":0,"conservation":0,"non_terminal":0,"outbox":0}"#);
    }
}
