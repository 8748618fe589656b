//! The adapters over HTTP, each against its provider's API at the level of bytes.

mod automatic1111;
mod bfl;
mod comfyui;
mod fake_openai;
mod fal;
mod gemini;
mod openai;
mod openai_edits;
mod replicate;
mod stability;
