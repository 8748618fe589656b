//! What is refused is refused with a reason and a field, before anything is held or stored.

use imagioo_proto::generation::v1::image_input::Source;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, EstimateGenerationRequest, GenerationSettings, ImageInput, Operation,
};
use imagioo_rpc::{Code, RpcError, page};
use imagioo_types::{ApiKeyId, Credential, GenerationId, ImageId, SessionId};
use time::Duration;

use crate::harness::{App, wanted};

/// What is wrong, and the reason and field of the refusal.
type Case = (&'static str, CreateGenerationRequest, Code, &'static str);

fn bad_calls() -> Vec<Case> {
    let with = |settings| CreateGenerationRequest { settings: Some(settings), ..wanted("a fox") };
    let sized = |size: &str| with(GenerationSettings { size: size.into(), ..GenerationSettings::default() });
    let seeded = |seed| with(GenerationSettings { seed: Some(seed), ..GenerationSettings::default() });
    let formed = |format| with(GenerationSettings { format, ..GenerationSettings::default() });
    let model = |name: &str| CreateGenerationRequest { model: name.into(), ..wanted("a fox") };
    let count = |count| CreateGenerationRequest { count, ..wanted("a fox") };
    let pays = |credits| CreateGenerationRequest { max_credits: Some(credits), ..wanted("a fox") };
    let waits = |seconds| CreateGenerationRequest { wait_seconds: seconds, ..wanted("a fox") };
    let id = |id: &str| CreateGenerationRequest { request_id: id.into(), ..wanted("a fox") };
    let careful = |settings| CreateGenerationRequest { model: "models/careful".into(), ..with(settings) };
    let quality = GenerationSettings { quality: "low".into(), ..GenerationSettings::default() };
    vec![
        ("an empty prompt", wanted(""), Code::InvalidArgument, "prompt"),
        ("a blank prompt", wanted(" \n\t "), Code::InvalidArgument, "prompt"),
        ("a long prompt", wanted(&"ü".repeat(32_001)), Code::InvalidArgument, "prompt"),
        ("a control character", wanted("a \u{7} fox"), Code::InvalidArgument, "prompt"),
        ("a high control character", wanted("a \u{85} fox"), Code::InvalidArgument, "prompt"),
        ("a NUL", wanted("a \0 fox"), Code::InvalidArgument, "prompt"),
        ("no model", model(""), Code::InvalidArgument, "model"),
        ("an unknown model", model("models/none"), Code::ModelUnknown, "model"),
        ("a model without its prefix", model("sketch"), Code::ModelUnknown, "model"),
        (
            "an unknown operation",
            CreateGenerationRequest { operation: 99, ..wanted("a fox") },
            Code::InvalidArgument,
            "operation",
        ),
        ("an unsupported size", sized("7x7"), Code::SettingUnsupported, "settings.size"),
        ("a size of nothing", sized("1024x1024\0"), Code::InvalidArgument, "settings.size"),
        ("a long size", sized("1024x1024x1024x1024x1024"), Code::InvalidArgument, "settings.size"),
        ("a quality of another model", with(quality.clone()), Code::SettingUnsupported, "settings.quality"),
        ("an unknown quality", careful(quality), Code::SettingUnsupported, "settings.quality"),
        ("an unsupported format", formed(3), Code::SettingUnsupported, "settings.format"),
        ("an unknown format", formed(9), Code::InvalidArgument, "settings.format"),
        ("a negative seed", seeded(-1), Code::InvalidArgument, "settings.seed"),
        ("a large seed", seeded(1 << 32), Code::InvalidArgument, "settings.seed"),
        (
            "a seed where none is",
            careful(GenerationSettings { seed: Some(1), ..GenerationSettings::default() }),
            Code::SettingUnsupported,
            "settings.seed",
        ),
        ("too many images", count(5), Code::SettingUnsupported, "count"),
        ("far too many images", count(101), Code::InvalidArgument, "count"),
        ("fewer than no images", count(-1), Code::InvalidArgument, "count"),
        ("too little to pay", pays(4), Code::PriceAboveLimit, "max_credits"),
        ("less than nothing to pay", pays(-1), Code::InvalidArgument, "max_credits"),
        ("a long wait", waits(301), Code::InvalidArgument, "wait_seconds"),
        ("a wait back in time", waits(-1), Code::InvalidArgument, "wait_seconds"),
        ("a long request id", id(&"x".repeat(101)), Code::InvalidArgument, "request_id"),
        ("a request id that no database stores", id("a\0b"), Code::InvalidArgument, "request_id"),
        ("a request id of two lines", id("a\nb"), Code::InvalidArgument, "request_id"),
    ]
}

