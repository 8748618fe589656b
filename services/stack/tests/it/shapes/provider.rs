//! A server of three providers, whose calls are counted, watched and held up. It knows nothing of the adapters; what it
//! answers is what the providers' references show.

mod polled;
mod several;
mod streamed;

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post, put};
use image::{ImageFormat, Rgb, RgbImage};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to a call at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// It arrived: from now on it costs money.
    Asked,
    /// Its state was asked for.
    Polled,
    /// A draft of its image was sent.
    Drafted,
}

/// A moment of the calls for a prompt, and its number: the first, the second…
type Place = (String, Moment, u32);

#[derive(Debug, Default)]
struct Seen {
    reached: HashMap<(String, Moment), u32>,
    held: HashSet<Place>,
}

/// A call that was accepted and is asked after.
#[derive(Debug, Clone)]
struct Task {
    prompt: String,
    count: u64,
}

/// The providers of a test; they end with the value.
pub struct Shapes {
    pub address: String,
    desk: Desk,
    _server: JoinSet<()>,
}

/// What the providers share.
#[derive(Debug, Clone)]
struct Desk {
    address: String,
    seen: Arc<watch::Sender<Seen>>,
    tasks: Arc<Mutex<HashMap<String, Task>>>,
}

impl Shapes {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let desk = Desk { address: address.clone(), seen: Arc::default(), tasks: Arc::default() };
        let app = Router::new()
            .route("/fal/{owner}/{app}/{path}", post(polled::submit))
            .route("/fal/{owner}/{app}/requests/{id}/status", get(polled::status))
            .route("/fal/{owner}/{app}/requests/{id}", get(polled::result))
            .route("/fal/{owner}/{app}/requests/{id}/cancel", put(polled::cancel))
            .route("/v1/images/generations", post(streamed::generate))
            .route("/v2beta/stable-image/generate/sd3", post(several::generate))
            .route("/files/image.png", get(async |_: State<Desk>| picture()))
            .with_state(desk.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { address, desk, _server: server }
    }

    /// How often a call for this prompt arrived, and would have been paid.
    pub fn paid(&self, prompt: &str) -> u32 {
        self.count(prompt, Moment::Asked)
    }

    /// How often the calls for a prompt came to a moment.
    pub fn count(&self, prompt: &str, moment: Moment) -> u32 {
        self.desk.seen.borrow().reached.get(&(prompt.to_owned(), moment)).copied().unwrap_or_default()
    }

    /// Has whoever comes to a moment for the so-manieth time wait there.
    pub fn hold(&self, prompt: &str, (moment, number): (Moment, u32)) {
        self.desk.seen.send_modify(|seen| seen.held.extend([(prompt.to_owned(), moment, number)]));
    }

    /// Lets everybody go on.
    pub fn release(&self, prompt: &str) {
        self.desk.seen.send_modify(|seen| seen.held.retain(|(held, _, _)| held != prompt));
    }
}

impl Desk {
    /// Notes a moment, and waits there if it is held.
    async fn pass(&self, prompt: &str, moment: Moment) {
        let mut number = 0;
        self.seen.send_modify(|seen| {
            let count = seen.reached.entry((prompt.to_owned(), moment)).or_default();
            *count += 1;
            number = *count;
        });
        let place = (prompt.to_owned(), moment, number);
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| !seen.held.contains(&place)).await.map(drop).expect("the sender is here");
    }

    fn polls(&self, prompt: &str) -> u32 {
        self.seen.borrow().reached.get(&(prompt.to_owned(), Moment::Polled)).copied().unwrap_or_default()
    }

    fn task(&self, id: &str) -> Option<Task> {
        self.tasks.lock().expect("no panic").get(id).cloned()
    }
}

/// A PNG of 64 × 64 pixels.
fn picture() -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 128]));
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("encoded");
    file.into_inner()
}
