//! Between the wire's messages and the gateway's own types.

use imagioo_picture::{Operation, Settings};
use imagioo_proto::generation::v1 as wire;
use imagioo_rpc::{Code, RpcError};
use imagioo_types::{Credits, GenerationId, ImageId, InvalidName};
use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::catalogue::{Asked, Consent, KeySource};
use crate::generation::{Failure, Generation, Image, Input, Role, State};
use crate::generations::outlook::Estimate;
use crate::generations::read::Whole;
use crate::generations::watch::Now;
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

/// What a request asks for, without its texts and pictures.
pub(crate) fn asked(
    operation: wire::Operation,
    settings: Option<&wire::GenerationSettings>,
    count: i32,
) -> Result<Asked, RpcError> {
    let nothing = wire::GenerationSettings::default();
    let message = settings.unwrap_or(&nothing);
    let settings = Settings::of_message(message).map_err(|error| {
        RpcError::new(Code::InvalidArgument, "the request has invalid fields")
            .field("settings.size", error.to_string())
    })?;
    Ok(Asked {
        operation: Operation::of_message(operation),
        settings,
        negative_prompt: !message.negative_prompt.trim().is_empty(),
        count,
        ..Asked::default()
    })
}

/// What a caller consents to; nothing but the first deployment when they do not say.
pub(crate) fn consent(routing: Option<wire::Routing>) -> Consent {
    let Some(routing) = routing else { return Consent::default() };
    let key = match routing.key_source() {
        wire::KeySource::Unspecified => KeySource::Either,
        wire::KeySource::Own => KeySource::Own,
        wire::KeySource::Operator => KeySource::Operator,
    };
    let wire::Routing { regions, fallback, dearer, .. } = routing;
    Consent { regions, fallback, dearer, key }
}

/// On whose key it runs.
pub(crate) fn key_source(is_own: bool) -> wire::KeySource {
    if is_own { wire::KeySource::Own } else { wire::KeySource::Operator }
}

/// A length of time.
pub(crate) fn duration(duration: prost_types::Duration) -> time::Duration {
    time::Duration::new(duration.seconds, duration.nanos)
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

/// A generation as the API shows it.
pub(crate) fn generation(Now { whole, outlook, progress }: Now) -> wire::Generation {
    let Whole { generation: Generation { settings, failure, wording, .. }, .. } = &whole;
    let (settings, failure) =
        (settings.to_message(wording.negative_text()), failure.as_ref().map(wire_failure));
    let prompt = wording.prompt_text().to_owned();
    let Whole { generation, images } = whole;
    let waits = matches!(generation.state, State::Queued | State::Dispatched);
    let runs = generation.state == State::Running;
    let key_source = key_source(generation.runs_on_own_key()).into();
    wire::Generation {
        name: generation.id.name(),
        state: wire_state(generation.state).into(),
        version: generation.version,
        model: generation.model,
        operation: wire::Operation::from(generation.operation).into(),
        prompt,
        settings: Some(settings),
        count: generation.count,
        price: generation.price.get(),
        charge: generation.charge.map(Credits::get).unwrap_or_default(),
        queue_position: waits.then_some(outlook.ahead),
        progress: runs.then(|| wire_progress(progress)),
        images: images.into_iter().map(image).collect(),
        failure,
        catalogue_version: generation.catalogue_version,
        request_id: generation.request_id,
        create_time: Some(timestamp(generation.created_at)),
        start_time: generation.started_at.map(timestamp),
        end_time: generation.ended_at.map(timestamp),
        inputs: generation.inputs.iter().map(wire_input).collect(),
        parent: generation.parent.map(GenerationId::name).unwrap_or_default(),
        deployment: generation.deployment,
        preset: generation.preset.unwrap_or_default(),
        estimate: outlook.estimate.map(estimate),
        key_source,
    }
}

pub(crate) fn estimate(estimate: Estimate) -> wire::Estimate {
    let length = |length: std::time::Duration| {
        Some(prost_types::Duration {
            seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(length.subsec_nanos()).unwrap_or_default(),
        })
    };
    wire::Estimate {
        wait: length(estimate.wait),
        median: length(estimate.median),
        p90: length(estimate.p90),
        samples: estimate.samples,
    }
}

fn wire_input(input: &Input) -> wire::GenerationInput {
    wire::GenerationInput {
        role: wire_role(input.role).into(),
        image: ImageId::from_uuid(input.image).name(),
    }
}

pub(crate) fn wire_role(role: Role) -> wire::InputRole {
    match role {
        Role::Reference => wire::InputRole::Reference,
        Role::Mask => wire::InputRole::Mask,
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
        generation: image.generation.map(GenerationId::name).unwrap_or_default(),
        origin: match image.generation {
            Some(_) => wire::ImageOrigin::Generation,
            None => wire::ImageOrigin::Upload,
        }
        .into(),
        index: image.index,
        format: wire::ImageFormat::from(image.format).into(),
        width: image.width,
        height: image.height,
        size_bytes: image.size_bytes,
        sha256: image.sha256.into(),
        seed: image.seed,
        create_time: Some(timestamp(image.created_at)),
    }
}
