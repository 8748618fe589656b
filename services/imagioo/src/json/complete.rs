//! Nothing that the API tells is kept from programs: every field of every message stands in its answer.

use imagioo_proto::account::v1 as account;
use imagioo_proto::billing::v1 as billing;
use imagioo_proto::generation::v1 as wire;
use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, Timestamp};
use serde_json::Value;

use super::provider_key::{OwnKeyProviderAnswer, ProviderKeyAnswer};
use super::webhook::{DeliveryAnswer, EndpointAnswer};
use super::{
    ApiKeyAnswer, BalanceAnswer, EntryAnswer, GenerationAnswer, ModelAnswer, PresetAnswer, UserAnswer,
};

/// Fields of a message that an answer lacks, those of the messages in it included.
fn lacking(message: &str, answer: &Value) -> Vec<String> {
    let set = FileDescriptorSet::decode(imagioo_proto::DESCRIPTOR_SET).expect("a descriptor set");
    let mut lacking = Vec::new();
    look(&set, &format!(".imagioo.{message}"), answer, &mut lacking);
    lacking
}

fn look(set: &FileDescriptorSet, message: &str, answer: &Value, lacking: &mut Vec<String>) {
    let answer = answer.as_array().map_or(answer, |all| all.first().unwrap_or(&Value::Null));
    for field in &descriptor(set, message).field {
        match answer.get(field.name()) {
            None | Some(Value::Null) => lacking.push(format!("{message}.{}", field.name())),
            // A length of time is a number of seconds, and an instant a text.
            Some(inner) if inner.is_object() || inner.is_array() => {
                if field.type_name().starts_with(".imagioo.") && !is_enum(field) {
                    look(set, field.type_name(), inner, lacking);
                }
            }
            Some(_) => {}
        }
    }
}

fn is_enum(field: &prost_types::FieldDescriptorProto) -> bool {
    field.r#type() == prost_types::field_descriptor_proto::Type::Enum
}

fn descriptor<'a>(set: &'a FileDescriptorSet, name: &str) -> &'a DescriptorProto {
    let mut messages = set.file.iter().flat_map(|file| {
        let package = file.package().to_owned();
        file.message_type.iter().map(move |message| (format!(".{package}.{}", message.name()), message))
    });
    messages.find(|(found, _)| found == name).unwrap_or_else(|| panic!("no message {name}")).1
}

/// Fails when an answer lacks a field of its message.
pub(crate) fn check<A: serde::Serialize>(message: &str, answer: A) {
    let answer = serde_json::to_value(answer).expect("JSON");
    assert!(lacking(message, &answer).is_empty(), "{:?}", lacking(message, &answer));
}

fn at() -> Option<Timestamp> {
    Some(Timestamp { seconds: 1, nanos: 0 })
}

fn text() -> String {
    "x".to_owned()
}

fn settings() -> wire::GenerationSettings {
    wire::GenerationSettings {
        size: text(),
        quality: text(),
        format: 1,
        seed: Some(1),
        negative_prompt: text(),
        aspect_ratio: text(),
        resolution: text(),
        background: 1,
        compression: Some(1),
        guidance: Some(1.0),
        steps: Some(1),
        strength: Some(1.0),
        margins: Some(wire::Margins { left: 1, top: 1, right: 1, bottom: 1 }),
        upscale_factor: Some(2),
        previews: Some(1),
    }
}

fn generation() -> wire::Generation {
    let length = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    wire::Generation {
        name: text(),
        state: 1,
        version: 1,
        model: text(),
        operation: 1,
        prompt: text(),
        settings: Some(settings()),
        count: 1,
        price: 1,
        charge: 1,
        queue_position: Some(1),
        progress: Some(wire::Progress { stage: text(), percent: 1 }),
        images: vec![image()],
        failure: Some(wire::Failure {
            reason: text(),
            message: text(),
            content_policy: Some(wire::ContentPolicy {
                stage: text(),
                categories: vec![text()],
                provider: text(),
            }),
        }),
        catalogue_version: text(),
        request_id: text(),
        create_time: at(),
        start_time: at(),
        end_time: at(),
        inputs: vec![wire::GenerationInput { role: 1, image: text() }],
        parent: text(),
        deployment: text(),
        preset: text(),
        estimate: Some(wire::Estimate { wait: length, median: length, p90: length, samples: 1 }),
        key_source: 1,
    }
}

fn image() -> wire::Image {
    wire::Image {
        name: text(),
        generation: text(),
        index: 0,
        format: 1,
        width: 1,
        height: 1,
        size_bytes: 1,
        sha256: vec![1].into(),
        seed: Some(1),
        create_time: at(),
        origin: 1,
    }
}