#[tokio::test]
async fn every_bad_call_is_refused_by_field_and_leaves_neither_hold_nor_row() {
    let app = App::start().await;
    let ada = app.user();
    for (what, call, code, field) in bad_calls() {
        let error = ada.ask(call).await.expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        let fields: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, [field], "{what}: {error}");
        assert!(!error.violations()[0].1.is_empty() && !error.message().is_empty(), "{what}: {error}");
    }
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    app.ends_clean().await;
}

#[tokio::test]
async fn every_unsupported_setting_is_named_in_one_answer_and_estimates_say_the_same() {
    let app = App::start().await;
    let ada = app.user();
    let settings = GenerationSettings {
        size: "7x7".to_owned(),
        quality: "high".to_owned(),
        format: 3,
        ..GenerationSettings::default()
    };
    let call = CreateGenerationRequest { settings: Some(settings.clone()), count: 9, ..wanted("a fox") };
    let created = ada.ask(call).await.expect_err("four problems");
    let fields: Vec<_> = created.violations().iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["settings.size", "settings.quality", "settings.format", "count"]);
    let request = EstimateGenerationRequest {
        model: "models/sketch".to_owned(),
        settings: Some(settings),
        count: 9,
        ..EstimateGenerationRequest::default()
    };
    let estimated = ada.generations().estimate_generation(ada.says(request)).await.expect_err("the same");
    assert_eq!(RpcError::from(estimated).violations(), created.violations());
    app.ends_clean().await;
}

/// What is asked for, and the models that would take it.
fn unsupported() -> Vec<(&'static str, CreateGenerationRequest, &'static str)> {
    let narrow = || CreateGenerationRequest { model: "models/narrow".into(), ..wanted("a fox") };
    let with = |model: &str, settings| CreateGenerationRequest {
        model: model.into(),
        settings: Some(settings),
        ..wanted("a fox")
    };
    let nothing = GenerationSettings::default;
    let picture = || ImageInput { source: Some(Source::Image(ImageId::generate().name())) };
    let upscale = Operation::Upscale.into();
    vec![
        (
            "an operation",
            CreateGenerationRequest { operation: upscale, references: vec![picture()], ..narrow() },
            "models/sketch",
        ),
        (
            "a size",
            with("models/narrow", GenerationSettings { size: "512x512".into(), ..nothing() }),
            "models/sketch",
        ),
        ("a format", with("models/sketch", GenerationSettings { format: 3, ..nothing() }), "models/careful"),
        (
            "a setting",
            with("models/careful", GenerationSettings { seed: Some(1), ..nothing() }),
            "models/sketch",
        ),
        ("a count", CreateGenerationRequest { count: 3, ..narrow() }, "models/sketch,models/routed"),
        (
            "a number of references",
            CreateGenerationRequest { references: [(); 3].map(|()| picture()).into(), ..wanted("a fox") },
            "",
        ),
    ]
}

