//! A provider that speaks OpenAI's Images API and does what the prompt says. It knows nothing of the adapter; its
//! answers are what the API's reference shows.

mod rough;

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use rough::Rough;

/// The model's name in the catalogue, and its size.
pub const MODEL: (&str, &str) = ("models/paid", "64x64");
/// How long a call takes whose prompt begins with `slow:`.
pub const SLOW: Duration = Duration::from_secs(10);
/// How long it wants to be left alone after it was asked too often.
pub const RETRY_AFTER: Duration = Duration::from_secs(3);
/// Credits for one image.
pub const PRICE: i64 = 6;

/// The models, the account that each is made with, and what an unknown outcome means there.
const MODELS: [(&str, &str, &str); 5] = [
    ("paid", "fake", "fail"),
    ("repeated", "fake", "repeat"),
    ("batch", "batches", "fail"),
    ("reset", "reset", "fail"),
    ("drip", "drip", "fail"),
];

pub struct FakeProvider {
    server: MockServer,
    rough: Rough,
    calls: Calls,
}

/// When it was called, by prompt.
pub type Calls = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

impl FakeProvider {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let calls = Calls::default();
        Mock::given(method("POST"))
            .and(path("/v1/images/generations"))
            .respond_with(Script { calls: Arc::clone(&calls), picture: picture() })
            .mount(&server)
            .await;
        Self { server, rough: Rough::start(&calls).await, calls }
    }

    /// How often it was asked, and would have been paid, for this prompt.
    pub fn calls(&self, prompt: &str) -> u32 {
        self.times(prompt).len() as u32
    }

    /// When it was asked for this prompt.
    pub fn times(&self, prompt: &str) -> Vec<Instant> {
        self.calls.lock().expect("no panic").get(prompt).cloned().unwrap_or_default()
    }

    /// How worker and gateway find it. `catalogue` is a file to be written.
    pub fn configs(&self, catalogue: &std::path::Path) -> Vec<(&'static str, toml::Table)> {
        std::fs::write(catalogue, catalogue_text()).expect("written");
        let deployments = MODELS.map(|(id, ..)| format!("[[deployments]]\nid = \"{id}\"\nconcurrency = 8\n"));
        let account = |name: &str, address: &str, per_call: u32| {
            format!(
                "[providers.{name}]\nkind = \"openai\"\nbase_url = \"{address}/v1\"\napi_key = \"fake\"\npaid = true\n\
                 dialect = {{ images_per_call = {per_call}, parameters = [\"n\", \"size\"] }}\n"
            )
        };
        let accounts = [
            account("fake", &self.server.uri(), 1),
            account("batches", &self.server.uri(), 4),
            account("reset", &self.rough.resets, 1),
            account("drip", &self.rough.drips, 1),
        ];
        let sketch = "[[deployments]]\nid = \"sketch\"\nconcurrency = 8\n";
        let worker = format!("{sketch}{}{}", deployments.concat(), accounts.concat());
        let gateway = format!("catalogue_file = {:?}", catalogue.display().to_string());
        let parse = |text: String| text.parse().expect("TOML");
        vec![("worker", parse(worker)), ("gateway", parse(gateway))]
    }
}

/// The model of the default catalogue that needs no account, and more of one operation and one size.
pub fn catalogue_of(models: &str) -> String {
    let all = include_str!("../../../../deploy/config/catalogue.toml");
    let (defaults, _) = all.split_once("# The models below").expect("those that need an account");
    let (head, rest) = defaults.split_once("[own_keys]").expect("providers that take keys");
    let (_, sketch) = rest.split_once("[[models]]").expect("a model");
    format!("{head}[[models]]{sketch}\n{models}")
}

/// A model with one deployment, both called `id`, and what an unknown outcome means there.
pub fn model_of(id: &str, (provider, provider_model): (&str, &str), unknown_outcome: &str) -> String {
    format!(
        "[[models]]\nid = \"{id}\"\ntitle = \"{id}\"\noperations = [\"text_to_image\"]\nsizes = [\"64x64\"]\n\
         qualities = []\nformats = [\"png\", \"webp\", \"jpeg\"]\nmax_count = 4\nseed = false\n\
         prices = [{{ credits = {PRICE} }}]\n[[models.deployments]]\nid = \"{id}\"\nprovider = \"{provider}\"\n\
         provider_model = \"{provider_model}\"\nconcurrency = 8\nprefetch = 8\ncall_timeout_seconds = 3\n\
         unknown_outcome = \"{unknown_outcome}\"\n"
    )
}

fn catalogue_text() -> String {
    let models = MODELS.map(|(id, provider, rule)| model_of(id, (provider, "paid-1"), rule));
    catalogue_of(&models.join("\n"))
}

struct Script {
    calls: Calls,
    picture: RgbImage,
}

impl Respond for Script {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked: serde_json::Value = request.body_json().expect("JSON");
        let prompt = asked["prompt"].as_str().expect("a prompt").to_owned();
        let call = {
            let mut calls = self.calls.lock().expect("no panic");
            let times = calls.entry(prompt.clone()).or_default();
            times.push(Instant::now());
            times.len()
        };
        let asked_for = asked["n"].as_u64().map_or(1, |n| n as usize);
        match prompt.split(':').next().unwrap_or_default() {
            "refuse" => json(
                400,
                r#"{"error":{"message":"Your request was rejected by the safety system. safety_violations=[violence]","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}"#,
            ),
            "rate-limit once" if call == 1 => {
                json(429, r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#)
                    .insert_header("retry-after", &*RETRY_AFTER.as_secs().to_string())
            }
            "broken once" if call == 1 => broken(),
            "broken twice" if call <= 2 => broken(),
            "fewer" => images(&self.encoded(ImageFormat::Png), asked_for - 1),
            "more" => images(&self.encoded(ImageFormat::Png), asked_for + 2),
            "error in 200" => json(200, r#"{"created":1,"error":{"message":"no","type":"server_error","code":"server_error"}}"#),
            "not json" => ResponseTemplate::new(200).set_body_string("<html>gateway</html>"),
            "html" => image(b"<!DOCTYPE html><html><body>not an image</body></html>"),
            "truncated" => image(&self.encoded(ImageFormat::Png)[..100]),
            "webp" => image(&self.encoded(ImageFormat::WebP)),
            "none" => json(200, r#"{"created":1,"data":[]}"#),
            "hang" => image(&self.encoded(ImageFormat::Png)).set_delay(Duration::from_secs(30)),
            "slow" => image(&self.encoded(ImageFormat::Png)).set_delay(SLOW),
            _ => images(&self.encoded(ImageFormat::Png), asked_for),
        }
    }
}

impl Script {
    fn encoded(&self, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        self.picture.write_to(&mut file, format).expect("encoded");
        file.into_inner()
    }
}

fn picture() -> RgbImage {
    RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 128]))
}

fn json(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, "application/json")
}

fn broken() -> ResponseTemplate {
    json(500, r#"{"error":{"message":"The server had an error","type":"server_error"}}"#)
}

fn image(file: &[u8]) -> ResponseTemplate {
    images(file, 1)
}

fn images(file: &[u8], count: usize) -> ResponseTemplate {
    let one = format!(r#"{{"b64_json":"{}"}}"#, STANDARD.encode(file));
    json(200, &format!(r#"{{"created":1,"data":[{}]}}"#, vec![one; count].join(",")))
}
