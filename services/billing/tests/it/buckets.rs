//! Buckets: the order they are spent in, their expiry, and the books they can be rebuilt from.

use futures::future::join_all;
use imagioo_billing::ExpirySweeper;
use imagioo_billing::ledger::Refusal;
use imagioo_types::{Credits, UserId};
use time::Duration;

use crate::app::{App, Figure, grant};

async fn grant_promotion(app: &App, user: UserId, key: &str, amount: i64, days: i64) {
    let promotion = imagioo_billing::ledger::Grant {
        promotional: true,
        source: imagioo_billing::ledger::Source::Promotion,
        ..grant(key, amount, Some(Duration::days(days)))
    };
    assert!(app.bookkeeper.grant(user, promotion).await.expect("granted"));
}

fn sweeper(app: &App) -> ExpirySweeper {
    ExpirySweeper::new(app.pool.clone(), app.bookkeeper.clone())
}

#[tokio::test]
async fn b08_what_is_lost_first_is_spent_first_and_promotions_before_paid() {
    let app = App::start().await;
    let user = UserId::generate();
    // Natural keys name the expected order.
    app.grant_for(user, "3 day five", 10, Some(Duration::days(5))).await;
    app.grant_for(user, "4 never", 10, None).await;
    let ending = Some(Duration::days(3) + Duration::minutes(1));
    app.grant_for(user, "2 paid day three", 10, ending).await;
    grant_promotion(&app, user, "1 promotion day three", 10, 3).await;
    let expected = [[5, 10, 10, 10], [0, 5, 10, 10], [0, 0, 0, 10], [0, 0, 0, 1]];
    for (step, (amount, left)) in [5, 10, 15, 9].into_iter().zip(expected).enumerate() {
        let held = app.hold(user, &format!("step {step}"), amount).await.expect("held");
        app.capture(user, held, amount).await.expect("captured");
        assert_eq!(app.remaining(user).await, left, "step {step}");
    }
    let taken: Vec<(String, i64)> = sqlx::query_as(
        "select b.natural_key, sum(e.amount)::bigint from billing.entries e join billing.buckets b on b.id = e.bucket
         where e.kind = 'hold' and e.account = 'reserved' group by 1 order by 1",
    )
    .fetch_all(&app.pool)
    .await
    .expect("consumption");
    assert_eq!(taken.into_iter().map(|(_, amount)| amount).collect::<Vec<_>>(), [10, 10, 10, 9]);
    app.conserves().await;
}

#[tokio::test]
async fn b08_on_the_same_expiry_a_promotion_goes_before_paid_credits() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "2 paid", 10).await;
    let promotion = imagioo_billing::ledger::Grant { promotional: true, ..grant("1 promotion", 10, None) };
    assert!(app.bookkeeper.grant(user, promotion).await.expect("granted"));
    app.hold(user, "a", 12).await.expect("held");
    assert_eq!(app.remaining(user).await, [0, 8]);
}

#[tokio::test]
async fn b09_a_release_leaves_each_bucket_exactly_as_before() {
    let app = App::start().await;
    let user = UserId::generate();
    for (key, days) in [("1", 2), ("2", 4), ("3", 6)] {
        app.grant_for(user, key, 5, Some(Duration::days(days))).await;
    }
    let before = app.figures(user).await;
    let held = app.hold(user, "a", 12).await.expect("held");
    assert_eq!(app.remaining(user).await, [0, 0, 3]);
    app.release(user, held).await.expect("released");
    assert_eq!(app.figures(user).await, before);
    app.conserves().await;
}

#[tokio::test]
async fn b09_what_expired_while_it_was_held_is_lost_when_it_comes_back() {
    let app = App::start().await;
    let user = UserId::generate();
    for (key, days) in [("1", 2), ("2", 4), ("3", 6)] {
        app.grant_for(user, key, 5, Some(Duration::days(days))).await;
    }
    let held = app.hold(user, "a", 12).await.expect("held");
    app.advance(Duration::days(3)).await;
    app.release(user, held).await.expect("released");
    assert_eq!(app.remaining(user).await, [0, 5, 5]);
    assert_eq!(app.booked("expired").await, 5);
    app.conserves().await;
}

#[tokio::test]
async fn what_was_held_before_its_expiry_can_be_captured_after() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant_for(user, "1", 10, Some(Duration::days(2))).await;
    let held = app.hold(user, "a", 6).await.expect("held");
    app.advance(Duration::days(3)).await;
    assert_eq!(sweeper(&app).sweep().await.expect("swept"), Credits::new(4));
    app.capture(user, held, 6).await.expect("captured");
    assert_eq!((app.booked("spent").await, app.booked("expired").await), (6, 4));
    app.conserves().await;
}

