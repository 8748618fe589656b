//! A job as the gateway sends it, read in full or not at all.

use std::sync::Arc;

use imagioo_picture::{Format, Operation, Settings, Size};
use imagioo_proto::generation::v1 as proto;
use imagioo_types::{GenerationId, Screened, UserId, Wording};
use time::OffsetDateTime;

use super::json;
use crate::job::{Deployment, Job, Lease, RecordedCall, StoredPicture, UnknownOutcome};
use crate::leases::LeaseError;
use crate::provider::TaskId;

impl TryFrom<proto::Job> for Job {
    type Error = LeaseError;

    fn try_from(job: proto::Job) -> Result<Self, LeaseError> {
        let wrong = LeaseError::Malformed;
        let lease = Lease {
            generation: GenerationId::from_name(&job.generation).map_err(|_| wrong("generation"))?,
            attempt: u32::try_from(job.attempt).map_err(|_| wrong("attempt"))?,
            epoch: u64::try_from(job.epoch).map_err(|_| wrong("epoch"))?,
        };
        let operation = Operation::of_message(job.operation()).ok_or(wrong("operation"))?;
        let settings = job.settings.unwrap_or_default();
        let read = Settings::of_message(&settings).map_err(|_| wrong("settings"))?;
        let wording =
            Wording::from_texts(job.prompt, settings.negative_prompt).map_err(|_| wrong("prompt"))?;
        let (mut references, mut mask) = (Vec::new(), None);
        for input in job.inputs {
            let picture = StoredPicture::try_from(&input)?;
            match input.role() {
                proto::InputRole::Reference => references.push(picture),
                proto::InputRole::Mask => mask = Some(picture),
                proto::InputRole::Unspecified => return Err(wrong("inputs")),
            }
        }
        Ok(Self {
            lease,
            owner: UserId::from_name(&job.owner).map_err(|_| wrong("owner"))?,
            prompt: screened(wording, job.screening)?,
            operation,
            settings: read,
            references,
            mask,
            count: u32::try_from(job.count).ok().filter(|count| *count > 0).ok_or(wrong("count"))?,
            deployment: job.deployment.ok_or(wrong("deployment"))?.try_into()?,
            lease_time: job.lease.and_then(|lease| lease.try_into().ok()).ok_or(wrong("lease"))?,
            deadline: job.deadline.and_then(instant).ok_or(wrong("deadline"))?,
            recorded: job.recorded_calls.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            own_key: job.own_key.map(|own| own.key.into()),
            cancel_requested: job.cancel_requested,
        })
    }
}

impl TryFrom<proto::Deployment> for Deployment {
    type Error = LeaseError;

    fn try_from(deployment: proto::Deployment) -> Result<Self, LeaseError> {
        let unknown_outcome = match deployment.unknown_outcome() {
            proto::UnknownOutcome::Repeat => UnknownOutcome::Repeat,
            proto::UnknownOutcome::Unspecified | proto::UnknownOutcome::Fail => UnknownOutcome::Fail,
        };
        let call_timeout = deployment.call_timeout.and_then(|timeout| timeout.try_into().ok());
        Ok(Self {
            id: deployment.id,
            provider: deployment.provider,
            model: deployment.provider_model,
            call_timeout: call_timeout.ok_or(LeaseError::Malformed("call_timeout"))?,
            unknown_outcome,
            endpoint: deployment.endpoint,
            options: Arc::new(deployment.options.map(json::object).unwrap_or_default()),
        })
    }
}

impl TryFrom<&proto::JobInput> for StoredPicture {
    type Error = LeaseError;

    fn try_from(input: &proto::JobInput) -> Result<Self, LeaseError> {
        let wrong = || LeaseError::Malformed("inputs");
        let side = |pixels: i32| u32::try_from(pixels).ok().filter(|side| *side > 0).ok_or_else(wrong);
        Ok(Self {
            key: input.object_key.parse().map_err(|_| wrong())?,
            format: Format::of_message(input.format()).ok_or_else(wrong)?,
            size: Size { width: side(input.width)?, height: side(input.height)? },
        })
    }
}

impl TryFrom<proto::RecordedCall> for RecordedCall {
    type Error = LeaseError;

