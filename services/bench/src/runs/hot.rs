//! M2: how many submits are accepted per second with the workers stopped, first of many users, then of a single one,
//! whose credit they all reserve.

use std::sync::Arc;

use imagioo_stack::User;
use serde::Serialize;

use super::submit::{Sample, measure};
use crate::load::crowd;
use crate::load::submitter::{Accepted, Submitter};
use crate::place::{Place, Setting};
use crate::plan::Plan;

/// Closed loops at once.
const CLIENTS: usize = 64;

/// One round.
#[derive(Debug, Serialize)]
pub(crate) struct Heat {
    /// Everybody in turn.
    pub(crate) many: Sample,
    /// One user.
    pub(crate) single: Sample,
}

/// Runs all rounds on a stack of their own; who begins changes from round to round.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Vec<Heat>> {
    Place::during(&Setting::stopped(), async |place| rounds(plan, place).await).await
}

async fn rounds(plan: &Plan, place: &Place) -> anyhow::Result<Vec<Heat>> {
    let many = crowd::gather(place, plan.crowd).await?;
    let single: Arc<[User]> = many[..1].into();
    let sample = async |users| {
        let clients = Submitter::several(users, CLIENTS, &Accepted::default());
        measure(plan.submit, place, clients).await
    };
    let mut heats = Vec::with_capacity(plan.rounds);
    for round in 0..plan.rounds {
        heats.push(if round % 2 == 0 {
            let many = sample(&many).await?;
            Heat { many, single: sample(&single).await? }
        } else {
            let single = sample(&single).await?;
            Heat { many: sample(&many).await?, single }
        });
    }
    Ok(heats)
}
