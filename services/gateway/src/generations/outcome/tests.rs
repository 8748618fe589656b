use imagioo_picture::{Format, Operation, Settings};
use imagioo_types::{ImageId, Prompt, Wording};

use super::*;

const RETRIES: Retries =
    Retries { attempts: 3, takeovers: 5, backoff_base_seconds: 2, backoff_cap_seconds: 60, per_second: 20 };

fn generation(count: i32) -> Generation {
    let created_at = OffsetDateTime::UNIX_EPOCH;
    Generation {
        id: GenerationId::generate(),
        owner: UserId::generate(),
        request_id: "r".to_owned(),
        body_hash: vec![0; 32],
        state: State::Running,
        version: 3,
        model: "models/sketch".to_owned(),
        operation: Operation::TextToImage,
        settings: Settings::default(),
        count,
        wording: Wording::of(Prompt::parse("a fox".to_owned()).expect("valid")),
        inputs: Vec::new(),
        parent: None,
        route: Vec::new(),
        provider_key: None,
        preset: None,
        deployment: "sketch".to_owned(),
        catalogue_version: "1".to_owned(),
        price: Credits::new(i64::from(count) * 5),
        charge: None,
        attempt: 1,
        failure: None,
        cancel_requested: false,
        deadline: created_at + Duration::hours(1),
        created_at,
        dispatched_at: None,
        started_at: None,
        ended_at: None,
    }
}

fn images(generation: &Generation, count: i32) -> Vec<Image> {
    (0..count)
        .map(|index| Image {
            id: ImageId::generate(),
            generation: Some(generation.id),
            owner: generation.owner,
            index,
            object_key: index.to_string(),
            format: Format::Png,
            width: 8,
            height: 8,
            size_bytes: 1,
            sha256: vec![0; 32],
            seed: None,
            created_at: generation.created_at,
        })
        .collect()
}

fn at(unknown_outcome: UnknownOutcome) -> Circumstances<'static> {
    Circumstances {
        retries: &RETRIES,
        unknown_outcome,
        elsewhere: None,
        now: OffsetDateTime::UNIX_EPOCH,
        luck: 0.5,
    }
}

fn retry(charged: bool) -> Report {
    Report::Retry { cause: Failure::new("PROVIDER_UNAVAILABLE", "it is down"), not_before: None, charged }
}

fn ended(outcome: &Outcome) -> (State, i64) {
    match &outcome.ending {
        Ending::End { state, charge, .. } => (*state, charge.get()),
        Ending::Requeue { .. } => (State::Queued, 0),
    }
}

#[test]
fn three_of_four_images_cost_three_and_say_why_one_is_missing() {
    let four = generation(4);
    let outcome = decide(&four, images(&four, 3), Report::Complete, &at(UnknownOutcome::Fail));
    assert_eq!(ended(&outcome), (State::Succeeded, 15));
    assert_eq!(outcome.failure.expect("a shortfall").reason, "FEWER_IMAGES");
}

#[test]
fn nothing_delivered_costs_nothing_whatever_the_provider_says() {
    let one = generation(1);
    for report in [Report::Complete, Report::Cancelled, Report::Failed(Failure::new("X", "x"))] {
        let (state, charge) = ended(&decide(&one, Vec::new(), report, &at(UnknownOutcome::Fail)));
        assert_ne!(state, State::Succeeded);
        assert_eq!(charge, 0);
    }
}

#[test]
fn an_uncharged_failure_is_tried_again_until_the_budget_is_spent() {
    let mut tried = generation(1);
    for attempt in 1..=2 {
        tried.attempt = attempt;
        let outcome = decide(&tried, Vec::new(), retry(false), &at(UnknownOutcome::Fail));
        assert_eq!(ended(&outcome).0, State::Queued);
    }
    tried.attempt = 3;
    let outcome = decide(&tried, Vec::new(), retry(false), &at(UnknownOutcome::Fail));
    assert_eq!(ended(&outcome), (State::Failed, 0));
}

#[test]
fn a_failure_that_may_have_been_charged_follows_the_deployments_rule() {
    let one = generation(1);
    let fail = decide(&one, Vec::new(), retry(true), &at(UnknownOutcome::Fail));
    assert_eq!(ended(&fail).0, State::Failed);
    let repeat = decide(&one, Vec::new(), retry(true), &at(UnknownOutcome::Repeat));
    assert_eq!(ended(&repeat).0, State::Queued);
}

#[test]
fn a_retry_waits_as_long_as_the_provider_asks_and_never_past_the_deadline() {
    let one = generation(1);
    let asked = OffsetDateTime::UNIX_EPOCH + Duration::seconds(7);
    let report = Report::Retry { cause: Failure::new("X", "x"), not_before: Some(asked), charged: false };
    let outcome = decide(&one, Vec::new(), report, &at(UnknownOutcome::Fail));
    let waits = asked + Duration::seconds(2);
    assert!(
        matches!(outcome.ending, Ending::Requeue { not_before: Some(at), .. } if at == waits),
        "not all at once"
    );

    let too_late = Some(one.deadline + Duration::seconds(1));
    let report = Report::Retry { cause: Failure::new("X", "x"), not_before: too_late, charged: false };
    assert_eq!(ended(&decide(&one, Vec::new(), report, &at(UnknownOutcome::Fail))).0, State::Failed);
}

#[test]
fn delivered_images_are_kept_and_charged_when_the_attempt_then_fails_or_is_cancelled() {
    let two = generation(2);
    for report in [retry(false), Report::Cancelled, Report::Failed(Failure::new("X", "x"))] {
        let outcome = decide(&two, images(&two, 1), report, &at(UnknownOutcome::Repeat));
        assert_eq!(ended(&outcome), (State::Succeeded, 5));
        assert!(outcome.failure.is_some());
    }
}

#[test]
fn a_cancelled_generation_is_not_tried_again() {
    let mut cancelled = generation(1);
    cancelled.cancel_requested = true;
    let outcome = decide(&cancelled, Vec::new(), retry(false), &at(UnknownOutcome::Repeat));
    assert_eq!(ended(&outcome), (State::Cancelled, 0));
}

/// Where a thousand generations that fail at once are tried again: no tenth of the time has three times its part.
#[test]
fn r45_a_thousand_that_fail_at_once_come_back_in_no_wave() {
    for attempt in 1..RETRIES.attempts {
        let mut bins = [0_u32; 10];
        let ceiling = f64::from(RETRIES.backoff_base_seconds) * 2_f64.powi(attempt);
        for _ in 0..1_000 {
            let luck = Circumstances { luck: rand::random(), ..at(UnknownOutcome::Fail) };
            let failed = Generation { attempt, ..generation(1) };
            let outcome = decide(&failed, Vec::new(), retry(false), &luck);
            let Ending::Requeue { not_before: Some(again), .. } = outcome.ending else {
                panic!("{outcome:?}")
            };
            let share = (again - luck.now).as_seconds_f64() / ceiling;
            bins[((share * 10.0) as usize).min(9)] += 1;
        }
        assert!(bins.iter().all(|bin| *bin < 300), "{bins:?}");
    }
}
