//! The door of a server: it sees every request before a service does.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

/// Decides about requests.
pub trait Door: Clone + Send + Sync + 'static {
    /// The request as services shall see it; or, where it goes no further, its answer.
    fn admit(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Request<Body>, Response<Body>>> + Send;
}

/// Puts services behind a door.
#[derive(Clone)]
pub(crate) struct DoorLayer<D>(pub(crate) D);

impl<D: Door, S> Layer<S> for DoorLayer<D> {
    type Service = Behind<D, S>;

    fn layer(&self, inner: S) -> Behind<D, S> {
        Behind { door: self.0.clone(), inner }
    }
}

/// A service behind a [`Door`].
#[derive(Clone)]
pub(crate) struct Behind<D, S> {
    door: D,
    inner: S,
}

impl<D, S> Service<Request<Body>> for Behind<D, S>
where
    D: Door,
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let door = self.door.clone();
        // The one that is ready is called; the clone takes its place (tower's rule for services that are cloned).
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match door.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(answer) => Ok(answer),
            }
        })
    }
}
