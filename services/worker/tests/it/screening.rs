//! Images are screened before anybody can see them (s85): the endpoint, its faults, and what becomes of the images.

mod endpoint;
mod takeovers;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_testkit::web::{Asked, Reply, WebServer};
use imagioo_worker::job::Job;
use serde_json::json;

use crate::harness::{World, picture};

/// An endpoint like OpenAI's that flags some pictures, after it has misbehaved as it is told.
struct Moderations {
    server: WebServer,
    faults: Arc<Mutex<VecDeque<Reply>>>,
}

impl Moderations {
    /// It flags pictures of these shades.
    async fn flagging(shades: &[u8]) -> Self {
        let flagged: Vec<_> = shades.iter().map(|shade| picture(*shade)).collect();
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        let first = Arc::clone(&faults);
        let server = WebServer::start(move |asked| {
            let fault = first.lock().expect("no test panics inside").pop_front();
            fault.unwrap_or_else(|| judged(flagged.iter().any(|file| *file == image(asked).1)))
        });
        Self { server: server.await, faults }
    }

    /// What it answers first.
    fn misbehaves(&self, replies: impl IntoIterator<Item = Reply>) {
        self.faults.lock().expect("no test panics inside").extend(replies);
    }

    fn asked(&self) -> usize {
        self.server.asked().len()
    }

    /// The options of a worker that asks it, and waits 1 s for each answer and `patience` in all.
    fn config(&self, patience: i64) -> toml::Table {
        let mut config = toml::toml! {
            [screening]
            output = "moderations"
            [screening.moderations]
            api_key = "test-key"
            timeout_seconds = 1
        };
        let base_url = self.server.url("/v1");
        let endpoint = config["screening"]["moderations"].as_table_mut().expect("a table");
        endpoint.insert("base_url".to_owned(), base_url.into());
        endpoint.insert("patience_seconds".to_owned(), patience.into());
        config
    }
}

/// An answer of the contract.
fn judged(flagged: bool) -> Reply {
    let body = json!({
        "id": "modr-970d409ef3bef3b70c73d8232df86e7d", "model": "omni-moderation-latest", "results": [{
            "flagged": flagged,
            "categories": { "sexual": false, "violence": flagged, "violence/graphic": flagged },
            "category_scores": { "sexual": 2.3e-7, "violence": 0.99, "violence/graphic": 0.84 },
            "category_applied_input_types": { "violence": ["image"] },
        }],
    });
    Reply::json(200, &body.to_string())
}

/// The media type and the file of a question.
fn image(asked: &Asked) -> (String, Vec<u8>) {
    let question = asked.json();
    let url = question["input"][0]["image_url"]["url"].as_str().expect("an address");
    let (media_type, file) =
        url.strip_prefix("data:").expect("a data URI").split_once(";base64,").expect("base64");
    (media_type.to_owned(), STANDARD.decode(file).expect("base64"))
}

/// Whether the image at a place is stored.
async fn is_stored(world: &World, job: &Job, (epoch, place): (u64, u32)) -> bool {
    world.storage.head(&job.image_key(epoch, place)).await.expect("readable").is_some()
}
