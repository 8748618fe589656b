//! Bad input: each a typed error that names the field, and nothing held or stored.

use futures::future::join_all;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_proto::generation::v1::image_service_client::ImageServiceClient;
use imagioo_proto::generation::v1::{
    CancelGenerationRequest, CreateGenerationRequest, DownloadImageRequest, GenerationSettings,
    GetGenerationRequest, GetImageRequest,
};
use imagioo_rpc::{Code, RpcError};
use imagioo_stack::User;

use crate::house::House;

fn wanted(prompt: &str) -> CreateGenerationRequest {
    CreateGenerationRequest {
        model: "models/sketch".to_owned(),
        prompt: prompt.to_owned(),
        ..CreateGenerationRequest::default()
    }
}

fn sized(size: &str) -> CreateGenerationRequest {
    let settings = GenerationSettings { size: size.to_owned(), ..GenerationSettings::default() };
    CreateGenerationRequest { settings: Some(settings), ..wanted("a fox") }
}

/// What a call is refused with: its reason, and the fields that are to blame.
async fn refusal(user: &User, wanted: CreateGenerationRequest) -> (Code, Vec<String>) {
    let mut generations = GenerationServiceClient::new(user.channel());
    let answer = generations.create_generation(user.says(wanted).expect("a key")).await;
    let error = RpcError::from(answer.expect_err("refused"));
    (error.code(), error.violations().iter().map(|(field, _)| field.clone()).collect())
}

#[tokio::test]
async fn bad_input_is_refused_by_name_and_leaves_nothing() {
    let house = House::start(1, 1).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let many = |count| CreateGenerationRequest { count, ..wanted("a fox") };
    let model = CreateGenerationRequest { model: "models/nothing".to_owned(), ..wanted("a fox") };
    let dear = CreateGenerationRequest { max_credits: Some(0), ..wanted("a fox") };
    let waiting = CreateGenerationRequest { wait_seconds: 301, ..wanted("a fox") };
    let huge = wanted(&"x".repeat(5 * 1024 * 1024));
    let table = [
        ("an empty prompt", wanted(""), Code::InvalidArgument, "prompt"),
        ("32,001 characters", wanted(&"狐".repeat(32_001)), Code::InvalidArgument, "prompt"),
        ("a control character", wanted("a fox\u{7}"), Code::InvalidArgument, "prompt"),
        ("a carriage return", wanted("a fox\r\n"), Code::InvalidArgument, "prompt"),
        ("an unknown model", model, Code::ModelUnknown, "model"),
        ("a size the model lacks", sized("7x7"), Code::SettingUnsupported, "settings.size"),
        ("a size that is none", sized(&"9".repeat(21)), Code::InvalidArgument, "settings.size"),
        ("more than the model makes", many(5), Code::SettingUnsupported, "count"),
        ("more than anybody makes", many(101), Code::InvalidArgument, "count"),
        ("less than nothing", many(-1), Code::InvalidArgument, "count"),
        ("above the own limit", dear, Code::PriceAboveLimit, "max_credits"),
        ("too long a wait", waiting, Code::InvalidArgument, "wait_seconds"),
    ];
    for (name, wanted, code, field) in table {
        assert_eq!(refusal(&user, wanted).await, (code, vec![field.to_owned()]), "{name}");
    }
    assert_eq!(refusal(&user, huge).await.0, Code::InvalidArgument, "a message that is too long");
    let nothing: Vec<imagioo_proto::generation::v1::Generation> = Vec::new();
    assert_eq!(user.generations().await.expect("a list"), nothing, "nothing is stored");
    assert_eq!(user.balance().await.expect("a balance").available, credits, "nothing is held");
    // What is allowed is no less allowed for being at the edge.
    user.create(&"狐".repeat(32_000), 4).await.expect("32,000 characters and the model's most images");
    user.create("two\nlines\tand a tab", 1).await.expect("line feed and tab");
    house.settled(&user, credits).await;
    house.stop().await;
}

