//! Who sees and changes which preset, what a shared one costs, and what becomes of one whose model is gone.

use imagioo_proto::generation::v1 as wire;
use imagioo_proto::generation::v1::preset_admin_service_client::PresetAdminServiceClient;
use imagioo_proto::generation::v1::{
    CreateGenerationRequest, CreateSharedPresetRequest, EstimateGenerationRequest, GenerationState, Preset,
    PresetVisibility, RunGenerationAgainRequest,
};
use imagioo_rpc::{Channel, Code, RpcError};
use imagioo_types::ServiceName;

use super::{listed, oils, with};
use crate::harness::App;

fn operator(app: &App) -> PresetAdminServiceClient<Channel> {
    PresetAdminServiceClient::new(app.public_as(ServiceName::Operator, ServiceName::Gateway))
}

async fn share(app: &App, id: &str, preset: Preset) -> Preset {
    let request = CreateSharedPresetRequest { preset_id: id.to_owned(), preset: Some(preset) };
    let answer = operator(app).create_shared_preset(request).await.expect("shared");
    answer.into_inner().preset.expect("a preset")
}

#[tokio::test]
async fn a_shared_preset_has_a_surcharge_that_is_charged_for_every_delivered_image() {
    let app = App::start().await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let shared = share(&app, "oils", Preset { surcharge: 2, ..oils() }).await;
    assert_eq!((shared.name.as_str(), shared.price), ("sharedPresets/oils", Some(7)));
    assert_eq!(shared.visibility(), PresetVisibility::Shared);
    assert_eq!(ada.get_preset("sharedPresets/oils").await.expect("everybody's"), shared);
    let estimate = EstimateGenerationRequest {
        preset: "sharedPresets/oils".to_owned(),
        count: 2,
        ..EstimateGenerationRequest::default()
    };
    let estimate = ada.generations().estimate_generation(ada.says(estimate)).await.expect("estimated");
    assert_eq!(estimate.into_inner().price, 14);

    let call = CreateGenerationRequest { count: 2, ..with("sharedPresets/oils", "a fox") };
    let tight = CreateGenerationRequest { max_credits: Some(13), ..call.clone() };
    assert_eq!(ada.ask(tight).await.expect_err("too dear").code(), Code::PriceAboveLimit);
    let made = ada.ask(call).await.expect("accepted");
    assert_eq!((made.price, made.preset.as_str()), (14, "sharedPresets/oils@1"));
    worker.job().await.deliver(1).await;
    assert_eq!(ada.sees(&made.name, GenerationState::Succeeded).await.charge, 7);

    let again = RunGenerationAgainRequest { name: made.name, ..RunGenerationAgainRequest::default() };
    let again = ada.run_again(again).await.expect("accepted");
    assert_eq!((again.price, again.preset.as_str()), (14, "sharedPresets/oils@1"));
    let job = worker.job().await;
    assert_eq!(job.job.prompt, "a fox, in oils", "the words are not put around it twice");
    job.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn only_operators_change_shared_presets() {
    let app = App::start().await;
    let ada = app.user();
    let shared = share(&app, "oils", oils()).await;
    let changed = Preset { title: "Mine now".to_owned(), ..shared };
    assert_eq!(ada.update_preset(changed.clone()).await.expect_err("refused").code(), Code::PermissionDenied);
    let error = ada.delete_preset("sharedPresets/oils").await.expect_err("refused");
    assert_eq!(error.code(), Code::PermissionDenied);
    let request = ada.says(CreateSharedPresetRequest { preset_id: "x".to_owned(), preset: Some(oils()) });
    let pretended = PresetAdminServiceClient::new(ada.channel.clone()).create_shared_preset(request).await;
    let error = RpcError::from(pretended.expect_err("refused"));
    assert_eq!(error.code(), Code::Unauthenticated);

    let mut operator = operator(&app);
    let request = wire::UpdateSharedPresetRequest { preset: Some(Preset { surcharge: 3, ..changed }) };
    let updated = operator.update_shared_preset(request).await.expect("changed").into_inner().preset;
    assert_eq!(updated.map(|preset| (preset.version, preset.price)), Some((2, Some(8))));
    let list = operator.list_shared_presets(wire::ListSharedPresetsRequest::default()).await.expect("listed");
    assert_eq!(list.into_inner().presets.len(), 1);
    let request =
        wire::DeleteSharedPresetRequest { name: "sharedPresets/oils".to_owned(), etag: "v2".to_owned() };
    operator.delete_shared_preset(request).await.expect("deleted");
    assert_eq!(ada.get_preset("sharedPresets/oils").await.expect_err("deleted").code(), Code::NotFound);
    let request = wire::GetSharedPresetRequest { name: "sharedPresets/oils@2".to_owned() };
    let opened = operator.get_shared_preset(request).await.expect("it opens").into_inner().preset;
    assert_eq!(opened.map(|preset| preset.surcharge), Some(3));
    app.ends_clean().await;
}

#[tokio::test]
async fn a_list_has_mine_and_the_shared_ones_by_page_and_filter_and_nobody_elses() {
    let app = App::start().await;
    let (ada, eve) = (app.user(), app.user());
    for id in ["b", "a"] {
        ada.create_preset(id, oils()).await.expect("made");
        share(&app, id, Preset { description: "SHOWS 100% Fur".to_owned(), ..oils() }).await;
    }
    let words = Preset { model: String::new(), settings: None, title: "Words".to_owned(), ..oils() };
    ada.create_preset("c", words).await.expect("made");
    let all = ["presets/a", "presets/b", "presets/c", "sharedPresets/a", "sharedPresets/b"];
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListPresetsRequest {
            page_size: 2,
            page_token: token,
            ..wire::ListPresetsRequest::default()
        };
        let (page, next) = listed(&ada, request).await;
        seen.extend(page);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);
    let only = |visibility: PresetVisibility, model: &str, query: &str| wire::ListPresetsRequest {
        visibility: visibility.into(),
        model: model.to_owned(),
        query: query.to_owned(),
        ..wire::ListPresetsRequest::default()
    };
    let any = PresetVisibility::Unspecified;
    assert_eq!(listed(&ada, only(PresetVisibility::Shared, "", "")).await.0, all[3..]);
    assert_eq!(listed(&ada, only(PresetVisibility::Private, "models/sketch", "")).await.0, all[..2]);
    assert_eq!(listed(&ada, only(any, "", "100% fur")).await.0, all[3..]);
    assert!(listed(&ada, only(any, "", "1_0")).await.0.is_empty(), "nothing in it is a wildcard");

    assert_eq!(listed(&eve, wire::ListPresetsRequest::default()).await.0, all[3..]);
    for name in ["presets/a", "presets/a@1"] {
        assert_eq!(eve.get_preset(name).await.expect_err("Ada's").code(), Code::NotFound);
        assert_eq!(eve.ask(with(name, "a fox")).await.expect_err("Ada's").code(), Code::NotFound);
    }
    let hers = Preset { name: "presets/a".to_owned(), ..oils() };
    assert_eq!(eve.update_preset(hers).await.expect_err("Ada's").code(), Code::NotFound);
    assert_eq!(eve.delete_preset("presets/a").await.expect_err("Ada's").code(), Code::NotFound);
    app.ends_clean().await;
}

