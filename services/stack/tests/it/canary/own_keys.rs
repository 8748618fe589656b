//! Keys that a person brings along for a provider that repeats everything it hears.

use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::provider_key_service_client::ProviderKeyServiceClient;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, KeySource, ListProviderKeysRequest, SetProviderKeyRequest,
};
use imagioo_stack::User;

use super::{Canaries, HOSTILE, signed};

/// Keys that are kept, used and replaced, and some that are none.
pub(super) async fn bring(user: &User, canaries: &mut Canaries) {
    let mut keys = ProviderKeyServiceClient::new(user.channel());
    let mut generations = GenerationServiceClient::new(user.channel());
    let to = |provider: &str, key: String| SetProviderKeyRequest { provider: provider.to_owned(), key };
    let refused = [
        to("indiscreet", format!("{HOSTILE}{}", canaries.hatch("own key that is none"))),
        to("indiscreet", canaries.hatch("own key that is too long").repeat(100)),
        to("sketch", canaries.hatch("own key for nobody")),
        to(&canaries.hatch("own key in the wrong field"), "sk-0123456789".to_owned()),
    ];
    for request in refused {
        keys.set_provider_key(signed(request, user.key())).await.expect_err("refused");
    }
    for (what, model) in [("own key", "echo"), ("second own key", "link")] {
        let key = format!("{}!not-this-end", canaries.hatch(what));
        keys.set_provider_key(signed(to("indiscreet", key), user.key())).await.expect("kept");
        let request = CreateGenerationRequest {
            model: format!("models/{model}"),
            prompt: "a fox".to_owned(),
            wait_seconds: 60,
            ..CreateGenerationRequest::default()
        };
        let created = generations.create_generation(signed(request, user.key())).await.expect("accepted");
        let generation = created.into_inner().generation.expect("a generation");
        assert_eq!(generation.key_source(), KeySource::Own);
        let shown = format!("{generation:?}");
        assert_eq!(canaries.found_in(&shown), [""; 0], "shown: {shown}");
    }
    let listed = keys.list_provider_keys(signed(ListProviderKeysRequest {}, user.key())).await;
    let shown = format!("{:?}", listed.expect("listed").into_inner());
    assert!(shown.contains("-end") && canaries.found_in(&shown).is_empty(), "{shown}");
}
