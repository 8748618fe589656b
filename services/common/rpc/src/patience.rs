//! A call that no server has seen is made again, for as long as a peer may take to restart.

use std::error::Error;
use std::future::poll_fn;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// A peer that restarts is back by then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);
/// Longest request; services read none that is longer.
const LONGEST: usize = 4 << 20;

/// Calls a service that is ready.
///
/// # Errors
/// Those of the service.
pub(crate) async fn call<S>(mut service: S, request: Request<Body>) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Error + 'static,
{
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(axum::body::Body::new(body), LONGEST).await else {
        return Ok(Status::out_of_range("the request is too long, or broke off").into_http());
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let body = Body::new(axum::body::Body::from(body.clone()));
        match service.call(Request::from_parts(head.clone(), body)).await {
            Err(error) if never_seen(&error) && Instant::now() < until => sleep(AGAIN).await,
            answer => return answer,
        }
        poll_fn(|context| service.poll_ready(context)).await?;
    }
}

/// Whether a request never left: there was no connection, or the one there was ended before it.
fn never_seen(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let canceled = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if canceled || error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::HeaderValue;
    use tower::service_fn;

    use super::*;

    fn away() -> tonic::ConnectError {
        tonic::ConnectError("connection refused".into())
    }

    fn request() -> Request<Body> {
        let mut request = Request::new(Body::new(axum::body::Body::from("a fox")));
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("10S"));
        request
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_a_peer_that_restarts_and_is_the_same_each_time() {
        let tries = Arc::new(AtomicU32::new(0));
        let peer = service_fn(|request: Request<Body>| {
            let tries = Arc::clone(&tries);
            async move {
                assert!(request.headers().contains_key("grpc-timeout"));
                let body = axum::body::to_bytes(axum::body::Body::new(request.into_body()), LONGEST).await;
                assert_eq!(&*body.expect("a body"), b"a fox");
                if tries.fetch_add(1, Ordering::Relaxed) < 20 { Err(away()) } else { Ok(Response::default()) }
            }
        });
        assert!(call(peer, request()).await.is_ok());
        assert_eq!(tries.load(Ordering::Relaxed), 21);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_stays_away_is_given_up() {
        let began = Instant::now();
        let refused = call(service_fn(async |_: Request<Body>| Err(away())), request()).await;
        assert!(refused.is_err());
        assert!((PATIENCE..PATIENCE * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_a_peer_may_have_seen_is_not_made_again() {
        let began = Instant::now();
        let broken = || std::io::Error::other("connection reset");
        let refused = call(service_fn(async |_: Request<Body>| Err(broken())), request()).await;
        assert!(refused.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