#[tokio::test]
async fn a_preset_whose_model_is_gone_opens_and_cannot_be_used_and_names_the_successor() {
    let mut app = App::start().await;
    let ada = app.user();
    let narrow = Preset { model: "models/narrow".to_owned(), settings: None, ..oils() };
    ada.create_preset("oils", narrow.clone()).await.expect("made");
    app.restart_with_catalogue(|text| {
        text.replace(
            "id = \"narrow\"\ntitle",
            "id = \"narrow\"\nsunset = \"2020-01-01\"\nsuccessor = \"sketch\"\ntitle",
        )
    })
    .await;
    let ada = ada.at(&app.gateway);
    let opened = ada.get_preset("presets/oils").await.expect("it opens");
    assert_eq!((opened.model.as_str(), opened.price), ("models/narrow", None));
    let error = ada.ask(with("presets/oils", "a fox")).await.expect_err("gone");
    assert_eq!(error.code(), Code::ModelSunset);
    assert_eq!(error.violations()[0], ("model".to_owned(), "use models/sketch".to_owned()));
    assert!(error.violations()[1].1.contains("presets/oils@1"), "{error}");
    let error = ada.create_preset("more", narrow).await.expect_err("gone");
    assert_eq!(error.violations()[0], ("preset.model".to_owned(), "use models/sketch".to_owned()));
    let error = ada.update_preset(Preset { title: "T".to_owned(), ..opened }).await.expect_err("gone");
    assert_eq!(error.violations()[0].0, "preset.model");
    let instead =
        CreateGenerationRequest { model: "models/sketch".to_owned(), ..with("presets/oils", "a fox") };
    let made = ada.ask(instead).await.expect("another model beside it");
    ada.cancel(&made.name).await.expect("cancelled");
    app.ends_clean().await;
}