#[tokio::test]
async fn whatever_a_model_cannot_do_is_refused_with_the_models_that_would_take_the_same() {
    let app = App::start().await;
    let ada = app.user();
    for (what, call, able) in unsupported() {
        let error = ada.ask(call.clone()).await.expect_err(what);
        assert_eq!(error.code(), Code::SettingUnsupported, "{what}: {error}");
        let named = error.details().get("models").cloned().unwrap_or_default();
        assert_eq!(named, able, "{what}: {error}");
        for model in able.split(',') {
            assert!(error.message().contains(model), "{what}: {error}");
        }
        let first = able.split(',').next().filter(|model| !model.is_empty());
        let Some(first) = first else { continue };
        // The picture is nobody's: the refusal is about the model no longer.
        let retried = ada.ask(CreateGenerationRequest { model: first.to_owned(), ..call.clone() }).await;
        let passes = retried.map_err(|error| error.code());
        assert!(matches!(passes, Ok(_) | Err(Code::NotFound)), "{what}: {passes:?}");
    }
    let drawn = serde_json::json!({ "model": "sketch", "prompt": "a fox", "output_format": "webp" });
    let refused = app.program(&ada).draw(drawn).await;
    assert!(refused.body.contains("these can: models/careful"), "{}", refused.body);
    app.worker_for("careful", "w1").await.work_off(1).await;
    app.worker("w2").await.work_off(3).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn the_longest_prompt_is_accepted() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let prompt = "ü".repeat(32_000);
    ada.create(&prompt).await;
    let job = worker.job().await;
    assert_eq!(job.job.prompt, prompt);
    job.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn what_billing_refuses_is_told_as_billing_says_it_and_leaves_no_row() {
    let app = App::start().await;
    let ada = app.user();
    for code in [Code::InsufficientCredits, Code::WalletFrozen, Code::InDebt] {
        app.billing.refuse(code);
        let error = ada.ask(wanted("a fox")).await.expect_err("refused");
        assert_eq!(error.code(), code);
        assert_eq!(error.details()["available"], "0");
    }
    assert_eq!(app.count().await, 0);
    app.ends_clean().await;
}

#[tokio::test]
async fn names_that_are_none_are_invalid_and_say_what_a_name_looks_like() {
    let app = App::start().await;
    let ada = app.user();
    let image = ImageId::generate().name();
    for name in ["", "gen_0", "generations/", "generations/gen_nope", &image, "generations/gen_\0"] {
        for error in
            [ada.get(name).await.err(), ada.cancel(name).await.err(), ada.try_watch(name).await.err()]
        {
            assert_no_name(name, error, "generations/gen_…");
        }
    }
    let generation = GenerationId::generate().name();
    for name in ["", "images/img_nope", &generation] {
        for error in [ada.get_image(name).await.err(), ada.download(name, 0).await.err()] {
            assert_no_name(name, error, "images/img_…");
        }
    }
    let long = "x".repeat(101);
    assert_eq!(ada.get(&long).await.expect_err("too long").violations()[0].0, "name");
    app.ends_clean().await;
}

fn assert_no_name(name: &str, error: Option<RpcError>, form: &str) {
    let error = error.unwrap_or_else(|| panic!("{name:?} was accepted"));
    assert_eq!(error.code(), Code::InvalidArgument, "{name:?}: {error}");
    assert_eq!(error.violations()[0].0, "name", "{name:?}: {error}");
    assert!(error.violations()[0].1.contains(form), "{name:?}: {error}");
}

#[tokio::test]
async fn page_tokens_and_sizes_that_are_none_are_invalid() {
    let app = App::start().await;
    let ada = app.user();
    let foreign = page::encode(&("not", "a", "position")).expect("a token");
    for (size, token, field) in [
        (10, "%%", "page_token"),
        (10, "bm90IGpzb24", "page_token"),
        (10, foreign.as_str(), "page_token"),
        (201, "", "page_size"),
        (-1, "", "page_size"),
    ] {
        let errors = [
            ada.list(size, token).await.expect_err("refused"),
            ada.list_images(size, token).await.expect_err("refused"),
        ];
        for error in errors {
            assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, field));
        }
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn a_message_over_four_mebibytes_is_refused_before_it_is_read() {
    let app = App::start().await;
    let ada = app.user();
    let error = ada.ask(wanted(&"x".repeat(5 << 20))).await.expect_err("too large");
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    app.ends_clean().await;
}

#[tokio::test]
async fn without_valid_credentials_nothing_is_done_and_the_reason_is_told() {
    let app = App::start().await;
    let ada = app.user();
    let elsewhere = app.account.forged(ada.id);
    let token = |credential, life| app.account.token(ada.id, credential, life);
    let session = Credential::Session(SessionId::generate());
    let expired = token(session, -Duration::minutes(10));
    let revoked = ApiKeyId::generate();
    app.account.revoke_key(revoked);
    let revoked = token(Credential::ApiKey(revoked), Duration::minutes(5));
    let (head, tail) = ada.credential.rsplit_once('.').expect("a signature");
    let tampered = format!("{head}.{}", tail.chars().rev().collect::<String>());
    for (what, credential, code) in [
        ("garbage", "garbage", Code::Unauthenticated),
        ("half a token", head, Code::Unauthenticated),
        ("another signature", &tampered, Code::Unauthenticated),
        ("another signer", &elsewhere, Code::Unauthenticated),
        ("no algorithm", "eyJhbGciOiJub25lIn0.e30.", Code::Unauthenticated),
        ("an expired token", &expired, Code::TokenExpired),
        ("an unknown API key", "img_live_0_0", Code::ApiKeyInvalid),
    ] {
        let error = ada.with(credential).ask(wanted("a fox")).await.expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    let error = ada.with(&revoked).until_refused().await;
    assert_eq!(error.code(), Code::TokenRevoked);
    for header in [None, Some("Basic YTpi"), Some("Bearer "), Some("bearer x")] {
        let mut request = tonic::Request::new(wanted("a fox"));
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().expect("text"));
        }
        let status = ada.generations().create_generation(request).await.expect_err("no token");
        assert_eq!(RpcError::from(status).code(), Code::Unauthenticated, "{header:?}");
    }
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    app.ends_clean().await;
}
