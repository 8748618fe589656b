//! What a provider can do wrong: retried or failed by rule, credits released, the reason visible; and what others notice.

use std::time::Duration;

use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, Generation, GenerationSettings, GenerationState,
};
use imagioo_stack::User;
use tokio::time::Instant;

use crate::house::{HANG, House, reachable_folder, succeeded};
use crate::provider::{FakeProvider, MODEL, PRICE, RETRY_AFTER};

/// What the prompt has the provider do, the state it ends in, the reason, and how often the provider is asked.
const CASES: [(&str, GenerationState, &str, u32); 11] = [
    ("draw", GenerationState::Succeeded, "", 1),
    ("webp", GenerationState::Succeeded, "", 1),
    ("rate-limit once", GenerationState::Succeeded, "", 2),
    ("refuse", GenerationState::Failed, "CONTENT_POLICY", 1),
    // Nobody can say what these cost, and the deployment's rule is to fail rather than to pay twice.
    ("broken once", GenerationState::Failed, "PROVIDER_UNAVAILABLE", 1),
    ("error in 200", GenerationState::Failed, "PROVIDER_BAD_ANSWER", 1),
    ("not json", GenerationState::Failed, "PROVIDER_BAD_ANSWER", 1),
    ("html", GenerationState::Failed, "PROVIDER_BAD_IMAGE", 1),
    ("truncated", GenerationState::Failed, "PROVIDER_BAD_IMAGE", 1),
    ("none", GenerationState::Failed, "PROVIDER_FEWER_IMAGES", 1),
    ("hang", GenerationState::Failed, "PROVIDER_TIMEOUT", 1),
];

/// The same for other models: four images are wanted, so many are delivered.
const OTHERS: [(&str, &str, i32, usize, &str, u32); 6] = [
    // Asked again because its operator prefers to pay twice, and given up by nobody before that.
    ("repeated", "broken twice", 1, 1, "", 3),
    ("reset", "whatever", 1, 0, "PROVIDER_UNAVAILABLE", 1),
    ("drip", "whatever", 1, 0, "PROVIDER_TIMEOUT", 1),
    ("batch", "draw", 4, 4, "", 1),
    ("batch", "fewer", 4, 3, "PROVIDER_FEWER_IMAGES", 1),
    ("batch", "more", 4, 4, "", 1),
];

/// Longer than a call may take here, with everything around it.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn r43_every_fault_of_a_provider_ends_by_rule_and_costs_what_was_delivered() {
    let (provider, folder) = (FakeProvider::start().await, reachable_folder());
    let mut configs = provider.configs(&folder.path().join("catalogue.toml"));
    // So many faults at once are no reason to wait.
    configs.push(("gateway", "breaker.failures = 1000".parse().expect("TOML")));
    let house = House::with(1, 1, configs).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    for (word, ..) in CASES {
        user.create_with(MODEL, &format!("{word}: a fox"), 1).await.expect("accepted");
    }
    for (model, word, count, ..) in OTHERS {
        let model = format!("models/{model}");
        user.create_with((model.as_str(), MODEL.1), &format!("{word}: {model}"), count)
            .await
            .expect("accepted");
    }
    let all = user.all_ended(HANG).await.expect("everything ends");
    let ended = |prompt: &str| all.iter().find(|generation| generation.prompt == prompt).expect("accepted");
    for (word, state, reason, calls) in CASES {
        let prompt = format!("{word}: a fox");
        let ended = ended(&prompt);
        assert_eq!((ended.state(), said(ended)), (state, reason), "{word}");
        assert_eq!(ended.charge, if state == GenerationState::Succeeded { PRICE } else { 0 }, "{word}");
        assert_eq!(provider.calls(&prompt), calls, "{word}");
    }
    for (model, word, count, images, reason, calls) in OTHERS {
        let prompt = format!("{word}: models/{model}");
        let ended = ended(&prompt);
        assert_eq!((ended.images.len(), said(ended)), (images, reason), "{prompt}");
        assert_eq!(
            (ended.price, ended.charge),
            (PRICE * i64::from(count), PRICE * images as i64),
            "{prompt}"
        );
        assert_eq!(provider.calls(&prompt), calls, "{prompt}");
    }
    let asked = provider.times("rate-limit once: a fox");
    assert!(asked[1] - asked[0] >= RETRY_AFTER, "left alone for {:?} only", asked[1] - asked[0]);
    for generation in &all {
        assert!(took(generation) < ENDS_WITHIN, "{:?}: {generation:?}", took(generation));
    }
    assert_eq!(house.settled(&user, credits).await, 7);
    house.stop().await;
}

/// Why it failed, or why images are missing.
fn said(generation: &Generation) -> &str {
    generation.failure.as_ref().map_or("", |failure| failure.reason.as_str())
}

/// From its creation to its end.
fn took(generation: &Generation) -> Duration {
    let end = generation.end_time.as_ref().expect("it has ended");
    let begin = generation.create_time.as_ref().expect("it was accepted");
    let millis = (end.seconds - begin.seconds) * 1000 + i64::from(end.nanos - begin.nanos) / 1_000_000;
    Duration::from_millis(u64::try_from(millis).expect("time passes"))
}

/// Measured before and while another deployment fails.
const SAMPLES: usize = 15;
/// What nobody would call slower on a busy machine.
const NOISE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn r44_a_deployment_that_is_down_is_left_alone_and_no_other_is_slower_for_it() {
    let (provider, folder) = (FakeProvider::start().await, reachable_folder());
    let house = House::with(1, 1, provider.configs(&folder.path().join("catalogue.toml"))).await;
    let (user, unlucky) = (house.user().await, house.user().await);
    let before = median(&user).await;
    let asked = (0..100).map(|number| {
        let prompt = format!("unlucky {number}");
        let unlucky = &unlucky;
        async move { unlucky.create_with(("models/reset", MODEL.1), &prompt, 1).await.map(|_| prompt) }
    });
    let prompts = futures::future::try_join_all(asked).await.expect("accepted");
    let calls = || prompts.iter().map(|prompt| provider.calls(prompt)).sum::<u32>();
    house.until("it fails", async || calls() >= 5).await;
    let down = median(&user).await;
    assert!(down <= before * 2 + NOISE, "{down:?} instead of {before:?}");
    // Those in flight when the fifth call failed, and a probe now and then.
    assert!(calls() < 60, "asked {} times although it is down", calls());
    let waiting = unlucky.generations().await.expect("a list");
    assert!(waiting.iter().any(|generation| !imagioo_stack::ended(generation.state())), "they wait for it");
    house.stop().await;
}

/// How long an image takes, as a rule.
async fn median(user: &User) -> Duration {
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        times.push(timed(user, MODEL).await);
    }
    times.sort();
    times[SAMPLES / 2]
}

/// How long one call takes that waits for its image.
pub async fn timed(user: &User, (model, size): (&str, &str)) -> Duration {
    let settings = GenerationSettings { size: size.to_owned(), ..GenerationSettings::default() };
    let wanted = CreateGenerationRequest {
        model: model.to_owned(),
        prompt: "draw: a fox in no hurry".to_owned(),
        settings: Some(settings),
        count: 1,
        wait_seconds: 60,
        ..CreateGenerationRequest::default()
    };
    let (began, mut generations) = (Instant::now(), GenerationServiceClient::new(user.channel()));
    let mut request = user.says(wanted).expect("a key");
    request.set_timeout(HANG);
    let answer = generations.create_generation(request).await.expect("nobody is refused");
    let generation = answer.into_inner().generation.expect("a generation");
    assert!(succeeded(&generation), "{generation:?}");
    began.elapsed()
}
