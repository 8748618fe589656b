//! The object sink: as much of S3 as the services need, in memory, without signatures.

mod objects;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_LENGTH, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use objects::{Keep, Objects};

/// What a bucket without objects answers to a list. Only the gateway's collector lists: when it starts, before there is
/// anything, and an hour later.
const NOTHING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"#;

/// A running store. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    /// What is in it.
    pub(crate) objects: Arc<Objects>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Sink {
    /// Listens on a free port.
    pub(crate) async fn start(keep: Keep) -> anyhow::Result<Self> {
        let objects = Arc::new(Objects::new(keep));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let app = app.with_state(Arc::clone(&objects));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, objects, _server: server })
    }

    /// Its address, without the bucket.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(
    State(objects): State<Arc<Objects>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    // The bucket is the first part of the path.
    let key = uri.path().trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    match method {
        Method::GET if key.is_empty() => respond(StatusCode::OK, None, Body::from(NOTHING)),
        Method::PUT if headers.contains_key(IF_NONE_MATCH) => match objects.create(key, &body) {
            Some(tag) => respond(StatusCode::OK, Some(tag), Body::empty()),
            None => empty(StatusCode::PRECONDITION_FAILED),
        },
        Method::HEAD => match objects.look(key) {
            Some((tag, size)) => {
                let mut head = respond(StatusCode::OK, Some(tag), Body::empty());
                head.headers_mut().insert(CONTENT_LENGTH, size.into());
                head
            }
            None => empty(StatusCode::NOT_FOUND),
        },
        Method::GET => match objects.read(key) {
            Some((tag, bytes)) => respond(StatusCode::OK, Some(tag), Body::from(bytes)),
            None => empty(StatusCode::NOT_FOUND),
        },
        Method::DELETE => {
            objects.delete(key);
            empty(StatusCode::NO_CONTENT)
        }
        _ => empty(StatusCode::NOT_IMPLEMENTED),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    respond(status, None, Body::empty())
}

fn respond(status: StatusCode, tag: Option<u64>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let tag = tag.and_then(|tag| format!("\"{tag:x}\"").parse().ok());
    response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
    response
}