#[tokio::test]
async fn expired_credits_cannot_be_spent_before_they_are_booked() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant_for(user, "1", 10, Some(Duration::days(2))).await;
    app.advance(Duration::days(2)).await;
    let refused = app.hold(user, "a", 1).await;
    let none = Refusal::Insufficient { available: Credits::ZERO, needed: Credits::new(1) };
    assert_eq!(refused, Err(none));
    assert_eq!(app.booked("expired").await, 10);
    app.conserves().await;
}

#[tokio::test]
async fn b10_each_expiry_is_booked_once_and_on_its_day() {
    let app = App::start().await;
    let users: Vec<UserId> = (0..20).map(|_| UserId::generate()).collect();
    for user in &users {
        for days in 1..=3 {
            app.grant_for(*user, &format!("{user} {days}"), 7, Some(Duration::days(days))).await;
        }
    }
    app.advance(Duration::days(6)).await;
    let others = [app.another_bookkeeper().await, app.another_bookkeeper().await];
    let sweepers: Vec<ExpirySweeper> = [&app.bookkeeper, &app.bookkeeper, &others[0], &others[1]]
        .map(|keeper| ExpirySweeper::new(app.pool.clone(), keeper.clone()))
        .into();
    let booked = join_all(sweepers.iter().map(ExpirySweeper::sweep)).await;
    let total: i64 = booked.into_iter().map(|credits| credits.expect("swept").get()).sum();
    assert_eq!(total, 20 * 3 * 7);
    assert_eq!(sweeper(&app).sweep().await.expect("swept"), Credits::ZERO);
    assert_eq!(app.booked("expired").await, 20 * 3 * 7);
    let misdated: i64 = sqlx::query_scalar(
        "select count(*) from billing.entries e join billing.buckets b on b.id = e.bucket
         where e.kind = 'expire' and e.effective_at <> b.expires_at",
    )
    .fetch_one(&app.pool)
    .await
    .expect("count");
    assert_eq!(misdated, 0);
    app.conserves().await;
}

/// A month of grants and holds; what differs is only how often somebody sweeps.
async fn month(sweep_every: Option<i64>) -> (Figure, Vec<i64>, i64, i64) {
    let app = App::start().await;
    let user = UserId::generate();
    for day in 0..30 {
        if day % 3 == 0 {
            let lifetime = Some(Duration::days(5 + day % 7) - Duration::hours(12));
            app.grant_for(user, &format!("{day:02}"), 6, lifetime).await;
        }
        if let Ok(held) = app.hold(user, &format!("day {day}"), 1 + day % 4).await {
            if day % 2 == 0 { app.capture(user, held, 1).await } else { app.release(user, held).await }
                .expect("resolved");
        }
        app.advance(Duration::days(1)).await;
        if sweep_every.is_some_and(|every| day % every == 0) {
            sweeper(&app).sweep().await.expect("swept");
        }
    }
    sweeper(&app).sweep().await.expect("swept");
    app.conserves().await;
    let (spent, expired) = (app.booked("spent").await, app.booked("expired").await);
    (app.wallet(user).await, app.remaining(user).await, spent, expired)
}

#[tokio::test]
async fn b11_a_month_in_one_go_and_in_thirty_pieces_end_alike() {
    assert_eq!(month(None).await, month(Some(1)).await);
}

#[tokio::test]
async fn b12_the_entries_alone_rebuild_every_balance_at_any_point() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant_for(user, "1", 40, Some(Duration::days(2))).await;
    app.grant(user, "2", 40).await;
    for step in 0..12 {
        let held = app.hold(user, &format!("step {step}"), 5).await.expect("held");
        match step % 3 {
            0 => drop(app.capture(user, held, 3).await.expect("captured")),
            1 => drop(app.release(user, held).await.expect("released")),
            _ => {}
        }
        let rebuilt: Vec<(String, i64, i64)> = sqlx::query_as(
            "select b.natural_key, coalesce(sum(e.amount) filter (where e.account = 'available'), 0)::bigint,
                 coalesce(sum(e.amount) filter (where e.account = 'reserved'), 0)::bigint
             from billing.entries e join billing.buckets b on b.id = e.bucket group by 1 order by 1",
        )
        .fetch_all(&app.pool)
        .await
        .expect("rebuilt");
        let cached: Vec<_> = app
            .figures(user)
            .await
            .into_iter()
            .map(|bucket| (bucket.key, bucket.remaining, bucket.reserved))
            .collect();
        assert_eq!(rebuilt, cached, "step {step}");
        let sums = Figure {
            available: rebuilt.iter().map(|(_, available, _)| available).sum(),
            reserved: rebuilt.iter().map(|(_, _, reserved)| reserved).sum(),
            debt: 0,
        };
        assert_eq!(app.wallet(user).await, sums, "step {step}");
    }
    app.conserves().await;
}
