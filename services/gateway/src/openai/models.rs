//! `GET /v1/models` and `GET /v1/models/{id}`: the catalogue as OpenAI lists models.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use imagioo_rpc::RpcError;
use serde::Serialize;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime};

use super::Door;
use super::refusal::Refusal;
use crate::catalogue::{Catalogue, Model};
use crate::generations::create;

#[derive(Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<Entry>,
}

#[derive(Serialize)]
pub(super) struct Entry {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
}

impl Entry {
    fn of(catalogue: &Catalogue, model: &Model) -> Self {
        Self {
            id: model.id.clone(),
            object: "model",
            created: dated(&catalogue.version),
            owned_by: model.deployments.first().map(|place| place.provider.clone()).unwrap_or_default(),
        }
    }
}

/// The day that a catalogue's version begins with, in seconds since 1970; 0 when it begins with none.
fn dated(version: &str) -> i64 {
    let day = version.get(..10).and_then(|day| Date::parse(day, &Iso8601::DATE).ok());
    day.map_or(0, |day| OffsetDateTime::new_utc(day, time::Time::MIDNIGHT).unix_timestamp())
}

/// Every model that can be used now.
pub(super) async fn list(State(door): State<Door>) -> Json<List> {
    let catalogue = door.app.catalogue();
    let data = catalogue.offered(door.app.clock.now()).map(|model| Entry::of(&catalogue, model)).collect();
    Json(List { object: "list", data })
}

/// One of them.
pub(super) async fn get(
    State(door): State<Door>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Entry>, Refusal> {
    let Path(id) = id.map_err(|_| RpcError::not_found("model"))?;
    let catalogue = door.app.catalogue();
    let model = create::find_model(&catalogue, &format!("models/{id}"), door.app.clock.now())?;
    Ok(Json(Entry::of(&catalogue, model)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_as_old_as_its_version_says() {
        assert_eq!(dated("2026-11-24+0a1b2c3d"), 1_795_478_400);
        assert_eq!(dated("test+0a1b2c3d"), 0);
        assert_eq!(dated("x"), 0);
    }
}
