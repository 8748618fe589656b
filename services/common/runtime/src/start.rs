//! The life of a process: settings, telemetry, run, drain, flush.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, Command, value_parser};
use sqlx::migrate::Migrator;

use crate::database::{self, DatabaseConfig};
use crate::settings::Settings;
use crate::shutdown::{Shutdown, ShutdownConfig};
use crate::telemetry::{self, TelemetryConfig};
use crate::{ConfigError, crypto};

/// How long a service may still use after it was told to drop everything.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The command of an owner's process that migrates instead of serving.
const MIGRATE: &str = "migrate";
/// The exit code of a process that was not configured well enough to start.
const MISCONFIGURED: u8 = 2;

/// What a service is started with.
#[derive(Debug)]
pub struct Boot {
    /// The merged configuration; `settings.read::<Config>()` comes first in every `run`.
    pub settings: Settings,
    /// The stop of this process; its signals are already listened to.
    pub shutdown: Shutdown,
}

/// Runs a service: the whole body of its `main`.
///
/// Reads `--config FILE` arguments and the environment over `defaults`, then calls `run`. A configuration
/// that cannot be read ends the process with code 2 before anything else happens, a failed run with code 1.
pub fn start<F, Fut>(service: &'static str, defaults: &'static str, run: F) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match parse(&usage(service), std::env::args_os()) {
        Ok(arguments) => begin(service, defaults, &arguments, run),
        Err(usage) => usage.exit(),
    }
}

/// Like [`start`], for the owner of a schema: with the command `migrate` it brings the schema up to date instead of
/// serving, as the migrator's role that `database.url` then names.
pub fn start_owner<F, Fut>(
    service: &'static str,
    defaults: &'static str,
    migrator: fn() -> Migrator,
    run: F,
) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let migrate = Command::new(MIGRATE)
        .about("Bring the schema up to date, as the role imagioo_<owner>_migrator that database.url names");
    match parse(&usage(service).subcommand(migrate), std::env::args_os()) {
        Ok(arguments) if arguments.migrate => {
            begin(service, defaults, &arguments, |boot| migrate_schema(boot, migrator()))
        }
        Ok(arguments) => begin(service, defaults, &arguments, run),
        Err(usage) => usage.exit(),
    }
}

fn begin<F, Fut>(service: &'static str, defaults: &'static str, arguments: &Arguments, run: F) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match Settings::load(service, defaults, &arguments.files) {
        Ok(settings) => start_with(service, settings, run),
        Err(error) => refuse(service, &error),
    }
}

async fn migrate_schema(boot: Boot, migrator: Migrator) -> anyhow::Result<()> {
    let database: DatabaseConfig = boot.settings.required_section("database")?;
    Ok(database::migrate(&database.url, &migrator).await?)
}

/// Like [`start`], for a process that has already read its arguments.
pub fn start_with<F, Fut>(service: &'static str, settings: Settings, run: F) -> ExitCode
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let own = settings
        .section::<TelemetryConfig>("telemetry")
        .and_then(|telemetry| Ok((telemetry, settings.section::<ShutdownConfig>("shutdown")?)));
    let (telemetry, shutdown) = match own {
        Ok(own) => own,
        Err(error) => return refuse(service, &error),
    };
    crypto::install();
    #[cfg(feature = "kill-points")]
    if let Err(reason) = crate::kill_points::arm() {
        return refuse(service, &std::io::Error::other(reason));
    }
    let shutdown = Shutdown::new(Duration::from_secs(shutdown.grace_seconds));
    match live(service, &telemetry, supervise(Boot { settings, shutdown }, run)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(logged)) if logged.chain().any(|cause| cause.is::<ConfigError>()) => {
            ExitCode::from(MISCONFIGURED)
        }
        Ok(Err(_logged)) => ExitCode::FAILURE,
        Err(error) => refuse(service, error.as_ref()),
    }
}

/// What the command line of a service says.
struct Arguments {
    files: Vec<PathBuf>,
    migrate: bool,
}

fn usage(service: &'static str) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .help("A TOML file whose values replace the documented defaults; may be repeated")
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append)
        .global(true);
    Command::new(service).version(env!("CARGO_PKG_VERSION")).arg(file)
}

fn parse(usage: &Command, arguments: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut matches = usage.clone().try_get_matches_from(arguments)?;
    let migrate = matches.subcommand_name() == Some(MIGRATE);
    let files = matches.remove_many("config").map(Iterator::collect).unwrap_or_default();
    Ok(Arguments { files, migrate })
}

/// Telemetry outlives the work and is flushed whatever the work's outcome, which is logged here. The outer
/// error means that nothing could be logged.
fn live(
    service: &'static str,
    config: &TelemetryConfig,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<anyhow::Result<()>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(service)
        .build()
        .context("the asynchronous runtime cannot start")?;
    let guard = {
        let _inside = runtime.enter();
        telemetry::init(service, config).context("telemetry cannot start")?
    };
    let outcome = runtime.block_on(work);
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "service failed");
    }
    guard.flush();
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(outcome)
}

async fn supervise<F, Fut>(boot: Boot, run: F) -> anyhow::Result<()>
where
    F: FnOnce(Boot) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let shutdown = boot.shutdown.clone();
    shutdown.on_signals();
    shutdown.attend("metrics upkeep", telemetry::metrics::upkeep());
    let mut work = std::pin::pin!(run(boot));
    let outcome = tokio::select! {
        biased;
        outcome = &mut work => outcome,
        () = shutdown.forced() => match tokio::time::timeout(LAST_WORDS, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!("service dropped before it had stopped");
                Ok(())
            }
        },
    };
    shutdown.request();
    shutdown.drained().await;
    outcome
}

/// Says on standard error why the process does not start; there is no log yet.
fn refuse(service: &str, error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let mut line = format!("{service}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    // A closed standard error leaves nobody to tell.
    drop(writeln!(std::io::stderr(), "{line}"));
    ExitCode::from(MISCONFIGURED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(arguments: &[&str]) -> Result<Vec<PathBuf>, clap::Error> {
        parse(&usage("test"), arguments.iter().map(OsString::from)).map(|arguments| arguments.files)
    }

    #[test]
    fn configuration_files_are_taken_in_the_order_they_are_given() {
        let read = files(&["test", "--config", "a.toml", "--config", "b.toml"]).expect("valid arguments");
        assert_eq!(read, [PathBuf::from("a.toml"), PathBuf::from("b.toml")]);
        assert!(files(&["test"]).expect("valid arguments").is_empty());
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(files(&["test", "--confg", "a.toml"]).is_err());
    }

    #[test]
    fn a_process_ends_well_when_its_run_does() {
        let settings = Settings::from_parts("test", "", toml::Table::new()).expect("nothing to read");
        let code = start_with("test", settings, |boot| async move {
            let shutdown = boot.shutdown.clone();
            boot.shutdown.spawn("work", async move { shutdown.requested().await });
            Ok(())
        });
        assert_eq!(code, ExitCode::SUCCESS);
    }

    #[test]
    fn a_misread_configuration_and_a_failed_run_have_their_own_exit_codes() {
        let settings = Settings::from_parts("test", "[telemetry]\nnoise = 1", toml::Table::new());
        let code = start_with("test", settings.expect("well formed"), async |_| Ok(()));
        assert_eq!(code, ExitCode::from(MISCONFIGURED));

        let settings = Settings::from_parts("test", "", toml::Table::new()).expect("nothing to read");
        let code = start_with("test", settings, async |_| anyhow::bail!("no luck"));
        assert_eq!(code, ExitCode::FAILURE);
    }
}