fn model() -> wire::Model {
    let price = wire::Price {
        credits: 1,
        operation: 1,
        quality: text(),
        resolution: text(),
        max_pixels: 1,
        credits_per_reference: 1.0,
        credits_per_input_megapixel: 1.0,
    };
    let bounds = Some(wire::Bounds { min: 0.0, max: 1.0 });
    wire::Model {
        name: text(),
        title: text(),
        operations: vec![1],
        sizes: vec![text()],
        qualities: vec![text()],
        formats: vec![1],
        max_count: 1,
        seed: true,
        price: 1,
        custom_size: Some(wire::CustomSize {
            multiple_of: 1,
            min_pixels: 1,
            max_pixels: 1,
            max_side: 1,
            max_ratio: 1.0,
        }),
        aspect_ratios: vec![text()],
        resolutions: vec![text()],
        backgrounds: vec![1],
        max_references: 1,
        negative_prompt: true,
        compression: true,
        guidance: bounds,
        steps: bounds,
        strength: bounds,
        upscale_factors: vec![2],
        sunset_time: at(),
        successor: text(),
        regions: vec![text()],
        prices: vec![price.clone()],
        deployments: vec![wire::ModelDeployment {
            id: text(),
            region: text(),
            state: 2,
            retry_time: at(),
            reason: text(),
            prices: vec![price],
        }],
    }
}

fn preset() -> wire::Preset {
    wire::Preset {
        name: text(),
        version: 1,
        visibility: 1,
        title: text(),
        description: text(),
        model: text(),
        operation: 1,
        settings: Some(settings()),
        template: text(),
        surcharge: 1,
        price: Some(1),
        etag: text(),
        create_time: at(),
        delete_time: at(),
    }
}

#[test]
fn generations_models_and_presets_are_told_whole() {
    check("generation.v1.Generation", GenerationAnswer::from(&generation()));
    check("generation.v1.Model", ModelAnswer::from(&model()));
    check("generation.v1.Preset", PresetAnswer::from(&preset()));
}

#[test]
fn webhooks_and_keys_are_told_whole() {
    let endpoint = wire::WebhookEndpoint {
        name: text(),
        url: text(),
        description: text(),
        event_types: vec![text()],
        state: 1,
        disable_reason: text(),
        disable_time: at(),
        failing_since: at(),
        old_secret_expire_time: at(),
        create_time: at(),
        update_time: at(),
    };
    check("generation.v1.WebhookEndpoint", EndpointAnswer::from(&endpoint));
    let delivery = wire::WebhookDelivery {
        name: text(),
        event_type: text(),
        subject: text(),
        state: 1,
        attempt_count: 1,
        next_attempt_time: at(),
        give_up_time: at(),
        create_time: at(),
        attempts: vec![wire::WebhookAttempt {
            number: 1,
            start_time: at(),
            duration_ms: 1,
            status: Some(200),
            error: text(),
        }],
    };
    check("generation.v1.WebhookDelivery", DeliveryAnswer::from(&delivery));
    let key = wire::ProviderKey {
        name: text(),
        provider: text(),
        hint: text(),
        state: 1,
        reject_reason: text(),
        reject_time: at(),
        create_time: at(),
        update_time: at(),
    };
    check("generation.v1.ProviderKey", ProviderKeyAnswer::from(&key));
    let offer = wire::OwnKeyProvider { provider: text(), price: 1 };
    check("generation.v1.OwnKeyProvider", OwnKeyProviderAnswer::from(&offer));
}

#[test]
fn people_and_what_they_have_are_told_whole() {
    let user = account::User { name: text(), email: text(), create_time: at(), email_verified: true };
    check("account.v1.User", UserAnswer::from(&user));
    let key = account::ApiKey {
        name: text(),
        display_name: text(),
        prefix: text(),
        create_time: at(),
        expire_time: at(),
        revoke_time: at(),
        last_use_time: at(),
    };
    check("account.v1.ApiKey", ApiKeyAnswer::from(&key));
    check("billing.v1.Balance", BalanceAnswer::from(billing::Balance { available: 1, reserved: 1, debt: 1 }));
    let entry = billing::StatementEntry {
        name: text(),
        kind: 1,
        available_change: 1,
        reserved_change: 1,
        generation: text(),
        source: text(),
        create_time: at(),
        effective_time: at(),
    };
    check("billing.v1.StatementEntry", EntryAnswer::from(&entry));
}

#[test]
fn a_field_without_a_row_is_noticed_wherever_it_is() {
    let mut answer = serde_json::to_value(PresetAnswer::from(&preset())).expect("JSON");
    answer["settings"].as_object_mut().expect("an object").remove("steps");
    answer.as_object_mut().expect("an object").remove("etag");
    let expected = [".imagioo.generation.v1.GenerationSettings.steps", ".imagioo.generation.v1.Preset.etag"];
    assert_eq!(lacking("generation.v1.Preset", &answer), expected);
}
