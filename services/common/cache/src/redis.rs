//! The cache that many processes share. It may vanish at any moment: every call is bounded, and while the server is
//! away callers learn it at once instead of waiting for it one by one.
//!
//! Time is that of the server, so all processes agree. Scripts run as one step each. A key is kept no longer than it
//! means anything.

mod circuit;

use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo as _, RedisError, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use self::circuit::Circuit;
use crate::{
    error::CacheError,
    instruments,
    rate::{LONGEST, Rate, Verdict},
};

/// [`Rate::judge`] in the server. Times are microseconds; a number of Lua is exact up to 2^53 of them, and is kept
/// with all its digits.
static ALLOW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
         local now = time[1] * 1000000 + time[2]
         local per, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
         local full_until = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
         local after = full_until + per
         if after > now + tolerance then return after - now - tolerance end
         if after > now then
           redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
         end
         return 0",
    )
});

/// Counting and the first event's setting of the window's end are one step: no counter stays for ever.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count = redis.call('INCR', KEYS[1])
         if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
         return count",
    )
});

/// Commands that wait for their turn on the one connection; more wait before it.
const PIPELINE: usize = 1_024;

/// Where a shared cache is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// Its address, `redis://:PASSWORD@HOST:PORT/DATABASE`. It carries the password.
    pub url: SecretString,
    /// What every key begins with, so that several installations can share a server.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Milliseconds until a connection must stand.
    #[serde(default = "connect_milliseconds")]
    pub connect_milliseconds: u64,
    /// Milliseconds until a call must have been answered.
    #[serde(default = "call_milliseconds")]
    pub call_milliseconds: u64,
}

fn prefix() -> String {
    "imagioo".to_owned()
}

fn connect_milliseconds() -> u64 {
    1_000
}

fn call_milliseconds() -> u64 {
    100
}

/// One connection that all calls share, made when the first one comes and again whenever it breaks.
pub(crate) struct Redis {
    client: Client,
    timing: ConnectionManagerConfig,
    connection: Mutex<ConnectionManager>,
    prefix: String,
    patience: Duration,
    circuit: Circuit,
}

impl Redis {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self, CacheError> {
        if config.connect_milliseconds == 0 || config.call_milliseconds == 0 {
            return Err(CacheError::Misconfigured("a time-out is zero".into()));
        }
        let patience = Duration::from_millis(config.call_milliseconds);
        let connect = Duration::from_millis(config.connect_milliseconds);
        let client = client(config, connect.max(patience)).map_err(misconfigured)?;
        // The circuit decides when to try again, so one try at a time is enough.
        let timing = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(connect))
            .set_response_timeout(Some(patience))
            .set_pipeline_buffer_size(PIPELINE);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), timing.clone());
        let connection = Mutex::new(connection.map_err(misconfigured)?);
        let prefix = config.prefix.clone();
        Ok(Self { client, timing, connection, prefix, patience, circuit: Circuit::default() })
    }

    pub(crate) async fn allow(&self, key: &str, rate: Rate) -> Result<Verdict, CacheError> {
        let per = rate.per.min(LONGEST);
        if rate.burst == 0 {
            return Ok(Verdict::Denied { retry_after: per });
        }
        // Rounded up: a shortest interval is none at all only if it was meant so.
        let micros = |span: Duration| span.as_nanos().div_ceil(1_000) as u64;
        let per = Duration::from_micros(micros(per));
        let tolerance = per.saturating_mul(rate.burst).min(LONGEST);
        let mut script = ALLOW.key(self.key("limit", key));
        script.arg(micros(per)).arg(micros(tolerance));
        let wait: u64 = self.run(&script).await?;
        Ok(match wait {
            0 => Verdict::Allowed,
            wait => Verdict::Denied { retry_after: Duration::from_micros(wait) },
        })
    }

    pub(crate) async fn count(&self, key: &str, window: Duration) -> Result<u64, CacheError> {
        let mut script = COUNT.key(self.key("count", key));
        script.arg(millis(window));
        self.run(&script).await
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let mut get = redis::cmd("GET");
        get.arg(self.key("value", key));
        let found: Option<Vec<u8>> = self.ask(&get).await?;
        Ok(found.map(Bytes::from))
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let ttl = millis(ttl);
        if ttl == 0 {
            return self.remove(key).await;
        }
        let mut set = redis::cmd("SET");
        set.arg(self.key("value", key)).arg(value).arg("PX").arg(ttl);
        self.ask(&set).await
    }

    pub(crate) async fn remove(&self, key: &str) -> Result<(), CacheError> {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.key("value", key));
        self.ask(&delete).await
    }

    fn key(&self, kind: &'static str, key: &str) -> String {
        format!("{}:{kind}:{key}", self.prefix)
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, CacheError> {
        let mut connection = self.connection().clone();
        self.bounded(script.invoke_async(&mut connection)).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        let mut connection = self.connection().clone();
        self.bounded(command.query_async(&mut connection)).await
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Result<T, CacheError> {
        if !self.circuit.admits(Instant::now()) {
            instruments::failed("away");
            return Err(CacheError::Away);
        }
        let (cause, error) = match timeout(self.patience, call).await {
            Ok(Ok(answer)) => {
                self.circuit.answered();
                return Ok(answer);
            }
            Ok(Err(error)) => ("error", CacheError::Unavailable(error.into())),
            Err(late) => ("late", CacheError::Unavailable(late.into())),
        };
        instruments::failed(cause);
        let away = self.circuit.failed(Instant::now());
        // One that is late may be connecting still.
        if away && cause == "error" {
            self.start_afresh();
        }
        Err(error)
    }

    /// The manager mends a broken connection by itself, but keeps the refusal of a server (a password that is not its
    /// own yet, say) for ever.
    fn start_afresh(&self) {
        if let Ok(fresh) = ConnectionManager::new_lazy_with_config(self.client.clone(), self.timing.clone()) {
            *self.connection() = fresh;
        }
    }

    /// No code panics while it holds this lock; a poisoned one is whole.
    fn connection(&self) -> MutexGuard<'_, ConnectionManager> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was sent and not confirmed within `patience` is a broken connection, not a slow one.
fn client(config: &RedisConfig, patience: Duration) -> Result<Client, RedisError> {
    let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(patience);
    Client::open(config.url.expose_secret().into_connection_info()?.set_tcp_settings(tcp))
}

fn misconfigured(error: RedisError) -> CacheError {
    CacheError::Misconfigured(error.into())
}

/// Rounded up, so that nothing ends early.
fn millis(span: Duration) -> u64 {
    span.min(LONGEST).as_nanos().div_ceil(1_000_000) as u64
}
