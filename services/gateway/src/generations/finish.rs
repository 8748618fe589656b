//! Applying a finished attempt: the manifest is the word, the message only a hint that it exists.

use std::collections::HashSet;

use fail::fail_point;
use imagioo_picture::Format;
use imagioo_proto::generation::v1 as wire;
use imagioo_proto::jobs::v1::{Charged, Manifest, StoredImage, manifest};
use imagioo_storage::ObjectKey;
use imagioo_types::{GenerationId, ImageId, allows};
use prost::Message as _;

use crate::app::App;
use crate::catalogue::UnknownOutcome;
use crate::db;
use crate::db::generations::settle::{Applied, Outcome, Provided};
use crate::dispatch::health::Call;
use crate::error::Error;
use crate::generation::{ContentPolicy, Failure, Generation, Image};
use crate::generations::outcome::{self, Circumstances, Report};
use crate::generations::route;
use crate::grpc::convert;
use crate::instruments;
use crate::provider_keys::verdict;

/// Most characters of a reason or a message, and most categories of a refusal.
const MAX_TEXT: usize = 1_000;
const MAX_CATEGORIES: usize = 50;

/// What came of looking for an attempt's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Applied now.
    Applied,
    /// The generation has its outcome, or is at another attempt: nothing to do.
    Past,
    /// The attempt has no manifest.
    NoManifest,
}

/// Applies the manifest of an attempt, if there is one and it still counts.
pub(crate) async fn finish(app: &App, id: GenerationId, attempt: i32) -> Result<Finished, Error> {
    let found = db::generations::find(&mut *app.pool.acquire().await?, id).await?;
    let Some(generation) = found.filter(|found| !found.state.is_final() && found.attempt == attempt) else {
        return Ok(Finished::Past);
    };
    fail_point!("gateway.finish.before_manifest");
    let key = ObjectKey::manifest(generation.owner, id, u32::try_from(attempt).unwrap_or_default());
    let Some(bytes) = app.storage.read(&key).await? else { return Ok(Finished::NoManifest) };
    let (images, report) = match Manifest::decode(bytes) {
        Ok(manifest) => read(&generation, manifest),
        Err(error) => {
            tracing::error!(generation = %id, attempt, error = %error, "manifest is damaged");
            (Vec::new(), Report::Failed(damaged()))
        }
    };
    let own_key = generation.runs_on_own_key();
    let standing = app.health.standing(&generation.deployment);
    let sign = route::sign(&report, !images.is_empty())
        .filter(|sign| !own_key || route::concerns_all(sign, &standing));
    let report = if own_key { verdict::heed(app, &generation, report).await? } else { report };
    let outcome = decide(app, &generation, images, report);
    let Some(applied) = settle(app, outcome).await? else { return Ok(Finished::Past) };
    // Whoever applies it counts it, so that it is counted once.
    if let Some(sign) = sign {
        let call = Call { deployment: &generation.deployment, sent: generation.dispatched_at };
        app.health.note(&call, sign, (app.clock.now(), app.config.breaker.pause()));
    }
    if applied.state.is_final() {
        instruments::took(applied.state, app.clock.now() - generation.created_at);
    }
    Ok(Finished::Applied)
}

/// Ends an attempt that cannot go on as a failure that may pass, at another deployment or later; `charged` when something
/// may have been bought for it.
pub(crate) async fn give_back(
    app: &App,
    (id, attempt): (GenerationId, i32),
    cause: Failure,
    charged: bool,
) -> Result<(), Error> {
    let found = db::generations::find(&mut *app.pool.acquire().await?, id).await?;
    if let Some(generation) = found.filter(|found| found.attempt == attempt) {
        let report = Report::Retry { cause, not_before: None, charged };
        settle(app, decide(app, &generation, Vec::new(), report)).await?;
    }
    Ok(())
}

/// Ends an attempt that cannot go on and has made nothing.
pub(crate) async fn fail(
    app: &App,
    (id, attempt): (GenerationId, i32),
    failure: Failure,
    provided: Provided,
) -> Result<(), Error> {
    let found = db::generations::find(&mut *app.pool.acquire().await?, id).await?;
    if let Some(generation) = found.filter(|found| found.attempt == attempt) {
        let outcome = outcome::given_up(&generation, failure, app.clock.now());
        settle(app, Outcome { provided, ..outcome }).await?;
    }
    Ok(())
}

