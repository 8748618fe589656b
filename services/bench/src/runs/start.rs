//! M11: how long a process takes from its start to its first answer, with everything else up and migrated.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use imagioo_proto::generation::v1::ListGenerationsRequest;
use imagioo_proto::generation::v1::generation_service_client::GenerationServiceClient;
use imagioo_stack::User;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::load::crowd;
use crate::place::{Place, Setting};
use crate::plan::Plan;
use crate::provider::Provider;
use crate::sink::{Keep, Sink};

/// What is started again and again.
const PARTS: [&str; 4] = ["account", "billing", "gateway-1", "worker-1"];
const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// The starts of one process.
#[derive(Debug, Serialize)]
pub(crate) struct Starts {
    pub(crate) part: &'static str,
    /// Milliseconds until it said that it is ready.
    pub(crate) ready: Vec<f64>,
    /// Milliseconds until a user's call was answered; of a gateway only.
    pub(crate) answered: Vec<f64>,
}

/// Runs it on a stack of its own.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Vec<Starts>> {
    let (provider, sink) = (Provider::start(plan).await?, Sink::start(Keep::Sizes).await?);
    Place::during(&Setting::working(&provider, &sink), async |place| {
        let users = crowd::gather(place, 1).await?;
        let mut all = Vec::new();
        for part in PARTS {
            all.push(several(plan.starts, place, &users[0], part).await?);
        }
        Ok(all)
    })
    .await
}

async fn several(times: usize, place: &Place, user: &User, part: &'static str) -> anyhow::Result<Starts> {
    let ops = *place.stack.ops().get(part).with_context(|| format!("there is no {part}"))?;
    let is_gateway = part.starts_with("gateway");
    let mut starts = Starts { part, ready: Vec::new(), answered: Vec::new() };
    for _ in 0..times {
        place.stack.hold_down(part).await?;
        let begun = Instant::now();
        let since = |moment: Instant| moment.duration_since(begun).as_secs_f64() * 1000.0;
        let answered = async {
            Ok(if is_gateway { Some(first(async || calls(place, user).await).await?) } else { None })
        };
        let (restarted, ready, answered) =
            tokio::join!(place.stack.restart(part, &[]), first(async || says_ready(ops).await), answered);
        restarted?;
        let answered: anyhow::Result<Option<Instant>> = answered;
        starts.ready.push(since(ready?));
        starts.answered.extend(answered?.map(since));
        place.stack.part_ready(part).await?;
    }
    Ok(starts)
}

/// When a question was first answered with yes.
async fn first(question: impl AsyncFn() -> bool) -> anyhow::Result<Instant> {
    let ask = async {
        while !question().await {
            sleep(LOOK).await;
        }
        Instant::now()
    };
    timeout(PATIENCE, ask).await.context("it does not answer")
}

/// Whether a service says that it is ready. A connection of its own each time, as nothing may be left of the last one.
async fn says_ready(ops: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(ops).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ask.await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// Whether a user's call is answered, likewise.
async fn calls(place: &Place, user: &User) -> bool {
    let Ok(endpoint) = tonic::transport::Endpoint::from_shared(place.stack.gateway(0)) else { return false };
    let Ok(channel) = endpoint.connect().await else { return false };
    let Ok(request) = user.says(ListGenerationsRequest { page_size: 1, ..Default::default() }) else {
        return false;
    };
    GenerationServiceClient::new(channel).list_generations(request).await.is_ok()
}
