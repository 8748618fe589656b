//! The whole service: gRPC in front, messages behind, sweepers beside.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use imagioo_billing::{Config, Parts};
use imagioo_proto::account::v1::AccountVerified;
use imagioo_proto::billing::v1::billing_admin_service_client::BillingAdminServiceClient;
use imagioo_proto::billing::v1::billing_service_client::BillingServiceClient;
use imagioo_proto::billing::v1::hold_service_client::HoldServiceClient;
use imagioo_proto::billing::v1::{
    Balance, CheckBillingRequest, EntryKind, GetBalanceRequest, HoldCreditsRequest, HoldCreditsResponse,
    ListStatementEntriesRequest, ListStatementEntriesResponse,
};
use imagioo_proto::jobs::v1::GenerationSettled;
use imagioo_queue::{Message, Queue};
use imagioo_rpc::{Caller, Channel, Code, RpcError, on_behalf_of};
use imagioo_runtime::ops::Readiness;
use imagioo_runtime::{Settings, Shutdown, net};
use imagioo_types::{GenerationId, ServiceName, SystemClock, UserId};
use tokio::time::timeout;

use crate::app::App;
use crate::peers::Peers;

/// A running billing service with its peers.
struct Service {
    app: App,
    peers: Peers,
    queue: Queue,
    shutdown: Shutdown,
    as_gateway: Channel,
    as_operator: Channel,
}

impl Service {
    async fn start() -> Self {
        Self::with(toml::Table::new()).await
    }

    async fn with(overrides: toml::Table) -> Self {
        let app = App::start().await;
        let peers = Peers::start(&app.shutdown).await;
        let listener = net::bind(([127, 0, 0, 1], 0).into()).await.expect("port");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        let queue = Queue::in_process();
        let parts = Parts {
            listener,
            queue: queue.clone(),
            clock: Arc::new(SystemClock),
            readiness: Readiness::new(),
        };
        let (config, shutdown) = (config(&app, &peers, overrides), Shutdown::new(StdDuration::from_secs(10)));
        let until = shutdown.clone();
        shutdown.spawn("billing", async move {
            imagioo_billing::serve(config, parts, until).await.expect("served");
        });
        let channel = |service| {
            imagioo_rpc::connect(&address, &peers.keys(service), ServiceName::Billing).expect("address")
        };
        let (as_gateway, as_operator) = (channel(ServiceName::Gateway), channel(ServiceName::Operator));
        let this = Self { app, peers, queue, shutdown, as_gateway, as_operator };
        this.wait_until_it_knows_who_is_signed_in().await;
        this
    }

