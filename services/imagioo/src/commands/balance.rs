//! `imagioo balance`.

use imagioo_proto::billing::v1::billing_service_client::BillingServiceClient;
use imagioo_proto::billing::v1::{Balance, GetBalanceRequest, ListStatementEntriesRequest, StatementEntry};

use super::list::short;
use super::pages;
use crate::client::Client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::billing::kind;
use crate::json::{BalanceAnswer, EntryAnswer};
use crate::table::Table;
use crate::when;

/// Options of `balance`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// List what changed the balance, newest first
    #[arg(long, short)]
    statement: bool,
    /// List at most this many changes
    #[arg(long, short, value_name = "N", default_value_t = 50, requires = "statement", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut answer = BalanceAnswer::from(get(&client).await?);
    let entries = if args.statement { statement(&client, args.limit as usize).await? } else { Vec::new() };
    answer.entries = args.statement.then(|| entries.iter().map(EntryAnswer::from).collect());
    let output = context.output;
    output.answer(&answer, || {
        let mut lines = vec![
            format!("available  {}", answer.available),
            format!("reserved   {}", answer.reserved),
            format!("debt       {}", answer.debt),
        ];
        if args.statement {
            lines.push(String::new());
            lines.extend(table(&entries).lines(output.width()));
        }
        lines
    })?;
    Ok(Exit::Done)
}

/// The person's balance.
///
/// # Errors
/// What the server refuses.
pub(super) async fn get(client: &Client) -> Result<Balance, Failure> {
    let answer = client
        .call(GetBalanceRequest {}, async |channel, request| {
            BillingServiceClient::new(channel).get_balance(request).await
        })
        .await?;
    answer.balance.ok_or(Failure::Incomplete("the balance"))
}

async fn statement(client: &Client, limit: usize) -> Result<Vec<StatementEntry>, Failure> {
    pages(limit, async |page_size, page_token| {
        let message = ListStatementEntriesRequest { page_size, page_token };
        let page = client
            .call(message, async |channel, request| {
                BillingServiceClient::new(channel).list_statement_entries(request).await
            })
            .await?;
        Ok((page.entries, page.next_page_token))
    })
    .await
}

fn table(entries: &[StatementEntry]) -> Table {
    let mut table = Table::new(&["POSTED", "KIND", "AVAILABLE", "RESERVED", "REASON"]);
    for entry in entries {
        let reason = if entry.generation.is_empty() { &entry.source } else { &entry.generation };
        table.row([
            when::minute(entry.create_time.as_ref()),
            kind(entry),
            format!("{:+}", entry.available_change),
            format!("{:+}", entry.reserved_change),
            short(reason).to_owned(),
        ]);
    }
    table
}
