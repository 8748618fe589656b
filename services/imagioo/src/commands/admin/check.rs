//! `imagioo admin check`.

use imagioo_proto::account::v1::CheckAccountsRequest;
use imagioo_proto::account::v1::account_admin_service_client::AccountAdminServiceClient;
use imagioo_proto::billing::v1::CheckBillingRequest;
use imagioo_proto::billing::v1::billing_admin_service_client::BillingAdminServiceClient;
use imagioo_proto::generation::v1::CheckGenerationsRequest;
use imagioo_proto::generation::v1::generation_admin_service_client::GenerationAdminServiceClient;
use imagioo_types::ServiceName;
use serde::Serialize;

use super::operator::{Operator, Place};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::Table;

/// What should be zero at rest.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Check {
    open_holds: i64,
    conservation: i64,
    non_terminal: i64,
    outbox: i64,
}

pub(super) async fn run(context: &Context, place: Place) -> Result<Exit, Failure> {
    let check = check(&Operator::new(context, place)?).await?;
    context.output.answer(&check, || table(&check).lines(None))?;
    Ok(if check == Check::default() { Exit::Done } else { Exit::Failed })
}

async fn check(operator: &Operator) -> Result<Check, Failure> {
    let failed = |status| operator.failure(status);
    let mut billing = BillingAdminServiceClient::new(operator.channel(ServiceName::Billing)?);
    let mut account = AccountAdminServiceClient::new(operator.channel(ServiceName::Account)?);
    let mut gateway = GenerationAdminServiceClient::new(operator.channel(ServiceName::Gateway)?);
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
