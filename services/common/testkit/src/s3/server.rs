//! The HTTP side of the S3 server: faults first, then one conditional put per key at a time, then `s3s`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::faults::{Fault, Faults};
use super::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What every connection shares.
pub(super) struct State {
    pub(super) faults: Faults,
    service: S3Service,
    folder: PathBuf,
    /// `s3s-fs` looks whether an object exists and then writes it; between the two nobody else may.
    keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl State {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let files =
            s3s_fs::FileSystem::new(folder).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        Ok(Self {
            faults: Faults::default(),
            service: builder.build(),
            folder: folder.to_owned(),
            keys: Mutex::default(),
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let fault = self.faults.take(request.method());
        match fault {
            None => self.act(request).await,
            Some(Fault::IgnoresConditions) => {
                // The header is signed, so the object goes instead.
                std::fs::remove_file(self.folder.join(request.uri().path().trim_start_matches('/'))).ok();
                self.act(request).await
            }
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::UnavailableAfterwards) => {
                self.act(request).await?;
                Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"))
            }
            Some(Fault::HangsUpAfterwards) => {
                self.act(request).await?;
                Err("hung up".into())
            }
            Some(Fault::WrongETag) => {
                let mut response = self.act(request).await?;
                response.headers_mut().insert(ETAG, other_etag());
                Ok(response)
            }
            Some(
                fault @ (Fault::Unavailable
                | Fault::LosesObject
                | Fault::Conflict
                | Fault::ExpiredCredentials),
            ) => {
                request.into_body().collect().await?;
                Ok(idle(fault))
            }
        }
    }

    async fn act(&self, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
        let conditional = request.method() == Method::PUT && request.headers().contains_key(IF_NONE_MATCH);
        let key = conditional.then(|| self.key(request.uri().path()));
        let _turn = match &key {
            Some(key) => Some(key.lock().await),
            None => None,
        };
        Ok(self.service.call(request.map(Body::from)).await?)
    }

    fn key(&self, path: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(path.to_owned()).or_default())
    }
}

/// Accepts connections until it is dropped, and they with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| state.answer(request));
            // A connection that breaks is the client's to notice.
            let connection = hyper::server::conn::http1::Builder::new();
            connection.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// The answer of a server that did nothing.
fn idle(fault: Fault) -> Response<Body> {
    match fault {
        Fault::LosesObject => {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(ETAG, other_etag());
            response
        }
        Fault::Conflict => refusal(StatusCode::CONFLICT, "ConditionalRequestConflict"),
        Fault::ExpiredCredentials => refusal(StatusCode::FORBIDDEN, "ExpiredToken"),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
    }
}

fn other_etag() -> HeaderValue {
    HeaderValue::from_static("\"00000000000000000000000000000000\"")
}

fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}
