//! Outcomes as the columns that the statement takes.

use imagioo_types::Credits;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Ending, Outcome, Provided};
use crate::db::broken;
use crate::generation::State;

#[derive(Default)]
pub(super) struct Columns {
    pub(super) ids: Vec<Uuid>,
    pub(super) attempts: Vec<i32>,
    pub(super) states: Vec<String>,
    pub(super) charges: Vec<i64>,
    pub(super) failures: Vec<Option<serde_json::Value>>,
    pub(super) not_before: Vec<Option<OffsetDateTime>>,
    pub(super) not_running: Vec<bool>,
    pub(super) message_ids: Vec<Uuid>,
    pub(super) message_names: Vec<String>,
    pub(super) message_bodies: Vec<Vec<u8>>,
    pub(super) message_traces: Vec<Option<String>>,
    pub(super) elsewhere: Vec<Option<String>>,
    pub(super) lapsed: Vec<Option<i64>>,
}

impl Columns {
    pub(super) fn of(outcomes: &[Outcome]) -> Result<Self, sqlx::Error> {
        let mut columns = Self::default();
        for outcome in outcomes {
            let (state, charge, not_before, elsewhere) = match &outcome.ending {
                Ending::End { state, charge, .. } => (*state, *charge, None, None),
                Ending::Requeue { not_before, deployment } => {
                    (State::Queued, Credits::ZERO, *not_before, deployment.clone())
                }
            };
            let failure = outcome.failure.as_ref().map(serde_json::to_value).transpose().map_err(broken)?;
            columns.ids.push(outcome.generation.uuid());
            columns.attempts.push(outcome.attempt);
            columns.states.push(state.as_str().to_owned());
            columns.charges.push(charge.get());
            columns.failures.push(failure);
            columns.not_before.push(not_before);
            columns.not_running.push(outcome.provided == Provided::NotRunning);
            columns.message_ids.push(outcome.settled.message_id);
            columns.message_names.push(outcome.settled.name.clone());
            columns.message_bodies.push(outcome.settled.body.clone());
            columns.message_traces.push(outcome.settled.trace.clone());
            columns.elsewhere.push(elsewhere);
            columns.lapsed.push(match outcome.provided {
                Provided::Lapsed { epoch } => Some(epoch),
                Provided::Open | Provided::NotRunning => None,
            });
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(super) struct ImageColumns {
    pub(super) ids: Vec<Uuid>,
    pub(super) generations: Vec<Uuid>,
    pub(super) indexes: Vec<i32>,
    pub(super) object_keys: Vec<String>,
    pub(super) formats: Vec<String>,
    pub(super) widths: Vec<i32>,
    pub(super) heights: Vec<i32>,
    pub(super) sizes: Vec<i64>,
    pub(super) hashes: Vec<Vec<u8>>,
    pub(super) seeds: Vec<Option<i64>>,
}

impl ImageColumns {
    pub(super) fn of(outcomes: &[Outcome]) -> Self {
        let mut columns = Self::default();
        let delivered = outcomes.iter().flat_map(|outcome| {
            let images = match &outcome.ending {
                Ending::End { images, .. } => images.as_slice(),
                Ending::Requeue { .. } => &[],
            };
            images.iter().map(|image| (outcome.generation, image))
        });
        for (generation, image) in delivered {
            columns.ids.push(image.id.uuid());
            columns.generations.push(generation.uuid());
            columns.indexes.push(image.index);
            columns.object_keys.push(image.object_key.clone());
            columns.formats.push(image.format.as_str().to_owned());
            columns.widths.push(image.width);
            columns.heights.push(image.height);
            columns.sizes.push(image.size_bytes);
            columns.hashes.push(image.sha256.clone());
            columns.seeds.push(image.seed);
        }
        columns
    }
}
