//! The ledger on a fresh database, with the verbs of the tests.

use std::time::Duration as StdDuration;

use imagioo_billing::ledger::{
    Answer, BucketId, Grant, Held, HoldRequest, Operation, Refusal, Resolution, Source,
};
use imagioo_billing::{BillingError, Bookkeeper, MIGRATOR, Size};
use imagioo_runtime::Shutdown;
use imagioo_testkit::Database;
use imagioo_types::{Credits, GenerationId, UserId};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;
use time::Duration;

use crate::model::Figures;

/// A ledger of its own for one test.
pub struct App {
    pub pool: PgPool,
    pub bookkeeper: Bookkeeper,
    pub shutdown: Shutdown,
    database: Database,
}

/// The figures of a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    pub available: i64,
    pub reserved: i64,
    pub debt: i64,
}

impl App {
    pub async fn start() -> Self {
        let database = Database::create(&[("billing", &MIGRATOR)]).await;
        let pool = connect(&database).await;
        let shutdown = Shutdown::new(StdDuration::from_secs(5));
        let bookkeeper = Bookkeeper::new(&pool, Size { lanes: 4, rows: 256 }, &shutdown);
        Self { pool, bookkeeper, shutdown, database }
    }

    /// Another process that works on the same ledger.
    pub async fn another_bookkeeper(&self) -> Bookkeeper {
        let pool = connect(&self.database).await;
        Bookkeeper::new(&pool, Size { lanes: 2, rows: 64 }, &self.shutdown)
    }

    /// Connects as the owner of the tables.
    pub fn owner(&self) -> PgPool {
        self.database.owner("billing")
    }

    pub fn database_url(&self) -> String {
        self.database.config("billing").url.expose_secret().to_owned()
    }

    /// Moves the clock of the schema.
    pub async fn advance(&self, by: Duration) {
        self.database.shift_clock("billing", by).await;
    }

    pub async fn execute(&self, user: UserId, operation: Operation) -> Result<Answer, Refusal> {
        let keeper = &self.bookkeeper;
        let outcome = match operation {
            Operation::Grant(grant) => keeper.grant(user, grant).await.map(Answer::Granted),
            Operation::Hold(request) => keeper.hold(user, request).await.map(Answer::Held),
            Operation::Capture { generation, amount } => {
                keeper.capture(user, generation, amount).await.map(Answer::Resolved)
            }
            Operation::Release { generation } => keeper.release(user, generation).await.map(Answer::Resolved),
            Operation::WriteOff(write_off) => keeper.write_off(user, write_off).await.map(Answer::WrittenOff),
            Operation::Expire => keeper.expire(user).await.map(Answer::Expired),
        };
        outcome.map_err(refusal)
    }

    /// Gives paid credits that never expire.
    pub async fn grant(&self, user: UserId, key: &str, amount: i64) {
        self.grant_for(user, key, amount, None).await;
    }

    /// Gives paid credits that expire.
    pub async fn grant_for(&self, user: UserId, key: &str, amount: i64, lifetime: Option<Duration>) {
        let granted = self.bookkeeper.grant(user, grant(key, amount, lifetime)).await;
        assert!(granted.expect("granted"), "the key is new");
    }

    pub async fn hold(&self, user: UserId, request_id: &str, amount: i64) -> Result<Held, Refusal> {
        self.bookkeeper.hold(user, hold(request_id, amount)).await.map_err(refusal)
    }

    pub async fn capture(&self, user: UserId, held: Held, amount: i64) -> Result<Resolution, Refusal> {
        self.bookkeeper.capture(user, held.generation, Credits::new(amount)).await.map_err(refusal)
    }

    pub async fn release(&self, user: UserId, held: Held) -> Result<Resolution, Refusal> {
        self.bookkeeper.release(user, held.generation).await.map_err(refusal)
    }

    pub async fn wallet(&self, user: UserId) -> Figure {
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as("select available, reserved, debt from billing.wallets where owner = $1")
                .bind(user.uuid())
                .fetch_optional(&self.pool)
                .await
                .expect("wallet");
        let (available, reserved, debt) = row.unwrap_or_default();
        Figure { available, reserved, debt }
    }

    /// Every bucket of the user, by natural key.
    pub async fn figures(&self, user: UserId) -> Vec<Figures> {
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as("select natural_key, remaining, reserved from billing.buckets where owner = $1")
                .bind(user.uuid())
                .fetch_all(&self.pool)
                .await
                .expect("buckets");
        let mut all: Vec<_> =
            rows.into_iter().map(|(key, remaining, reserved)| Figures { key, remaining, reserved }).collect();
        all.sort();
        all
    }

    /// What is free in each bucket, in the order of natural keys.
    pub async fn remaining(&self, user: UserId) -> Vec<i64> {
        self.figures(user).await.into_iter().map(|bucket| bucket.remaining).collect()
    }

    /// The sum of all entries to an account.
    pub async fn booked(&self, account: &str) -> i64 {
        sqlx::query_scalar("select coalesce(sum(amount), 0)::bigint from billing.entries where account = $1")
            .bind(account)
            .fetch_one(&self.pool)
            .await
            .expect("sum")
    }

    /// Fails unless every law of the ledger holds.
    pub async fn conserves(&self) {
        let check = imagioo_billing::check(&self.pool).await.expect("check");
        assert_eq!(check.violations, 0);
    }
}

async fn connect(database: &Database) -> PgPool {
    database.service("billing", &MIGRATOR).await.expect("the service's own role")
}

pub fn grant(key: &str, amount: i64, lifetime: Option<Duration>) -> Grant {
    Grant {
        bucket: BucketId::generate(),
        natural_key: key.to_owned(),
        source: Source::Purchase,
        promotional: false,
        amount: Credits::new(amount),
        lifetime,
    }
}

pub fn hold(request_id: &str, amount: i64) -> HoldRequest {
    HoldRequest {
        generation: GenerationId::generate(),
        request_id: request_id.to_owned(),
        body_hash: [7; 32],
        amount: Credits::new(amount),
        resolve_within: Duration::minutes(10),
    }
}

pub fn refusal(error: BillingError) -> Refusal {
    match error {
        BillingError::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}
