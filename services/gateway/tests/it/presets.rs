//! Presets: kept in versions, filled into requests, priced, and seen by those only who may see them.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::{CreateGenerationRequest, GenerationSettings, Preset, PresetVisibility};
use imagioo_rpc::Code;

use crate::harness::{App, User, wanted};

mod sharing;

/// A preset of the model `sketch` with words and a seed.
fn oils() -> Preset {
    Preset {
        title: "Oils".to_owned(),
        model: "models/sketch".to_owned(),
        template: "{prompt}, in oils".to_owned(),
        settings: Some(GenerationSettings {
            size: "512x512".to_owned(),
            seed: Some(7),
            ..GenerationSettings::default()
        }),
        ..Preset::default()
    }
}

/// A request that leaves everything but the prompt to a preset.
fn with(preset: &str, prompt: &str) -> CreateGenerationRequest {
    CreateGenerationRequest { model: String::new(), preset: preset.to_owned(), ..wanted(prompt) }
}

async fn listed(user: &User, request: wire::ListPresetsRequest) -> (Vec<String>, String) {
    let page = user.list_presets(request).await.expect("a page");
    (page.presets.into_iter().map(|preset| preset.name).collect(), page.next_page_token)
}

#[tokio::test]
async fn a_preset_is_kept_in_versions_that_never_change() {
    let app = App::start().await;
    let ada = app.user();
    let first = ada.create_preset("oils", oils()).await.expect("made");
    assert_eq!((first.name.as_str(), first.version, first.price), ("presets/oils", 1, Some(5)));
    assert_eq!(first.visibility(), PresetVisibility::Private);
    assert_eq!(ada.create_preset("oils", oils()).await.expect("the same again"), first);
    let other = Preset { title: "Others".to_owned(), ..oils() };
    assert_eq!(ada.create_preset("oils", other).await.expect_err("taken").code(), Code::NameTaken);

    let changed = Preset { template: "{prompt}, in thick oils".to_owned(), ..first.clone() };
    let second = ada.update_preset(changed.clone()).await.expect("changed");
    assert_eq!((second.version, second.template.as_str()), (2, "{prompt}, in thick oils"));
    assert_eq!(ada.update_preset(changed).await.expect("no change, whatever the etag"), second);
    let late = Preset { title: "Late".to_owned(), ..first.clone() };
    assert_eq!(ada.update_preset(late).await.expect_err("changed meanwhile").code(), Code::EtagMismatch);

    assert_eq!(ada.get_preset("presets/oils").await.expect("newest"), second);
    let opened = ada.get_preset("presets/oils@1").await.expect("the first version");
    assert_eq!(opened, first);
    assert_eq!(ada.get_preset("presets/oils@3").await.expect_err("no such version").code(), Code::NotFound);
    app.ends_clean().await;
}

#[tokio::test]
async fn of_many_who_change_the_same_version_one_wins() {
    let app = App::start().await;
    let ada = app.user();
    let makes = (0..6).map(|number| {
        let preset = Preset { title: format!("Oils {number}"), ..oils() };
        let ada = ada.clone();
        async move { ada.create_preset("oils", preset).await }
    });
    let made: Vec<_> = futures::future::join_all(makes).await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 1);
    let changes = (0..6).map(|number| {
        let changed = Preset { title: format!("Changed {number}"), ..made[0].clone() };
        let ada = ada.clone();
        async move { ada.update_preset(changed).await }
    });
    let outcomes = futures::future::join_all(changes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.code(), Code::EtagMismatch, "{error}");
    }
    app.ends_clean().await;
}

