//! Real servers as private children of a process: RabbitMQ, Redis and an S3 store, for `make up` and for tests.
//!
//! Each listens on loopback only, on free ports, with secrets of its own, and ends with the process that started
//! it, however that ends ([`Leash`]). Programs are those of the machine, or fetched without root by
//! `deploy/local/fetch-*.sh`. PostgreSQL is not here: the product itself runs one (`imagioo_runtime::postgres`).

mod home;
mod leash;
mod ports;
mod process;
mod programs;
mod rabbitmq;
mod redis;
mod seaweed;

pub use leash::Leash;
pub use ports::free_ports;
pub use process::Process;
pub use rabbitmq::RabbitMq;
pub use redis::{RedisServer, TEST_REDIS};
pub use seaweed::{BUCKET, SeaweedFs};
