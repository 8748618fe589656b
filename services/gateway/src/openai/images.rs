//! The three calls that make images: each reads its parameters, follows one generation and shows the outcome.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, header};
use imagioo_rpc::Caller;

use super::call::{Call, Delivery, Kind};
use super::follow::Following;
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::{Door, answer, form, json, stream};

/// Longest body without pictures, in bytes.
const WORDS: u64 = 1024 * 1024;

/// `POST /v1/images/generations`
pub(super) async fn generations(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    if !is(&head.headers, "application/json") {
        return Err(Refusal::body("send JSON, with the header content-type: application/json"));
    }
    let given = json::read(&head.headers, body, WORDS).await?;
    let accepted = accept(&door, &caller, Kind::Generation, &head.headers, given).await?;
    show(accepted, Kind::Generation).await
}

/// `POST /v1/images/edits`
pub(super) async fn edits(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let place = door.room.take(caller.identity.user, door.app.config.http.user_bodies)?;
    let most = door.app.config.http.max_body_bytes;
    let given = if is(&head.headers, "multipart/form-data") {
        form::read(&head.headers, body, most).await?
    } else if is(&head.headers, "application/json") {
        json::read(&head.headers, body, most).await?
    } else {
        return Err(Refusal::body("send a form, with content-type: multipart/form-data, or JSON"));
    };
    let accepted = accept(&door, &caller, Kind::Edit, &head.headers, given).await?;
    drop(place);
    show(accepted, Kind::Edit).await
}

/// `POST /v1/images/variations`
pub(super) async fn variations(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    if !is(&head.headers, "multipart/form-data") {
        return Err(Refusal::body("send a form, with content-type: multipart/form-data"));
    }
    let place = door.room.take(caller.identity.user, door.app.config.http.user_bodies)?;
    let given = form::read(&head.headers, body, door.app.config.http.max_body_bytes).await?;
    let accepted = accept(&door, &caller, Kind::Variation, &head.headers, given).await?;
    drop(place);
    show(accepted, Kind::Variation).await
}

async fn accept(
    door: &Door,
    caller: &Caller,
    kind: Kind,
    headers: &HeaderMap,
    given: Parameters,
) -> Result<(Following, Delivery), Refusal> {
    let Call { request, delivery } = Call::read(&door.app, kind, headers, given).await?;
    Ok((Following::create(door, caller, request).await?, delivery))
}

/// Waits for the images, which may be long.
async fn show((mut following, delivery): (Following, Delivery), kind: Kind) -> Result<Response, Refusal> {
    let links = match delivery {
        Delivery::Events(partials) => return Ok(stream::answer(following, kind, partials)),
        Delivery::Links => true,
        Delivery::Base64 => false,
    };
    let whole = following.outcome().await?;
    let answer = answer::images(&following.door, whole, links).await;
    answer.map_err(|refusal| following.goes_on(refusal))
}

/// Whether the body is of this type, whatever its parameters.
fn is(headers: &HeaderMap, expected: &str) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(expected)
}
