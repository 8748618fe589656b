//! A server that speaks the OpenAI Images API and gives the answers it is told. Its bodies are those of the API's
//! documentation; it shares nothing with the adapter.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagioo_testkit::web::{Asked, Reply, WebServer};

/// The server; it ends with the value.
pub struct FakeOpenAi {
    server: WebServer,
    state: Arc<Mutex<State>>,
}

/// What will be answered.
#[derive(Default)]
pub struct State {
    /// Answers to requests for images, in order.
    pub replies: VecDeque<Reply>,
    /// Answers to everything else, by path.
    pub files: HashMap<String, Reply>,
}

/// A success with images in base64.
pub fn success(files: &[&[u8]]) -> Reply {
    Reply::json(200, &images(files))
}

/// The body of a success.
pub fn images(files: &[&[u8]]) -> String {
    let data: Vec<String> =
        files.iter().map(|file| format!(r#"{{"b64_json":"{}"}}"#, STANDARD.encode(file))).collect();
    format!(
        r#"{{"created":1713833628,"background":"opaque","data":[{}],"output_format":"png","quality":"low",
        "size":"1024x1024","usage":{{"input_tokens":50,"input_tokens_details":{{"image_tokens":40,"text_tokens":10}},
        "output_tokens":50,"total_tokens":100}}}}"#,
        data.join(",")
    )
}

fn asks_for_images(asked: &Asked) -> bool {
    asked.path.starts_with("/v1/images/")
}

impl FakeOpenAi {
    /// A server that will give these answers.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let state =
            Arc::new(Mutex::new(State { replies: replies.into_iter().collect(), ..State::default() }));
        let shared = Arc::clone(&state);
        let server = WebServer::start(move |asked| {
            let mut state = shared.lock().expect("no test panics inside");
            let reply = if asks_for_images(asked) {
                state.replies.pop_front()
            } else {
                state.files.get(&asked.path).cloned()
            };
            reply.unwrap_or_else(Reply::unknown)
        });
        Self { server: server.await, state }
    }

    /// Where its API begins.
    pub fn base_url(&self) -> String {
        self.server.url("/v1")
    }

    /// A look at, or a change of, what will be answered.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics inside")
    }

    /// Requests for images so far: each would have been paid for.
    pub fn paid(&self) -> usize {
        self.asked().iter().filter(|asked| asks_for_images(asked)).count()
    }
}

impl Deref for FakeOpenAi {
    type Target = WebServer;

    fn deref(&self) -> &WebServer {
        &self.server
    }
}