#[tokio::test]
async fn only_the_owner_of_a_living_key_gets_anything() {
    let house = House::start(1, 1).await;
    let (owner, other) = (house.user().await, house.user().await);
    let created = owner.create("mine", 1).await.expect("accepted");
    let all = owner.all_ended(crate::house::HANG).await.expect("made");
    let image = all[0].images[0].name.clone();
    let mut generations = GenerationServiceClient::new(other.channel());
    let mut images = ImageServiceClient::new(other.channel());
    for name in [created.name.as_str(), "generations/gen_00000000000000000000000000000000"] {
        let get = other.says(GetGenerationRequest { name: name.to_owned() }).expect("a key");
        let error = RpcError::from(generations.get_generation(get).await.expect_err("not theirs"));
        assert_eq!(error.code(), Code::NotFound, "{name}");
        let cancel = other.says(CancelGenerationRequest { name: name.to_owned() }).expect("a key");
        let error = RpcError::from(generations.cancel_generation(cancel).await.expect_err("not theirs"));
        assert_eq!(error.code(), Code::NotFound, "{name}");
    }
    let malformed = other.says(GetGenerationRequest { name: "generations/x".to_owned() }).expect("a key");
    let error = RpcError::from(generations.get_generation(malformed).await.expect_err("no name"));
    assert_eq!(error.code(), Code::InvalidArgument);
    let get = other.says(GetImageRequest { name: image.clone() }).expect("a key");
    let error = RpcError::from(images.get_image(get).await.expect_err("not theirs"));
    assert_eq!(error.code(), Code::NotFound);
    let download = other.says(DownloadImageRequest { name: image, offset: 0 }).expect("a key");
    let error = match images.download_image(download).await {
        Ok(parts) => RpcError::from(parts.into_inner().message().await.expect_err("not theirs")),
        Err(status) => RpcError::from(status),
    };
    assert_eq!(error.code(), Code::NotFound);
    for key in ["img_live_nonsense", &format!("{}x", owner.key())] {
        assert_eq!(refusal(&owner.with_key(key), wanted("a fox")).await.0, Code::ApiKeyInvalid, "{key}");
    }
    assert_eq!(refusal(&owner.with_key("nonsense"), wanted("a fox")).await.0, Code::Unauthenticated);
    owner.revoke_key().await.expect("revoked");
    // Within five seconds everywhere; until then it may still be accepted.
    let dead = async || {
        let mut generations = GenerationServiceClient::new(owner.channel());
        let answer = generations.create_generation(owner.says(wanted("a fox")).expect("a key")).await;
        let code = answer.err().map(|status| RpcError::from(status).code());
        matches!(code, Some(Code::ApiKeyInvalid | Code::TokenRevoked))
    };
    house.until("the key is dead", dead).await;
    house.stop().await;
}

#[tokio::test]
async fn fifty_at_once_with_credits_for_ten_are_ten() {
    let grant = "registration = { credits = 10 }".parse().expect("TOML");
    let house = House::with(2, 1, vec![("billing", grant)]).await;
    let user = house.user().await;
    let prompts: Vec<_> = (0..50).map(|number| format!("fox {number}")).collect();
    let asked = join_all(prompts.iter().map(|prompt| user.create(prompt, 1))).await;
    let refused: Vec<_> = asked.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 40, "{refused:?}");
    assert!(refused.iter().all(|error| format!("{error:#}").contains("credits")), "{refused:?}");
    assert_eq!(house.settled(&user, 10).await, 10);
    assert_eq!(user.balance().await.expect("a balance").available, 0);
    house.stop().await;
}

#[tokio::test]
async fn one_request_id_is_one_generation_whatever_is_sent_with_it() {
    let house = House::start(2, 1).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let same = CreateGenerationRequest { request_id: "mine".to_owned(), ..wanted("a fox") };
    let repeated = join_all((0..20).map(|_| async {
        let mut generations = GenerationServiceClient::new(user.channel());
        let answer = generations.create_generation(user.says(same.clone()).expect("a key")).await?;
        Ok::<_, tonic::Status>(answer.into_inner().generation.expect("a generation").name)
    }))
    .await;
    let names: std::collections::BTreeSet<_> =
        repeated.into_iter().map(|name| name.expect("accepted")).collect();
    assert_eq!(names.len(), 1);
    let other = CreateGenerationRequest { prompt: "another fox".to_owned(), ..same };
    assert_eq!(refusal(&user, other).await.0, Code::RequestIdReused);
    assert_eq!(house.settled(&user, credits).await, 1);
    house.stop().await;
}
