//! Calls as a patient client makes them: signed, with a time limit, and repeated as long as a failure may pass.

use anyhow::bail;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{AGAIN, ANSWER_WITHIN, PATIENCE};

pub(super) fn balanced(gateways: &[String]) -> anyhow::Result<Channel> {
    let endpoints: Vec<_> =
        gateways.iter().map(|address| imagioo_rpc::plain_endpoint(address)).collect::<Result<_, _>>()?;
    Ok(Channel::balance_list(endpoints.into_iter()))
}

pub(super) fn signed<T>(message: T, credential: &str) -> Result<Request<T>, Status> {
    let mut request = timed(message);
    let value = imagioo_rpc::bearer(credential).map_err(|_| Status::internal("the key is not text"))?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

pub(super) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER_WITHIN);
    request
}

/// Repeats a call as long as its failure may pass.
pub(super) async fn until_answered<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) if !passing(&status) => bail!("refused: {status}"),
            Err(status) if Instant::now() > deadline => bail!("still refused: {status}"),
            Err(_passes) => sleep(AGAIN).await,
        }
    }
}

/// A process that dies breaks its connections, which the client library reports in several ways.
fn passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Aborted => true,
        Code::Unknown | Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}
