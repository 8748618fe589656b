//! Between the wire's messages and the gateway's own types.

use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{Credits, InvalidName};
use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::catalogue::{Asked, Format, Model, Operation, Settings};
use crate::generation::{Failure, Generation, Image, State};
use crate::generations::read::Whole;
use crate::watchers::Progress;

pub(crate) fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: at.unix_timestamp(), nanos: i32::try_from(at.nanosecond()).unwrap_or_default() }
}

/// The instant, if it is one that the calendar has.
pub(crate) fn instant(at: Timestamp) -> Option<OffsetDateTime> {
    let whole = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    whole.checked_add(time::Duration::nanoseconds(i64::from(at.nanos)))
}

/// The refusal of a name that is none.
pub(crate) fn bad_name(field: &'static str) -> impl FnOnce(InvalidName) -> RpcError {
    move |error| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields").field(field, error.to_string())
    }
}

pub(crate) fn asked(
    operation: wire::Operation,
    settings: Option<wire::GenerationSettings>,
    count: i32,
) -> Asked {
    let settings = settings.unwrap_or_default();
    Asked {
        operation: match operation {
            wire::Operation::Unspecified => None,
            wire::Operation::TextToImage => Some(Operation::TextToImage),
        },
        format: match settings.format() {
            wire::ImageFormat::Unspecified => None,
            wire::ImageFormat::Png => Some(Format::Png),
            wire::ImageFormat::Jpeg => Some(Format::Jpeg),
            wire::ImageFormat::Webp => Some(Format::Webp),
        },
        size: settings.size,
        quality: settings.quality,
        seed: settings.seed,
        count,
    }
}

pub(crate) fn wire_format(format: Format) -> wire::ImageFormat {
    match format {
        Format::Png => wire::ImageFormat::Png,
        Format::Jpeg => wire::ImageFormat::Jpeg,
        Format::Webp => wire::ImageFormat::Webp,
    }
}

pub(crate) fn wire_settings(settings: &Settings) -> wire::GenerationSettings {
    wire::GenerationSettings {
        size: settings.size.clone(),
        quality: settings.quality.clone().unwrap_or_default(),
        format: wire_format(settings.format).into(),
        seed: settings.seed,
    }
}

fn wire_state(state: State) -> wire::GenerationState {
    match state {
        State::Queued => wire::GenerationState::Queued,
        State::Dispatched => wire::GenerationState::Dispatched,
        State::Running => wire::GenerationState::Running,
        State::Succeeded => wire::GenerationState::Succeeded,
        State::Failed => wire::GenerationState::Failed,
        State::Cancelled => wire::GenerationState::Cancelled,
        State::Void => wire::GenerationState::Unspecified,
    }
}

pub(crate) fn wire_operation(operation: Operation) -> wire::Operation {
    match operation {
        Operation::TextToImage => wire::Operation::TextToImage,
    }
}

/// A generation as the API shows it. `ahead` is the estimated number of generations before it in its queue.
pub(crate) fn generation(whole: Whole, ahead: i64, progress: Option<Progress>) -> wire::Generation {
    let Whole { generation: Generation { settings, failure, prompt, .. }, .. } = &whole;
    let (settings, failure) = (wire_settings(settings), failure.as_ref().map(wire_failure));
    let prompt = prompt.as_str().to_owned();
    let Whole { generation, images } = whole;
    let waits = matches!(generation.state, State::Queued | State::Dispatched);
    let runs = generation.state == State::Running;
    wire::Generation {
        name: generation.id.name(),
        state: wire_state(generation.state).into(),
        version: generation.version,
        model: generation.model,
        operation: wire_operation(generation.operation).into(),
        prompt,
        settings: Some(settings),
        count: generation.count,
        price: generation.price.get(),
        charge: generation.charge.map(Credits::get).unwrap_or_default(),
        queue_position: waits.then_some(if generation.state == State::Queued { ahead } else { 0 }),
        progress: runs.then(|| wire_progress(progress)),
        images: images.into_iter().map(image).collect(),
        failure,
        catalogue_version: generation.catalogue_version,
        request_id: generation.request_id,
        create_time: Some(timestamp(generation.created_at)),
        start_time: generation.started_at.map(timestamp),
        end_time: generation.ended_at.map(timestamp),
    }
}

fn wire_progress(progress: Option<Progress>) -> wire::Progress {
    let (stage, percent) =
        progress.map_or_else(|| ("starting".to_owned(), 0), |progress| (progress.stage, progress.percent));
    wire::Progress { stage, percent }
}

fn wire_failure(failure: &Failure) -> wire::Failure {
    wire::Failure {
        reason: failure.reason.clone(),
        message: failure.message.clone(),
        content_policy: failure.content_policy.clone().map(|policy| wire::ContentPolicy {
            stage: policy.stage,
            categories: policy.categories,
            provider: policy.provider,
        }),
    }
}

pub(crate) fn image(image: Image) -> wire::Image {
    wire::Image {
        name: image.id.name(),
        generation: image.generation.name(),
        index: image.index,
        format: wire_format(image.format).into(),
        width: image.width,
        height: image.height,
        size_bytes: image.size_bytes,
        sha256: image.sha256.into(),
        seed: image.seed,
        create_time: Some(timestamp(image.created_at)),
    }
}

pub(crate) fn model(model: &Model) -> wire::Model {
    wire::Model {
        name: model.name(),
        title: model.title.clone(),
        operations: model.operations.iter().map(|operation| wire_operation(*operation).into()).collect(),
        sizes: model.sizes.clone(),
        qualities: model.qualities.clone(),
        formats: model.formats.iter().map(|format| wire_format(*format).into()).collect(),
        max_count: model.max_count,
        seed: model.seed,
        price: model.price.get(),
    }
}
