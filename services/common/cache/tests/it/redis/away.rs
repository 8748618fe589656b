//! A server that is killed, absent or mute costs its callers little, and is used again when it is back.

use std::time::Duration;

use futures::future::join_all;
use imagioo_cache::{Cache, CacheError, Rate, RedisConfig, Verdict};
use imagioo_servers::RedisServer;
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

use super::{HANG, patient};

const TWICE: Rate = Rate { burst: 2, per: Duration::from_secs(3_600) };

/// Gives each call so long that only a server without an answer is away.
fn waits(url: &str) -> Cache {
    Cache::redis(&patient(url)).unwrap()
}

/// As in service, where a call may take a tenth of a second.
fn hasty(url: &str) -> Cache {
    Cache::redis(&RedisConfig { connect_milliseconds: 1_000, call_milliseconds: 100, ..patient(url) })
        .unwrap()
}

/// Fails until the server counts as away: quickly, and from then on at once.
async fn assert_away(cache: &Cache) {
    for _ in 0..3 {
        assert!(matches!(cache.allow("a", TWICE).await, Err(CacheError::Unavailable(_))));
    }
    let (started, mut asked) = (Instant::now(), 0);
    for _ in 0..1_000 {
        match cache.allow("a", TWICE).await {
            Err(CacheError::Away) => {}
            Err(CacheError::Unavailable(_)) => asked += 1,
            found => panic!("{found:?}"),
        }
    }
    // One call per quarter of a second tries; all others together take no time.
    assert!(asked <= 1 + started.elapsed().as_millis() / 250, "{asked} calls waited");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

async fn assert_back(cache: &Cache) {
    let back = async {
        while cache.allow("b", TWICE).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANG, back).await.unwrap();
    // All of it, not a lucky call.
    let counts = join_all((0..50).map(|_| cache.count("c", HANG))).await;
    assert!(counts.iter().all(Result::is_ok), "{counts:?}");
}

#[tokio::test]
async fn a_killed_server_fails_calls_at_once_and_a_restarted_one_is_used_again() {
    let mut server = RedisServer::start().await.unwrap();
    let cache = waits(server.url());
    assert_eq!(cache.allow("a", TWICE).await.unwrap(), Verdict::Allowed);
    for _ in 0..2 {
        server.kill().await.unwrap();
        assert_away(&cache).await;
        server.restart().await.unwrap();
        assert_back(&cache).await;
    }
}

#[tokio::test]
async fn a_server_that_is_absent_at_the_start_is_used_once_it_is_there() {
    let mut server = RedisServer::start().await.unwrap();
    server.kill().await.unwrap();
    let cache = waits(server.url());
    assert_away(&cache).await;
    server.restart().await.unwrap();
    assert_back(&cache).await;
}

#[tokio::test]
async fn a_server_that_dies_among_many_calls_hangs_none() {
    let mut server = RedisServer::start().await.unwrap();
    let cache = waits(server.url());
    cache.count("a", HANG).await.unwrap();
    let callers = join_all((0..200).map(|_| async {
        // Each goes on until the server is gone.
        while cache.count("a", HANG).await.is_ok() {}
    }));
    let (killed, ended) = tokio::join!(server.kill(), timeout(HANG, callers));
    killed.unwrap();
    ended.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_calls_and_answers_none_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = hasty(&format!("redis://{}/0", listener.local_addr().unwrap()));
    // The kernel takes the connection; nobody reads from it.
    assert_away(&cache).await;
}

#[tokio::test]
async fn a_server_that_refused_the_password_is_used_once_it_takes_it() {
    let server = RedisServer::start().await.unwrap();
    let mut admin = super::connect(&server).await;
    let require = |password: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("requirepass").arg(password);
        set
    };
    require("another").query_async::<()>(&mut admin).await.unwrap();
    let cache = waits(server.url());
    assert_away(&cache).await;
    let password = server.url().trim_start_matches("redis://:").split('@').next().unwrap().to_owned();
    require(&password).query_async::<()>(&mut admin).await.unwrap();
    assert_back(&cache).await;
}
