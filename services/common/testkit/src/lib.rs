//! What tests of several services need: a fresh database per test on a real PostgreSQL, and servers that misbehave on
//! request: an S3 and a web server, and links that break.
//!
//! `imagioo-testkit run -- CMD` starts a private PostgreSQL and a private RabbitMQ and runs the tests with
//! their addresses in [`TEST_POSTGRES`] and [`TEST_RABBITMQ`]. A server of one's own may be named there
//! instead; PostgreSQL's roles `imagioo_*` get the test password. Tests share the RabbitMQ and keep apart by
//! the prefix of their queues; a test that kills one starts its own of `imagioo-servers`.

mod database;
pub mod link;
pub mod s3;
mod template;
pub mod web;

pub use database::Database;

use imagioo_runtime::postgres::RolePasswords;

/// The environment variable with a superuser's address of the server for tests.
pub const TEST_POSTGRES: &str = "IMAGIOO_TEST_POSTGRES";
/// The environment variable with the address of the RabbitMQ for tests.
pub const TEST_RABBITMQ: &str = "IMAGIOO_TEST_RABBITMQ";
/// What the names of databases of single tests begin with.
pub const TEST_PREFIX: &str = "imagioo_test_";
/// What the names of migrated databases that are copied for tests begin with.
pub const TEMPLATE_PREFIX: &str = "imagioo_template_";

/// The passwords of every role on a server for tests: known, because such a server holds nothing of worth.
#[must_use]
pub fn passwords() -> RolePasswords {
    RolePasswords::for_tests(&"imagioo-test".into())
}

/// The address of the RabbitMQ that all tests of this run share.
///
/// # Panics
/// When none is named in the environment.
#[must_use]
pub fn rabbitmq_url() -> String {
    std::env::var_os(TEST_RABBITMQ).and_then(|url| url.into_string().ok()).unwrap_or_else(|| {
        panic!("{TEST_RABBITMQ} is not set: run `cargo run -p imagioo-testkit -- run -- cargo test …`")
    })
}
