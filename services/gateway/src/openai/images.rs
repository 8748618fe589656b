//! The three calls that make images: each reads its parameters, follows one generation and shows the outcome.

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, header};
use imagioo_rpc::Caller;

use super::arrival::Arrival;
use super::call::{Call, Delivery, Kind};
use super::follow::{Following, Wanted};
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::room::Place;
use super::{Door, answer, form, json, stream};

/// Longest body without pictures, in bytes.
const WORDS: u64 = 1024 * 1024;

/// A call whose body was read.
struct Given<'a> {
    kind: Kind,
    headers: &'a HeaderMap,
    parameters: Parameters,
    /// Kept for as long as the pictures are.
    place: Option<Place>,
}

/// `POST /v1/images/generations`
pub(super) async fn generations(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    if !is(&head.headers, "application/json") {
        return Err(Refusal::body("send JSON, with the header content-type: application/json"));
    }
    let parameters = json::read(&head.headers, body, WORDS).await?;
    let given = Given { kind: Kind::Generation, headers: &head.headers, parameters, place: None };
    make(&door, &caller, arrival, given).await
}

/// `POST /v1/images/edits`
pub(super) async fn edits(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let place = Some(door.room.take(caller.identity.user, door.app.config.http.user_bodies)?);
    let most = door.app.config.http.max_body_bytes;
    let parameters = if is(&head.headers, "multipart/form-data") {
        form::read(&head.headers, body, most).await?
    } else if is(&head.headers, "application/json") {
        json::read(&head.headers, body, most).await?
    } else {
        return Err(Refusal::body("send a form, with content-type: multipart/form-data, or JSON"));
    };
    make(&door, &caller, arrival, Given { kind: Kind::Edit, headers: &head.headers, parameters, place }).await
}

/// `POST /v1/images/variations`
pub(super) async fn variations(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    if !is(&head.headers, "multipart/form-data") {
        return Err(Refusal::body("send a form, with content-type: multipart/form-data"));
    }
    let place = Some(door.room.take(caller.identity.user, door.app.config.http.user_bodies)?);
    let parameters = form::read(&head.headers, body, door.app.config.http.max_body_bytes).await?;
    let given = Given { kind: Kind::Variation, headers: &head.headers, parameters, place };
    make(&door, &caller, arrival, given).await
}

/// Waits for the images, which may be long. A stream says all the while that it goes on, so it goes on to the end.
async fn make(
    door: &Door,
    caller: &Caller,
    arrival: Arrival,
    Given { kind, headers, parameters, place }: Given<'_>,
) -> Result<Response, Refusal> {
    let user = caller.identity.user;
    let Call { request, default_model, delivery } =
        Call::read((&door.app, user), kind, headers, parameters).await?;
    let until = arrival.after(door.app.config.http.wait_seconds);
    let wanted = Wanted { request, default_model, place, until };
    let mut following = Following::create(door, caller, wanted).await?;
    let links = match delivery {
        Delivery::Events(partials) => return Ok(stream::answer(following.patiently(), kind, partials)),
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
