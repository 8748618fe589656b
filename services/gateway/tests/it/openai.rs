//! The HTTP door: what clients of OpenAI ask for is a generation like any other.

mod edits;
mod errors;
mod generations;
mod keys;
mod screening;
mod stream;
mod web;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::{Answer, Program, drawing};

/// A call under way, which the test does not wait for yet.
fn ask(program: &Program, body: Value) -> tokio::task::JoinHandle<Answer> {
    let program = program.clone();
    under_way(async move { program.draw(body).await })
}

/// The same for a single image.
fn ask_for(program: &Program, prompt: &str) -> tokio::task::JoinHandle<Answer> {
    ask(program, drawing(prompt))
}

#[expect(clippy::disallowed_methods, reason = "the test waits for it")]
fn under_way<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(call)
}

const EDITS: &str = "/v1/images/edits";

/// The smallest picture that is one.
fn tiny() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut file, image::ImageFormat::Png).expect("encodes");
    file.into_inner()
}

/// The files in an answer.
fn files(answer: &Value) -> Vec<String> {
    let data = answer["data"].as_array().expect("data");
    data.iter().map(|image| text_of(&image["b64_json"])).collect()
}

fn text_of(base64: &Value) -> String {
    let bytes = STANDARD.decode(base64.as_str().expect("base64")).expect("base64");
    String::from_utf8(bytes).expect("text")
}