#[tokio::test]
async fn every_mistake_in_a_preset_is_named_at_once() {
    let app = App::start().await;
    let ada = app.user();
    let wrong = Preset {
        title: " ".to_owned(),
        template: "in oils".to_owned(),
        operation: wire::Operation::Outpaint.into(),
        ..oils()
    };
    let error = ada.create_preset("oils", wrong).await.expect_err("four mistakes");
    let fields: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!((error.code(), fields.len()), (Code::InvalidArgument, 4), "{error}");
    assert!(fields.contains(&"preset.title") && fields.contains(&"preset.template"), "{error}");
    assert!(fields.contains(&"preset.operation") && fields.contains(&"preset.settings.size"), "{error}");

    let settings = |settings| Preset { settings: Some(settings), ..oils() };
    let low = GenerationSettings { quality: "low".to_owned(), ..GenerationSettings::default() };
    let tiny = GenerationSettings { size: "tiny".to_owned(), ..GenerationSettings::default() };
    for (what, id, preset, field) in [
        ("a name with blanks", "my oils", oils(), "preset_id"),
        ("an unknown model", "oils", Preset { model: "models/none".to_owned(), ..oils() }, "preset.model"),
        ("what the model lacks", "oils", settings(low.clone()), "preset.settings.quality"),
        ("a size that is none", "oils", settings(tiny), "preset.settings.size"),
        ("what no model has", "oils", Preset { model: String::new(), ..settings(low) }, "preset.settings"),
        (
            "two places",
            "oils",
            Preset { template: "{prompt} {prompt}".to_owned(), ..oils() },
            "preset.template",
        ),
        (
            "a control character",
            "oils",
            Preset { template: "{prompt}\u{7}".to_owned(), ..oils() },
            "preset.template",
        ),
    ] {
        let error = ada.create_preset(id, preset).await.expect_err(what);
        assert_eq!(error.code(), Code::InvalidArgument, "{what}: {error}");
        assert_eq!(error.violations()[0].0, field, "{what}: {error}");
    }
    let dear = Preset { surcharge: 1, ..oils() };
    let error = ada.create_preset("oils", dear).await.expect_err("not an operator");
    assert_eq!(
        (error.code(), error.violations()[0].0.as_str()),
        (Code::PermissionDenied, "preset.surcharge")
    );
    assert!(listed(&ada, wire::ListPresetsRequest::default()).await.0.is_empty());
    app.ends_clean().await;
}

#[tokio::test]
async fn a_preset_fills_what_the_request_leaves_out_and_history_says_which_version() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    ada.create_preset("oils", oils()).await.expect("made");
    let settings = GenerationSettings { seed: Some(9), ..GenerationSettings::default() };
    let call = CreateGenerationRequest { settings: Some(settings), ..with("presets/oils", "a fox") };
    let made = ada.ask(call).await.expect("accepted");
    assert_eq!((made.model.as_str(), made.preset.as_str()), ("models/sketch", "presets/oils@1"));
    let job = worker.job().await;
    assert_eq!(job.job.prompt, "a fox, in oils");
    let found = job.job.settings.clone().expect("settings");
    assert_eq!((found.size.as_str(), found.seed), ("512x512", Some(9)), "the request goes before");
    job.deliver_all().await;

    ada.delete_preset("presets/oils").await.expect("deleted");
    assert_eq!(ada.get(&made.name).await.expect("history").preset, "presets/oils@1");
    let opened = ada.get_preset("presets/oils@1").await.expect("history opens");
    assert!(opened.delete_time.is_some());
    assert_eq!(ada.get_preset("presets/oils").await.expect_err("deleted").code(), Code::NotFound);
    for name in ["presets/oils", "presets/oils@1", "presets/none"] {
        let error = ada.ask(with(name, "a fox")).await.expect_err(name);
        assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::NotFound, "preset"));
    }
    let again = ada.create_preset("oils", Preset { title: "New".to_owned(), ..oils() }).await.expect("made");
    assert_eq!(again.version, 2, "a name never counts anew");
    assert_eq!(ada.get_preset("presets/oils@1").await.expect("history").title, "Oils");
    app.ends_clean().await;
}

#[tokio::test]
async fn the_limit_is_for_the_words_of_both_and_leaves_nothing_behind() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    ada.create_preset("oils", oils()).await.expect("made");
    let error = ada.ask(with("presets/oils", &"ü".repeat(31_992))).await.expect_err("too long together");
    assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, "prompt"));
    assert!(error.violations()[0].1.contains("32001"), "{error}");
    let error = ada.ask(with("presets/oils", "a \u{85} fox")).await.expect_err("a control character");
    assert_eq!(error.violations()[0].0, "prompt");
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    ada.ask(with("presets/oils", &"ü".repeat(31_991))).await.expect("the longest");
    worker.job().await.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn what_cannot_be_done_says_when_it_comes_from_the_preset() {
    let app = App::start().await;
    let ada = app.user();
    ada.create_preset("oils", oils()).await.expect("made");
    let other =
        CreateGenerationRequest { model: "models/careful".to_owned(), ..with("presets/oils", "a fox") };
    let error = ada.ask(other).await.expect_err("no seed, another size");
    assert_eq!(error.code(), Code::SettingUnsupported);
    for (field, what) in error.violations() {
        assert!(what.contains("presets/oils@1"), "{field}: {what}");
    }
    let no_model = Preset { model: String::new(), settings: None, ..oils() };
    ada.create_preset("words", no_model).await.expect("made");
    let error = ada.ask(with("presets/words", "a fox")).await.expect_err("which model?");
    assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, "model"));
    let error = ada.ask(with("oils", "a fox")).await.expect_err("no name");
    assert_eq!((error.code(), error.violations()[0].0.as_str()), (Code::InvalidArgument, "preset"));
    assert_eq!((app.billing.calls(), app.count().await), (0, 0));
    app.ends_clean().await;
}
