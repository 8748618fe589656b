//! What a provider can do wrong: retried or failed by rule, credits released, the reason visible.

use imagioo_proto::generation::v1::GenerationState;

use crate::house::{HANG, House, reachable_folder};
use crate::provider::{FakeProvider, MODEL, PRICE};

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

#[tokio::test]
async fn r43_every_fault_of_a_provider_ends_by_rule_and_costs_what_was_delivered() {
    let (provider, folder) = (FakeProvider::start().await, reachable_folder());
    let house = House::with(1, 1, provider.configs(&folder.path().join("catalogue.toml"))).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    for (word, ..) in CASES {
        user.create_with(MODEL, &format!("{word}: a fox"), 1).await.expect("accepted");
    }
    let all = user.all_ended(HANG).await.expect("everything ends");
    for (word, state, reason, calls) in CASES {
        let prompt = format!("{word}: a fox");
        let ended = all.iter().find(|generation| generation.prompt == prompt).expect("it was accepted");
        let said = ended.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        assert_eq!((ended.state(), said), (state, reason), "{word}");
        assert_eq!(ended.charge, if state == GenerationState::Succeeded { PRICE } else { 0 }, "{word}");
        assert_eq!(provider.calls(&prompt), calls, "{word}");
    }
    assert_eq!(house.settled(&user, credits).await, 3);
    house.stop().await;
}
