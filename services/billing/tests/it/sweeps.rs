//! Item 7: holds that nobody settled end when the gateway says how, and never by time alone.

use std::time::Duration as StdDuration;

use imagioo_billing::ledger::Refusal;
use imagioo_billing::{Gateway, HoldSweeper};
use imagioo_types::{ServiceName, UserId};
use time::Duration;

use crate::app::{App, Figure};
use crate::peers::Peers;

async fn sweeper(app: &App, peers: &Peers) -> HoldSweeper {
    let address = format!("http://{}", peers.gateway);
    let keys = peers.keys(ServiceName::Billing);
    let channel = imagioo_rpc::connect(&address, &keys, ServiceName::Gateway).expect("address");
    let keeper = app.another_bookkeeper().await;
    HoldSweeper::new(app.pool.clone(), keeper, Gateway::new(channel), StdDuration::from_secs(120))
}

#[tokio::test]
async fn b07_an_untouched_hold_is_released_once_when_the_generation_never_was() {
    let app = App::start().await;
    let peers = Peers::start(&app.shutdown).await;
    let sweepers = [sweeper(&app, &peers).await, sweeper(&app, &peers).await];
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let held = app.hold(user, "a", 10).await.expect("held");
    peers.answers.unknown(held.generation);
    assert_eq!(sweepers[0].sweep().await.expect("swept"), 0, "not before its time");

    app.advance(Duration::minutes(11)).await;
    let (one, two) = tokio::join!(sweepers[0].sweep(), sweepers[1].sweep());
    assert_eq!(one.expect("swept") + two.expect("swept"), 1);
    assert_eq!(app.wallet(user).await, Figure { available: 10, reserved: 0, debt: 0 });
    let late = app.capture(user, held, 10).await;
    assert_eq!(late, Err(Refusal::AlreadyReleased));
    app.conserves().await;
}

#[tokio::test]
async fn b07_a_hold_that_expired_meanwhile_goes_to_expired_on_release() {
    let app = App::start().await;
    let peers = Peers::start(&app.shutdown).await;
    let user = UserId::generate();
    app.grant_for(user, "pack", 10, Some(Duration::minutes(5))).await;
    let held = app.hold(user, "a", 10).await.expect("held");
    peers.answers.unknown(held.generation);
    app.advance(Duration::minutes(11)).await;
    assert_eq!(sweeper(&app, &peers).await.sweep().await.expect("swept"), 1);
    assert_eq!((app.wallet(user).await.available, app.booked("expired").await), (0, 10));
    app.conserves().await;
}

#[tokio::test]
async fn b07_the_hold_of_a_living_generation_stays_and_is_asked_about_later() {
    let app = App::start().await;
    let peers = Peers::start(&app.shutdown).await;
    let sweeper = sweeper(&app, &peers).await;
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let held = app.hold(user, "a", 10).await.expect("held");
    peers.answers.alive(held.generation);
    app.advance(Duration::minutes(11)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 0);
    assert_eq!(app.wallet(user).await.reserved, 10);

    peers.answers.settled(held.generation, 6);
    assert_eq!(sweeper.sweep().await.expect("swept"), 0, "asked a moment ago");
    app.advance(Duration::minutes(3)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 1);
    assert_eq!(app.wallet(user).await, Figure { available: 4, reserved: 0, debt: 0 });
    app.conserves().await;
}

#[tokio::test]
async fn b07_while_the_gateway_is_silent_nothing_is_decided() {
    let app = App::start().await;
    let peers = Peers::start(&app.shutdown).await;
    let sweeper = sweeper(&app, &peers).await;
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let held = app.hold(user, "a", 10).await.expect("held");
    app.advance(Duration::minutes(11)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 0);
    assert_eq!(app.wallet(user).await.reserved, 10);
    peers.answers.settled(held.generation, 0);
    app.advance(Duration::minutes(3)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 1);
    assert_eq!(app.wallet(user).await.available, 10);
    app.conserves().await;
}

#[tokio::test]
async fn b07_a_clock_that_went_back_an_hour_changes_nothing_odd() {
    let app = App::start().await;
    let peers = Peers::start(&app.shutdown).await;
    let sweeper = sweeper(&app, &peers).await;
    let user = UserId::generate();
    app.grant_for(user, "pack", 10, Some(Duration::hours(2))).await;
    let held = app.hold(user, "a", 4).await.expect("held");
    let second = app.hold(user, "b", 4).await.expect("held");
    peers.answers.unknown(held.generation);
    peers.answers.unknown(second.generation);
    app.advance(Duration::minutes(11)).await;
    app.advance(Duration::hours(-1)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 0);
    app.capture(user, second, 4).await.expect("captured");
    app.advance(Duration::hours(1)).await;
    assert_eq!(sweeper.sweep().await.expect("swept"), 1);
    assert_eq!(app.wallet(user).await, Figure { available: 6, reserved: 0, debt: 0 });
    app.conserves().await;
}
