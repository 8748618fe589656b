//! A provider that speaks OpenAI's Images API and does what the prompt says. It knows nothing of the adapter; its
//! answers are what the API's reference shows.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// The model's name in the catalogue, and its size.
pub const MODEL: (&str, &str) = ("models/paid", "64x64");
/// How long a call takes whose prompt begins with `slow:`.
pub const SLOW: Duration = Duration::from_secs(10);
/// Credits for one image.
pub const PRICE: i64 = 6;

pub struct FakeProvider {
    server: MockServer,
    calls: Calls,
}

/// Calls by prompt.
type Calls = Arc<Mutex<HashMap<String, u32>>>;

impl FakeProvider {
    pub async fn start() -> Self {
        let server = MockServer::start().await;
        let calls = Calls::default();
        Mock::given(method("POST"))
            .and(path("/v1/images/generations"))
            .respond_with(Script { calls: Arc::clone(&calls), picture: picture() })
            .mount(&server)
            .await;
        Self { server, calls }
    }

    /// How often it was asked, and would have been paid, for this prompt.
    pub fn calls(&self, prompt: &str) -> u32 {
        self.calls.lock().expect("no panic").get(prompt).copied().unwrap_or_default()
    }

    /// How worker and gateway find it. `catalogue` is a file to be written.
    pub fn configs(&self, catalogue: &std::path::Path) -> Vec<(&'static str, toml::Table)> {
        std::fs::write(catalogue, catalogue_text()).expect("written");
        let worker = format!(
            "[[deployments]]\nid = \"sketch\"\nconcurrency = 8\n\
             [[deployments]]\nid = \"paid\"\nconcurrency = 8\n\
             [providers.fake]\nkind = \"openai\"\nbase_url = \"{}/v1\"\napi_key = \"fake\"\npaid = true\n\
             dialect = {{ images_per_call = 1, parameters = [\"n\", \"size\"] }}\n",
            self.server.uri()
        );
        let gateway = format!("catalogue_file = {:?}", catalogue.display().to_string());
        let parse = |text: String| text.parse().expect("TOML");
        vec![("worker", parse(worker)), ("gateway", parse(gateway))]
    }
}

/// The model of the default catalogue that needs no account, and one more.
fn catalogue_text() -> String {
    let all = include_str!("../../../../deploy/config/catalogue.toml");
    let (defaults, _) = all.split_once("# The models below").expect("those that need an account");
    let (head, rest) = defaults.split_once("[own_keys]").expect("providers that take keys");
    let (_, models) = rest.split_once("[[models]]").expect("a model");
    format!(
        "{head}[[models]]{models}\n[[models]]\nid = \"paid\"\ntitle = \"Paid\"\noperations = [\"text_to_image\"]\n\
         sizes = [\"64x64\"]\nqualities = []\nformats = [\"png\", \"webp\", \"jpeg\"]\nmax_count = 4\nseed = false\n\
         prices = [{{ credits = {PRICE} }}]\n[[models.deployments]]\nid = \"paid\"\nprovider = \"fake\"\nprovider_model = \"paid-1\"\n\
         concurrency = 8\nprefetch = 8\ncall_timeout_seconds = 3\nunknown_outcome = \"fail\"\n"
    )
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
            let count = calls.entry(prompt.clone()).or_default();
            *count += 1;
            *count
        };
        match prompt.split(':').next().unwrap_or_default() {
            "refuse" => json(
                400,
                r#"{"error":{"message":"Your request was rejected by the safety system. safety_violations=[violence]","type":"image_generation_user_error","param":null,"code":"moderation_blocked"}}"#,
            ),
            "rate-limit once" if call == 1 => {
                json(429, r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#)
                    .insert_header("retry-after", "1")
            }
            "broken once" if call == 1 => json(500, r#"{"error":{"message":"The server had an error","type":"server_error"}}"#),
            "error in 200" => json(200, r#"{"created":1,"error":{"message":"no","type":"server_error","code":"server_error"}}"#),
            "not json" => ResponseTemplate::new(200).set_body_string("<html>gateway</html>"),
            "html" => image(b"<!DOCTYPE html><html><body>not an image</body></html>"),
            "truncated" => image(&self.encoded(ImageFormat::Png)[..100]),
            "webp" => image(&self.encoded(ImageFormat::WebP)),
            "none" => json(200, r#"{"created":1,"data":[]}"#),
            "hang" => image(&self.encoded(ImageFormat::Png)).set_delay(Duration::from_secs(30)),
            "slow" => image(&self.encoded(ImageFormat::Png)).set_delay(SLOW),
            _ => image(&self.encoded(ImageFormat::Png)),
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

fn image(file: &[u8]) -> ResponseTemplate {
    json(200, &format!(r#"{{"created":1,"data":[{{"b64_json":"{}"}}]}}"#, STANDARD.encode(file)))
}
