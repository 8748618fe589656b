//! Holds under parallel clients: never more than there is, one resolution, one effect for one request.

use futures::future::join_all;
use imagioo_billing::ledger::{Held, Refusal};
use imagioo_types::{Credits, GenerationId, UserId};

use crate::app::{App, Figure, hold, refusal};

#[tokio::test]
async fn b03_sixty_four_clients_reserve_from_ten_and_exactly_ten_succeed() {
    let app = App::start().await;
    let keepers = [app.bookkeeper.clone(), app.another_bookkeeper().await, app.another_bookkeeper().await];
    for round in 0..20 {
        let user = UserId::generate();
        app.grant(user, &format!("pack {round}"), 10).await;
        let clients = (0..64).map(|client| {
            let keeper = keepers[client % keepers.len()].clone();
            async move { keeper.hold(user, hold(&format!("request {client}"), 1)).await }
        });
        let outcomes = join_all(clients).await;
        let refused = Refusal::Insufficient { available: Credits::ZERO, needed: Credits::new(1) };
        let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(succeeded, 10, "round {round}");
        assert!(outcomes.into_iter().filter_map(Result::err).all(|error| refusal(error) == refused));
        assert_eq!(app.wallet(user).await, Figure { available: 0, reserved: 10, debt: 0 });
    }
    app.conserves().await;
}

#[tokio::test]
async fn b04_a_capture_spends_its_part_and_gives_the_rest_back() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let held = app.hold(user, "a", 10).await.expect("held");
    let too_much = app.capture(user, held, 11).await;
    assert_eq!(too_much, Err(Refusal::ExceedsHold { held: Credits::new(10) }));
    assert_eq!(app.wallet(user).await, Figure { available: 0, reserved: 10, debt: 0 });

    let resolution = app.capture(user, held, 7).await.expect("captured");
    assert_eq!((resolution.captured.get(), resolution.given_back.get()), (7, 3));
    assert_eq!(app.wallet(user).await, Figure { available: 3, reserved: 0, debt: 0 });
    assert_eq!(app.booked("spent").await, 7);
    app.conserves().await;
}

#[tokio::test]
async fn b05_repeats_give_the_first_answer_and_opposites_are_refused() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 20).await;
    let captured = app.hold(user, "a", 5).await.expect("held");
    let first = app.capture(user, captured, 4).await;
    assert_eq!(app.capture(user, captured, 4).await, first);
    let already = Refusal::AlreadyCaptured { captured: Credits::new(4), held: Credits::new(5) };
    assert_eq!(app.capture(user, captured, 3).await, Err(already));
    assert_eq!(app.release(user, captured).await, Err(already));

    let released = app.hold(user, "b", 5).await.expect("held");
    let first = app.release(user, released).await;
    assert_eq!(app.release(user, released).await, first);
    assert_eq!(app.capture(user, released, 5).await, Err(Refusal::AlreadyReleased));
    assert_eq!(app.wallet(user).await, Figure { available: 16, reserved: 0, debt: 0 });
    app.conserves().await;
}

#[tokio::test]
async fn b05_thirty_two_mixed_resolutions_at_once_leave_exactly_one() {
    let app = App::start().await;
    let keepers = [app.bookkeeper.clone(), app.another_bookkeeper().await];
    for round in 0..10 {
        let user = UserId::generate();
        app.grant(user, &format!("pack {round}"), 5).await;
        let held = app.hold(user, "a", 5).await.expect("held");
        let clients = (0..32).map(|client| {
            let keeper = keepers[(client / 2) % 2].clone();
            async move {
                match client % 2 {
                    0 => ("capture", keeper.capture(user, held.generation, Credits::new(5)).await),
                    _ => ("release", keeper.release(user, held.generation).await),
                }
            }
        });
        let outcomes = join_all(clients).await;
        let succeeded = |verb| outcomes.iter().filter(|(name, done)| *name == verb && done.is_ok()).count();
        let verbs = (succeeded("capture"), succeeded("release"));
        assert!(verbs == (16, 0) || verbs == (0, 16), "round {round}: {verbs:?}");
        let available = if verbs.0 == 16 { 0 } else { 5 };
        assert_eq!(app.wallet(user).await, Figure { available, reserved: 0, debt: 0 });
    }
    app.conserves().await;
}