    /// Calls that change something are refused until the deny list arrived.
    async fn wait_until_it_knows_who_is_signed_in(&self) {
        let nobody = self.peers.caller(UserId::generate());
        let answered = async {
            while let Err(error) = self.hold(&nobody, "warm up", 1).await {
                if error.code() != Code::Unavailable {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(StdDuration::from_secs(30), answered).await.expect("the deny list arrives");
    }

    async fn hold(&self, caller: &Caller, id: &str, amount: i64) -> Result<HoldCreditsResponse, RpcError> {
        let request = HoldCreditsRequest {
            request_id: id.to_owned(),
            body_hash: vec![7; 32].into(),
            generation: GenerationId::generate().name(),
            amount,
        };
        let mut client = HoldServiceClient::new(self.as_gateway.clone());
        Ok(client.hold_credits(on_behalf_of(caller, request)).await?.into_inner())
    }

    async fn balance(&self, caller: &Caller) -> Balance {
        let mut client = BillingServiceClient::new(self.as_gateway.clone());
        let response = client.get_balance(on_behalf_of(caller, GetBalanceRequest {})).await.expect("balance");
        response.into_inner().balance.expect("a balance")
    }

    async fn statement(
        &self,
        caller: &Caller,
        token: &str,
    ) -> Result<ListStatementEntriesResponse, RpcError> {
        let request = ListStatementEntriesRequest { page_size: 2, page_token: token.to_owned() };
        let mut client = BillingServiceClient::new(self.as_gateway.clone());
        Ok(client.list_statement_entries(on_behalf_of(caller, request)).await?.into_inner())
    }

    /// Returns when the message was worked off.
    async fn verify(&self, user: UserId) {
        let event = AccountVerified { user: user.name(), verify_time: None };
        self.queue.publish(Message::of(&event)).await.expect("worked off");
    }

    /// Returns when the message was worked off.
    async fn settle(&self, user: UserId, generation: &str, charge: i64) {
        let event = GenerationSettled {
            generation: generation.to_owned(),
            owner: user.name(),
            charge,
            images: 1,
            end_time: None,
        };
        self.queue.publish(Message::of(&event)).await.expect("worked off");
    }

    async fn dead_letters(&self) -> usize {
        self.queue.dead_letters().await.expect("dead letters").len()
    }

    /// Fails unless every law holds and nothing is left over, as the operator sees it.
    async fn is_at_rest(&self) {
        let mut client = BillingAdminServiceClient::new(self.as_operator.clone());
        let found = client.check_billing(CheckBillingRequest {}).await.expect("check").into_inner();
        assert_eq!((found.open_holds, found.conservation, found.outbox), (0, 0, 0));
        assert_eq!(self.dead_letters().await, 0);
        self.shutdown.request();
        self.shutdown.drained().await;
        assert!(!self.shutdown.is_forced(), "everything ended by itself");
    }
}

fn config(app: &App, peers: &Peers, overrides: toml::Table) -> Config {
    let folder = peers.folder.path().display();
    let wiring = toml::from_str(&format!(
        r#"
        database.url = "{}"
        identity.service_key_file = "{folder}/billing.key"
        identity.peer_keys_file = "{folder}/peers.json"
        peers.account = "http://{}"
        peers.gateway = "http://{}"
        "#,
        app.database_url(),
        peers.account,
        peers.gateway,
    ))
    .expect("wiring");
    let settings =
        Settings::from_parts("billing", imagioo_billing::DEFAULTS, wiring).expect("wired settings");
    settings.overridden(&overrides).expect("overridden settings").read().expect("configuration")
}

fn balance(available: i64, reserved: i64) -> Balance {
    Balance { available, reserved, debt: 0 }
}

#[tokio::test]
async fn a_verified_account_gets_its_credits_once_however_often_it_is_told() {
    let service = Service::start().await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    assert_eq!(service.balance(&caller).await, balance(0, 0));
    for _ in 0..3 {
        service.verify(user).await;
    }
    assert_eq!(service.balance(&caller).await, balance(100, 0));
    service.is_at_rest().await;
}

#[tokio::test]
async fn the_registration_grant_can_be_turned_off_and_expires_as_configured() {
    let none = Service::with(toml::toml! { registration.credits = 0 }).await;
    let user = UserId::generate();
    none.verify(user).await;
    assert_eq!(none.balance(&none.peers.caller(user)).await, balance(0, 0));
    none.is_at_rest().await;

    let short = Service::with(toml::toml! { registration = { credits = 5, expires_after_days = 2 } }).await;
    short.verify(user).await;
    let caller = short.peers.caller(user);
    assert_eq!(short.balance(&caller).await, balance(5, 0));
    short.app.advance(time::Duration::days(2)).await;
    assert_eq!(short.balance(&caller).await, balance(0, 0));
    short.is_at_rest().await;
}

#[tokio::test]
async fn a_settled_generation_is_charged_once_however_often_it_is_told() {
    let service = Service::start().await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    service.verify(user).await;
    let held = service.hold(&caller, "a", 8).await.expect("held");
    assert!(held.created);
    assert_eq!(service.balance(&caller).await, balance(92, 8));
    for _ in 0..3 {
        service.settle(user, &held.generation, 6).await;
    }
    assert_eq!(service.balance(&caller).await, balance(94, 0));
    service.is_at_rest().await;
}

#[tokio::test]
async fn a_generation_without_images_costs_nothing() {
    let service = Service::start().await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    service.verify(user).await;
    let held = service.hold(&caller, "a", 8).await.expect("held");
    service.settle(user, &held.generation, 0).await;
    service.settle(user, &held.generation, 0).await;
    service.settle(user, &GenerationId::generate().name(), 0).await;
    assert_eq!(service.balance(&caller).await, balance(100, 0));
    service.is_at_rest().await;
}

#[tokio::test]
async fn images_that_no_hold_covers_are_paid_by_the_house() {
    let service = Service::start().await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    service.verify(user).await;
    let stray = GenerationId::generate().name();
    let released = service.hold(&caller, "released", 8).await.expect("held").generation;
    let small = service.hold(&caller, "too small", 8).await.expect("held").generation;
    service
        .app
        .bookkeeper
        .release(user, GenerationId::from_name(&released).expect("name"))
        .await
        .expect("released");
    for _ in 0..2 {
        service.settle(user, &stray, 5).await;
        service.settle(user, &released, 8).await;
        service.settle(user, &small, 11).await;
    }
    assert_eq!(service.balance(&caller).await, balance(92, 0));
    assert_eq!(service.app.booked("adjustment").await, -(5 + 8 + 3));
    assert_eq!(service.app.booked("spent").await, 5 + 8 + 11);
    let statement = service.statement(&caller, "").await.expect("statement");
    assert!(
        statement.entries.iter().all(|entry| entry.kind() != EntryKind::Adjust),
        "the owner is not concerned"
    );
    service.is_at_rest().await;
}

#[tokio::test]
async fn messages_that_contradict_the_ledger_or_cannot_be_read_are_set_aside() {
    let service = Service::start().await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    service.verify(user).await;
    let held = service.hold(&caller, "a", 8).await.expect("held");
    service.settle(user, &held.generation, 6).await;
    service.settle(user, &held.generation, 3).await;
    service.settle(user, &held.generation, 0).await;
    service.settle(user, "generations/nonsense", 1).await;
    service.settle(user, &held.generation, -6).await;
    assert_eq!(service.dead_letters().await, 4);
    assert_eq!(service.balance(&caller).await, balance(94, 0));
    service.app.conserves().await;
}

#[tokio::test]
async fn a_refused_hold_says_what_is_missing_and_what_to_do() {
    let service = Service::start().await;
    let caller = service.peers.caller(UserId::generate());
    service.verify(caller.identity.user).await;
    let error = service.hold(&caller, "a", 101).await.expect_err("too much");
    assert_eq!(error.code(), Code::InsufficientCredits);
    assert_eq!((&*error.details()["available"], &*error.details()["needed"]), ("100", "101"));
    assert!(error.message().contains("add credits"), "{}", error.message());

    service.hold(&caller, "b", 1).await.expect("held");
    let request = HoldCreditsRequest {
        request_id: "b".into(),
        body_hash: vec![8; 32].into(),
        generation: GenerationId::generate().name(),
        amount: 1,
    };
    let mut client = HoldServiceClient::new(service.as_gateway.clone());
    let reused = client.hold_credits(on_behalf_of(&caller, request)).await.expect_err("reused");
    assert_eq!(RpcError::from(reused).code(), Code::RequestIdReused);

    let request = HoldCreditsRequest { generation: "images/img_1".into(), ..HoldCreditsRequest::default() };
    let invalid = client.hold_credits(on_behalf_of(&caller, request)).await.expect_err("invalid");
    assert_eq!(RpcError::from(invalid).code(), Code::InvalidArgument);
}

#[tokio::test]
async fn somebody_frozen_or_in_debt_starts_nothing_and_the_next_grant_pays_the_debt_first() {
    let service = Service::start().await;
    let (frozen, owing) = (UserId::generate(), UserId::generate());
    service.verify(frozen).await;
    let root = service.app.owner();
    sqlx::query("update billing.wallets set frozen = true, version = version + 1 where owner = $1")
        .bind(frozen.uuid())
        .execute(&root)
        .await
        .expect("frozen");
    let refused = service.hold(&service.peers.caller(frozen), "a", 0).await.expect_err("frozen");
    assert_eq!(refused.code(), Code::WalletFrozen);

    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "insert into billing.wallets (owner, available, reserved, debt, version) values ('{0}', 0, 0, 30, 1);
         insert into billing.entries (posting, line, owner, account, amount, kind, effective_at, posted_at)
         values ('{0}', 0, '{0}', 'debt', -30, 'adjust', now(), now()),
                ('{0}', 1, '{0}', 'clawback', 30, 'adjust', now(), now())",
        owing.uuid()
    )))
    .execute(&root)
    .await
    .expect("a debt");
    let caller = service.peers.caller(owing);
    let refused = service.hold(&caller, "a", 0).await.expect_err("in debt");
    assert_eq!((refused.code(), &*refused.details()["debt"]), (Code::InDebt, "30"));
    service.verify(owing).await;
    assert_eq!(service.balance(&caller).await, balance(70, 0));
    service.hold(&caller, "a", 70).await.expect("held");
    service.app.conserves().await;
}

