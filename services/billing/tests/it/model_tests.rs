//! Item 1: random operations on the ledger and on the naive model end alike after every step.

use std::collections::BTreeMap;

use imagioo_billing::ledger::{Posting, Wallet};
use imagioo_types::{Credits, UserId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use time::{Duration, OffsetDateTime};

use crate::app::App;
use crate::model::{Figures, Model, Step, step};

/// Sums of entries by account.
#[derive(Debug, Default)]
struct Auditor(BTreeMap<String, i64>);

impl Auditor {
    fn read(&mut self, postings: &[Posting]) {
        for posting in postings {
            let sum: i64 = posting.entries.iter().map(|entry| entry.amount.get()).sum();
            assert_eq!(sum, 0, "{posting:?}");
            for entry in &posting.entries {
                assert_ne!(entry.amount, Credits::ZERO, "{posting:?}");
                let account = entry.account.to_string();
                let account = account.split(':').next().unwrap_or_default().to_owned();
                *self.0.entry(account).or_default() += entry.amount.get();
            }
        }
    }

    fn balance(&self, account: &str) -> i64 {
        self.0.get(account).copied().unwrap_or_default()
    }

    fn agrees_with(&self, model: &Model) {
        assert_eq!(self.balance("available"), model.available());
        assert_eq!(self.balance("reserved"), model.reserved());
        assert_eq!(self.balance("expired"), model.expired());
        assert_eq!(self.balance("spent"), model.spent());
        assert_eq!(-self.balance("adjustment"), model.written_off());
        assert_eq!(-self.balance("issuance"), model.granted());
    }
}

fn figures(wallet: &Wallet) -> Vec<Figures> {
    let mut all: Vec<_> = wallet
        .buckets
        .iter()
        .map(|bucket| Figures {
            key: bucket.natural_key.clone(),
            remaining: bucket.remaining.get(),
            reserved: bucket.reserved.get(),
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(300) })]

    #[test]
    fn b01_the_state_machine_and_the_naive_model_agree_after_every_step(steps in prop::collection::vec(step(), 1..120)) {
        let mut now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let (mut wallet, mut model) = (Wallet::empty(UserId::generate()), Model::default());
        let mut auditor = Auditor::default();
        for step in &steps {
            let expected = model.take(step);
            if let Step::Sleep { days } = step {
                now += Duration::days(*days);
            }
            let Some(operation) = step.operation() else { continue };
            let executed = wallet.execute(&operation, now);
            prop_assert_eq!(Some(executed.answer), expected, "{:?}", step);
            auditor.read(&executed.postings);
            auditor.agrees_with(&model);
            prop_assert_eq!(wallet.available.get(), model.available());
            prop_assert_eq!(wallet.reserved.get(), model.reserved());
            prop_assert_eq!(figures(&wallet), model.buckets());
        }
    }
}

/// The same steps for the same seed.
fn steps_of(seed: u8, count: usize) -> Vec<Step> {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let tree = prop::collection::vec(step(), count).new_tree(&mut runner).expect("steps");
    tree.current()
}

#[tokio::test]
async fn b01_the_service_and_the_naive_model_agree_after_every_step() {
    for seed in 1..=3 {
        let app = App::start().await;
        let (user, mut model) = (UserId::generate(), Model::default());
        for (place, step) in steps_of(seed, 250).iter().enumerate() {
            let at = format!("seed {seed}, step {place}: {step:?}");
            let expected = model.take(step);
            if let Step::Sleep { days } = step {
                app.advance(Duration::days(*days)).await;
            }
            if let Some(operation) = step.operation() {
                assert_eq!(Some(app.execute(user, operation).await), expected, "{at}");
                let wallet = app.wallet(user).await;
                assert_eq!(
                    (wallet.available, wallet.reserved),
                    (model.available(), model.reserved()),
                    "{at}"
                );
                assert_eq!(app.figures(user).await, model.buckets(), "{at}");
            }
        }
        app.conserves().await;
    }
}