#[tokio::test]
async fn b06_one_request_sent_a_hundred_times_at_once_has_one_effect_and_one_answer() {
    let app = App::start().await;
    let keepers = [app.bookkeeper.clone(), app.another_bookkeeper().await];
    let user = UserId::generate();
    app.grant(user, "pack", 100).await;
    let clients = (0..100).map(|client| {
        let keeper = keepers[client % 2].clone();
        async move { keeper.hold(user, hold("the same", 3)).await.expect("held") }
    });
    let answers: Vec<Held> = join_all(clients).await;
    assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
    assert!(answers.iter().all(|answer| answer.generation == answers[0].generation));
    assert_eq!(app.wallet(user).await, Figure { available: 97, reserved: 3, debt: 0 });

    let mut other_body = hold("the same", 3);
    other_body.body_hash = [8; 32];
    let refused = app.bookkeeper.hold(user, other_body).await.map_err(refusal);
    assert_eq!(refused, Err(Refusal::RequestIdReused));
    assert_eq!(app.wallet(user).await, Figure { available: 97, reserved: 3, debt: 0 });
    app.conserves().await;
}

#[tokio::test]
async fn b06_a_repeated_request_is_answered_after_the_hold_ended_and_the_credits_are_gone() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 3).await;
    let first = app.hold(user, "a", 3).await.expect("held");
    app.capture(user, first, 3).await.expect("captured");
    let again = app.hold(user, "a", 3).await.expect("the first answer");
    assert_eq!(again, Held { created: false, ..first });
}

#[tokio::test]
async fn the_same_request_id_of_two_people_are_two_requests() {
    let app = App::start().await;
    let (one, two) = (UserId::generate(), UserId::generate());
    app.grant(one, "one", 5).await;
    app.grant(two, "two", 5).await;
    let first = app.hold(one, "a", 5).await.expect("held");
    let second = app.hold(two, "a", 5).await.expect("held");
    assert!(first.created && second.created);
    let foreign = app.release(two, first).await;
    assert_eq!(foreign, Err(Refusal::NoHold));
}

#[tokio::test]
async fn a_generation_id_that_another_hold_has_is_refused_and_its_neighbours_are_not() {
    let app = App::start().await;
    let (one, two) = (UserId::generate(), UserId::generate());
    app.grant(one, "one", 50).await;
    app.grant(two, "two", 50).await;
    let taken = GenerationId::generate();
    let request = |id: &str, generation| {
        let mut request = hold(id, 1);
        request.generation = generation;
        request
    };
    app.bookkeeper.hold(one, request("first", taken)).await.expect("held");
    let clients = (0..30).map(|client| {
        let generation = if client == 7 { taken } else { GenerationId::generate() };
        let user = if client % 2 == 0 { one } else { two };
        app.bookkeeper.hold(user, request(&format!("request {client}"), generation))
    });
    for (client, outcome) in join_all(clients).await.into_iter().enumerate() {
        match client {
            7 => assert_eq!(outcome.map_err(refusal), Err(Refusal::GenerationTaken)),
            _ => assert!(outcome.is_ok_and(|held| held.created), "{client}"),
        }
    }
    app.conserves().await;
}

#[tokio::test]
async fn fifty_parallel_images_on_credit_for_ten_hold_exactly_ten() {
    let app = App::start().await;
    let user = UserId::generate();
    app.grant(user, "pack", 10).await;
    let clients = (0..50).map(|client| async move { (client, hold(&format!("image {client}"), 1)) });
    let outcomes = join_all(clients.map(|request| async {
        let (_, request) = request.await;
        app.bookkeeper.hold(user, request).await
    }))
    .await;
    let (held, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((held.len(), refused.len()), (10, 40));
    app.conserves().await;
}

#[tokio::test]
async fn a_free_hold_needs_no_wallet_and_ends_like_any_other() {
    let app = App::start().await;
    let user = UserId::generate();
    let held = app.hold(user, "free", 0).await.expect("held");
    assert!(held.created);
    assert!(!app.hold(user, "free", 0).await.expect("the first answer").created);
    app.capture(user, held, 0).await.expect("captured");
    app.conserves().await;
}