#[tokio::test]
async fn a_statement_has_one_line_for_each_change_and_pages_without_gaps() {
    let service = Service::start().await;
    let (user, stranger) = (UserId::generate(), UserId::generate());
    let caller = service.peers.caller(user);
    service.verify(user).await;
    service.verify(stranger).await;
    for (id, charge) in [("a", 3), ("b", 0)] {
        let held = service.hold(&caller, id, 4).await.expect("held");
        service.settle(user, &held.generation, charge).await;
    }
    let (mut lines, mut token) = (Vec::new(), String::new());
    loop {
        let page = service.statement(&caller, &token).await.expect("statement");
        assert!(page.entries.len() <= 2);
        lines.extend(page.entries);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let changes: Vec<_> =
        lines.iter().map(|line| (line.kind(), line.available_change, line.reserved_change)).collect();
    let expected = [
        (EntryKind::Release, 4, -4),
        (EntryKind::Hold, -4, 4),
        (EntryKind::Capture, 1, -4),
        (EntryKind::Hold, -4, 4),
        (EntryKind::Grant, 100, 0),
    ];
    assert_eq!(changes, expected);
    assert_eq!(lines[4].source, "registration");
    let refused = service.statement(&caller, "forged").await.expect_err("forged");
    assert_eq!(refused.code(), Code::InvalidArgument);
    service.is_at_rest().await;
}

#[tokio::test]
async fn old_holds_and_expired_credits_are_swept_while_the_service_runs() {
    let overrides = toml::toml! {
        holds = { sweep_every_seconds = 1, ask_again_seconds = 1 }
        expiry.sweep_every_seconds = 1
    };
    let service = Service::with(overrides).await;
    let user = UserId::generate();
    let caller = service.peers.caller(user);
    service.verify(user).await;
    let held = service.hold(&caller, "a", 10).await.expect("held");
    service.peers.answers.settled(GenerationId::from_name(&held.generation).expect("name"), 4);
    service.app.advance(time::Duration::days(31)).await;
    let swept = async {
        while service.app.booked("expired").await + service.app.booked("spent").await < 100 {
            tokio::task::yield_now().await;
        }
    };
    timeout(StdDuration::from_secs(30), swept).await.expect("swept");
    assert_eq!((service.app.booked("spent").await, service.app.booked("expired").await), (4, 96));
    service.is_at_rest().await;
}

#[tokio::test]
async fn only_the_services_on_the_list_are_answered() {
    let service = Service::start().await;
    let caller = service.peers.caller(UserId::generate());
    let mut admin = BillingAdminServiceClient::new(service.as_gateway.clone());
    let refused = admin.check_billing(CheckBillingRequest {}).await.expect_err("not the operator");
    assert_eq!(RpcError::from(refused).code(), Code::PermissionDenied);
    let mut holds = HoldServiceClient::new(service.as_operator.clone());
    let refused = holds.hold_credits(on_behalf_of(&caller, HoldCreditsRequest::default())).await;
    assert_eq!(RpcError::from(refused.expect_err("not the gateway")).code(), Code::PermissionDenied);
    let mut balance = BillingServiceClient::new(service.as_gateway.clone());
    let refused = balance.get_balance(GetBalanceRequest {}).await.expect_err("nobody is signed in");
    assert_eq!(RpcError::from(refused).code(), Code::Unauthenticated);
}