    fn try_from(recorded: proto::RecordedCall) -> Result<Self, LeaseError> {
        Ok(Self {
            call: u32::try_from(recorded.call).map_err(|_| LeaseError::Malformed("recorded_calls"))?,
            task: Some(recorded.task_id).filter(|id| !id.is_empty()).map(TaskId),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the gateway sends the decision that it stored")]
fn screened(wording: Wording, decision: String) -> Result<Screened, LeaseError> {
    Screened::from_stored(wording, decision).map_err(|_| LeaseError::Malformed("screening"))
}

fn instant(timestamp: prost_types::Timestamp) -> Option<OffsetDateTime> {
    let nanoseconds = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use imagioo_storage::ObjectKey;
    use imagioo_types::ImageId;
    use prost_types::value::Kind;
    use secrecy::ExposeSecret;

    use super::*;

    fn input(role: proto::InputRole) -> proto::JobInput {
        let (owner, image) = (UserId::generate(), ImageId::generate());
        proto::JobInput {
            role: role.into(),
            object_key: ObjectKey::upload(owner, image).to_string(),
            format: proto::ImageFormat::Jpeg.into(),
            width: 640,
            height: 480,
        }
    }

    fn job() -> proto::Job {
        proto::Job {
            generation: GenerationId::generate().name(),
            owner: UserId::generate().name(),
            attempt: 2,
            epoch: 3,
            prompt: "a fox".to_owned(),
            screening: "allow:off".to_owned(),
            operation: proto::Operation::Inpaint.into(),
            inputs: vec![input(proto::InputRole::Reference), input(proto::InputRole::Mask)],
            settings: Some(proto::GenerationSettings { format: 3, seed: Some(7), ..Default::default() }),
            count: 4,
            deployment: Some(proto::Deployment {
                id: "sketch-1".to_owned(),
                call_timeout: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
                unknown_outcome: proto::UnknownOutcome::Repeat.into(),
                options: Some(prost_types::Struct {
                    fields: [("steps".to_owned(), prost_types::Value { kind: Some(Kind::NumberValue(4.0)) })]
                        .into(),
                }),
                ..Default::default()
            }),
            lease: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
            deadline: Some(prost_types::Timestamp { seconds: 60, nanos: 500_000_000 }),
            recorded_calls: vec![
                proto::RecordedCall { call: 0, task_id: "t-1".to_owned() },
                proto::RecordedCall { call: 1, task_id: String::new() },
            ],
            own_key: Some(proto::OwnKey { key: "sk-of-ada".to_owned() }),
            cancel_requested: true,
        }
    }

    #[test]
    fn a_job_is_read_in_full() {
        let read = Job::try_from(job()).expect("a good job");
        assert_eq!((read.lease.attempt, read.lease.epoch, read.count), (2, 3, 4));
        assert_eq!((read.settings.format, read.settings.seed), (Some(Format::Webp), Some(7)));
        assert_eq!((read.operation, read.references.len()), (Operation::Inpaint, 1));
        assert_eq!(read.mask.expect("a mask").size, Size { width: 640, height: 480 });
        assert_eq!(read.deployment.options.get("steps"), Some(&serde_json::json!(4)));
        assert_eq!(read.lease_time, Duration::from_secs(30));
        assert_eq!(read.deadline.unix_timestamp_nanos(), 60_500_000_000);
        assert_eq!(read.deployment.call_timeout, Duration::from_secs(90));
        assert_eq!(read.deployment.unknown_outcome, UnknownOutcome::Repeat);
        let tasks: Vec<_> = read.recorded.iter().map(|recorded| recorded.task.is_some()).collect();
        assert_eq!(tasks, [true, false]);
        assert_eq!(read.own_key.as_ref().map(ExposeSecret::expose_secret), Some("sk-of-ada"));
        assert!(!format!("{read:?}").contains("sk-of-ada"), "the key shows");
        assert!(read.cancel_requested);
    }

    #[test]
    fn a_job_without_an_allowing_decision_is_none() {
        for screening in ["", "deny:list", "allowed"] {
            let job = proto::Job { screening: screening.to_owned(), ..job() };
            assert!(matches!(Job::try_from(job), Err(LeaseError::Malformed("screening"))), "{screening}");
        }
    }

    #[test]
    fn a_job_without_what_it_needs_is_none() {
        let broken = [
            proto::Job { deployment: None, ..job() },
            proto::Job { deadline: None, ..job() },
            proto::Job { lease: None, ..job() },
            proto::Job { count: 0, ..job() },
            proto::Job { owner: "users/x".to_owned(), ..job() },
            proto::Job { epoch: -1, ..job() },
            proto::Job { operation: 0, ..job() },
            proto::Job { inputs: vec![input(proto::InputRole::Unspecified)], ..job() },
        ];
        for job in broken {
            assert!(matches!(Job::try_from(job), Err(LeaseError::Malformed(_))));
        }
    }
}
