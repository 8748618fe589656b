//! A real Redis: the common properties, and what happens while it is away.

mod away;

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use bytes::Bytes;
use imagioo_cache::{Cache, CacheError, Rate, RedisConfig, Verdict};
use imagioo_servers::RedisServer;
use tokio::time::timeout;
use uuid::Uuid;

use crate::conformance::{self, Bench, Clock};

conformance::properties!(
    #[tokio::test]
    bench().await
);

/// Nothing takes so long that does not hang.
const HANG: Duration = Duration::from_secs(60);
/// A key that ends in a millisecond is there until it is over.
const TICK: Duration = Duration::from_millis(2);

/// For tests of what is answered rather than of how soon: a busy machine must not fail them.
fn patient(url: &str) -> RedisConfig {
    RedisConfig {
        url: url.into(),
        prefix: format!("test-{}", Uuid::now_v7()),
        connect_milliseconds: 20_000,
        call_milliseconds: 20_000,
    }
}

async fn bench() -> Bench<ServerClock> {
    let server = RedisServer::given_or_started().await.unwrap();
    let cache = Cache::redis(&patient(server.url())).unwrap();
    Bench { cache, clock: ServerClock { connection: connect(&server).await, _server: server } }
}

async fn connect(server: &RedisServer) -> MultiplexedConnection {
    ::redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// The clock of the server, which cannot be set: it is asked until it shows the time.
struct ServerClock {
    connection: MultiplexedConnection,
    /// Lives as long as its clock.
    _server: RedisServer,
}

impl ServerClock {
    async fn now(&self) -> Duration {
        let (seconds, micros): (u64, u64) =
            ::redis::cmd("TIME").query_async(&mut self.connection.clone()).await.unwrap();
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    }
}

impl Clock for ServerClock {
    const STOPPED: bool = false;

    async fn pass(&self, span: Duration) {
        let until = self.now().await + span + TICK;
        timeout(HANG, async { while self.now().await < until {} }).await.unwrap();
    }
}

const TWICE: Rate = Rate { burst: 2, per: Duration::from_secs(3_600) };

#[tokio::test]
async fn many_processes_share_one_limit() {
    let server = RedisServer::given_or_started().await.unwrap();
    let config = patient(server.url());
    for expected in [true, true, false, false] {
        let process = Cache::redis(&config).unwrap();
        let verdict = process.allow("a", TWICE).await.unwrap();
        assert_eq!(verdict == Verdict::Allowed, expected);
    }
}

#[tokio::test]
async fn installations_on_one_server_do_not_meet() {
    let server = RedisServer::given_or_started().await.unwrap();
    let (one, other) = (patient(server.url()), patient(server.url()));
    let (one, other) = (Cache::redis(&one).unwrap(), Cache::redis(&other).unwrap());
    one.put("a", Bytes::from_static(b"value"), HANG).await.unwrap();
    assert_eq!(other.get("a").await.unwrap(), None);
    assert_eq!(one.count("a", HANG).await.unwrap(), 1);
    assert_eq!(other.count("a", HANG).await.unwrap(), 1);
}

#[tokio::test]
async fn no_key_stays_for_ever() {
    let server = RedisServer::given_or_started().await.unwrap();
    let config = patient(server.url());
    let cache = Cache::redis(&config).unwrap();
    let minute = Duration::from_secs(60);
    cache.allow("a", Rate { burst: 5, per: minute }).await.unwrap();
    cache.count("a", minute).await.unwrap();
    cache.count("a", minute * 10).await.unwrap();
    cache.put("a", Bytes::from_static(b"value"), minute).await.unwrap();
    let mut connection = connect(&server).await;
    for kind in ["limit", "count", "value"] {
        let mut ask = ::redis::cmd("PTTL");
        let left: i64 =
            ask.arg(format!("{}:{kind}:a", config.prefix)).query_async(&mut connection).await.unwrap();
        assert!((1..=60_000).contains(&left), "{kind}: {left}");
    }
}

#[tokio::test]
async fn a_flushed_server_starts_limits_afresh_and_fails_nothing() {
    let server = RedisServer::start().await.unwrap();
    let cache = Cache::redis(&patient(server.url())).unwrap();
    for _ in 0..2 {
        assert_eq!(cache.allow("a", TWICE).await.unwrap(), Verdict::Allowed);
    }
    let mut connection = connect(&server).await;
    for command in ["FLUSHALL", "SCRIPT"] {
        let mut flush = ::redis::cmd(command);
        if command == "SCRIPT" {
            flush.arg("FLUSH");
        }
        flush.query_async::<()>(&mut connection).await.unwrap();
    }
    assert_eq!(cache.allow("a", TWICE).await.unwrap(), Verdict::Allowed);
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = RedisServer::start().await.unwrap();
    let wrong = server.url().replace("redis://:", "redis://:canary");
    let config = patient(&wrong);
    let error = Cache::redis(&config).unwrap().get("a").await.unwrap_err();
    assert!(matches!(error, CacheError::Unavailable(_)));
    assert!(!format!("{error:?} {error} {config:?}").contains("canary"));
}

#[tokio::test]
async fn a_wrong_description_is_refused_without_showing_it() {
    let right = patient("redis://127.0.0.1:1/0");
    let wrong = [
        patient("http://:canary@localhost"),
        patient("canary"),
        RedisConfig { call_milliseconds: 0, ..right.clone() },
        RedisConfig { connect_milliseconds: 0, ..right },
    ];
    for config in wrong {
        let Err(error) = Cache::redis(&config) else { panic!("{config:?}") };
        assert!(matches!(error, CacheError::Misconfigured(_)), "{error:?}");
        assert!(!format!("{error:?} {error} {config:?}").contains("canary"), "{error:?}");
    }
}