fn decide(app: &App, generation: &Generation, images: Vec<Image>, report: Report) -> Outcome {
    let catalogue = app.catalogue();
    let deployment = catalogue.deployment(&generation.deployment);
    let circumstances = Circumstances {
        retries: &app.config.retries,
        unknown_outcome: deployment.map_or(UnknownOutcome::Fail, |deployment| deployment.unknown_outcome),
        elsewhere: route::elsewhere(generation, &catalogue, &app.health),
        now: app.clock.now(),
        luck: rand::random(),
    };
    outcome::decide(generation, images, report, &circumstances)
}

/// Applies an outcome and wakes everybody it concerns; nothing when the generation had one already.
pub(crate) async fn settle(app: &App, outcome: Outcome) -> Result<Option<Applied>, Error> {
    let applied = app.hot.settle(outcome).await?;
    if let Some(applied) = &applied {
        if applied.state.is_final() {
            app.outbox.notify_one();
            instruments::ended(applied.state);
        }
        if let Some(seconds) = applied.ran {
            app.pace.note(&applied.deployment, seconds);
        }
        if applied.hooked {
            app.webhooks.wake.notify_one();
        }
        app.turns.notify_one();
        app.changed(applied.owner, applied.generation, applied.version).await;
    }
    Ok(applied)
}

fn read(generation: &Generation, manifest: Manifest) -> (Vec<Image>, Report) {
    let mut images: Vec<Image> =
        manifest.images.into_iter().filter_map(|stored| image(generation, stored)).collect();
    images.sort_by_key(|image| image.index);
    images.dedup_by_key(|image| image.index);
    let mut objects = HashSet::new();
    images.retain(|image| objects.insert(image.object_key.clone()));
    (images, report(manifest.ending))
}

/// A stored image as a row; nothing for one that is not this attempt's, more than was asked and paid for, or that no recorded
/// decision lets be seen.
fn image(generation: &Generation, stored: StoredImage) -> Option<Image> {
    let key = stored.object_key.parse::<ObjectKey>().ok()?;
    let own = key.owner() == generation.owner
        && key.attempt() == u32::try_from(generation.attempt).ok().map(|attempt| (generation.id, attempt))
        && !key.is_manifest();
    let whole = stored.width > 0 && stored.height > 0 && stored.size_bytes > 0 && stored.sha256.len() == 32;
    if !own || !whole || !(0..generation.count).contains(&stored.index) {
        tracing::error!(generation = %generation.id, index = stored.index, "manifest names what is no image of it");
        return None;
    }
    if !allows(&stored.screening) {
        tracing::error!(generation = %generation.id, index = stored.index, "manifest names an image that nobody allowed");
        return None;
    }
    Some(Image {
        id: ImageId::generate(),
        generation: Some(generation.id),
        owner: generation.owner,
        index: stored.index,
        format: Format::of_message(stored.format())?,
        object_key: stored.object_key,
        width: stored.width,
        height: stored.height,
        size_bytes: stored.size_bytes,
        sha256: stored.sha256.to_vec(),
        seed: stored.seed,
        created_at: generation.created_at,
    })
}

fn report(ending: Option<manifest::Ending>) -> Report {
    match ending {
        Some(manifest::Ending::Complete(_)) => Report::Complete,
        Some(manifest::Ending::Cancelled(_)) => Report::Cancelled,
        Some(manifest::Ending::Failed(cause)) => Report::Failed(failure(cause)),
        Some(manifest::Ending::Refused(policy)) => Report::Failed(Failure {
            reason: "CONTENT_POLICY".to_owned(),
            message:
                "the content was refused and nothing was charged for it: change the prompt and create again"
                    .to_owned(),
            content_policy: Some(content_policy(policy)),
        }),
        Some(manifest::Ending::Retry(retry)) => Report::Retry {
            charged: retry.charged() != Charged::No,
            not_before: retry.not_before.and_then(convert::instant),
            cause: retry.cause.map_or_else(damaged, failure),
        },
        None => Report::Failed(damaged()),
    }
}

fn failure(cause: wire::Failure) -> Failure {
    let content_policy = cause.content_policy.map(content_policy);
    Failure { reason: text(&cause.reason), message: text(&cause.message), content_policy }
}

fn content_policy(policy: wire::ContentPolicy) -> ContentPolicy {
    ContentPolicy {
        stage: text(&policy.stage),
        categories: policy.categories.iter().take(MAX_CATEGORIES).map(|category| text(category)).collect(),
        provider: text(&policy.provider),
    }
}

/// What a row can hold of a text that may be a provider's.
fn text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn damaged() -> Failure {
    Failure::new("MANIFEST_DAMAGED", "the result was lost on our side; nothing was charged")
}
