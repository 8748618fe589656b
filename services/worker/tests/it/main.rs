//! The worker driven through its doors: hints and cancellations in; images, manifests and announcements out.

mod fake_gateway;
mod fake_openai;
mod fake_provider;
mod harness;
mod interruptions;
mod jobs;
mod openai;
mod openai_edits;
mod recovery;
