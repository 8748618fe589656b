//! The worker driven through its doors: hints and cancellations in; images, manifests and announcements out.

mod batches;
mod conformance;
mod fake_gateway;
mod fake_provider;
mod harness;
mod interruptions;
mod jobs;
mod pictures;
mod providers;
mod recovery;
mod screening;
