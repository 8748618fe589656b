//! `imagioo serve`: every service in one process, on embedded defaults.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use imagioo_cache::Cache;
use imagioo_queue::Queue;
use imagioo_runtime::ops::{self, OpsConfig, Readiness};
use imagioo_runtime::{Boot, Settings, net};
use imagioo_storage::Storage;
use imagioo_types::SystemClock;
use serde::Deserialize;

pub(crate) mod data;
mod database;
mod demo;
mod services;
mod stages;

use data::DataFolder;
use stages::Stages;

const DEFAULTS: &str = include_str!("../../../deploy/config/serve.toml");

/// Runs every service in this process: private PostgreSQL, in-process queue, local folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds everything: database, images, keys
    #[arg(long, value_name = "DIR", env = "IMAGIOO_DATA_DIR")]
    data: Option<PathBuf>,
    /// A TOML file whose values replace the documented defaults; may be repeated
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Create a demo account with the CLI profile `local`, and make a first image
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    listen: SocketAddr,
    postgres: database::PostgresConfig,
    ops: OpsConfig,
}

/// Serves until Ctrl-C.
pub(crate) fn run(args: Args) -> ExitCode {
    match Settings::load("serve", DEFAULTS, &args.config) {
        Ok(settings) => imagioo_runtime::start_with("serve", settings, |boot| serve(boot, args)),
        Err(error) => {
            // There is no log yet, and nowhere to tell that standard error is closed.
            let _ = writeln!(io::stderr(), "imagioo does not start: {:#}", anyhow::Error::from(error));
            ExitCode::from(2)
        }
    }
}

async fn serve(boot: Boot, args: Args) -> anyhow::Result<()> {
    let config: Config = boot.settings.read()?;
    let public = net::bind(config.listen).await?;
    let operators = net::bind(config.ops.listen).await?;
    let data = DataFolder::open(args.data.as_deref())?;
    let mut postgres = database::start(&data, &config.postgres).await?;
    let outcome = {
        let access = postgres.ensure_database(database::NAME).await?;
        database::migrate(&access).await?;
        imagioo_rpc::keys::generate(&data.keys())?;
        imagioo_seal::create_key_file(&data.seal_key())?;
        let storage = Storage::local(&data.objects())?;
        storage.probe().await.context("the folder for images cannot be used")?;
        let readiness = Readiness::new();
        for service in services::GATES {
            readiness.gate(service);
        }
        boot.shutdown.attend("ops", ops::serve(operators, readiness.clone(), boot.shutdown.clone()));
        let shared = services::Shared {
            queue: Queue::in_process_at(&data.dead_letters())?,
            cache: Cache::in_process(),
            storage,
            clock: Arc::new(SystemClock),
            readiness: readiness.clone(),
        };
        let mut stages = Stages::new(&boot.shutdown);
        services::start(&mut stages, &data, &access, public, shared).await?;
        boot.shutdown.attend("announce", announce(readiness, config.clone(), data.clone(), args.demo));
        tokio::select! {
            outcome = stages.run() => outcome,
            error = postgres.keep_alive() => Err(error).context("the private database cannot be brought back"),
        }
    };
    postgres.stop().await?;
    outcome
}

/// Tells the person at the terminal where the doors are, once they are open, and begins the demo.
async fn announce(readiness: Readiness, config: Config, data: DataFolder, demo: bool) {
    readiness.opened().await;
    let told = say_where(&config, &data);
    if let Err(error) = told {
        tracing::warn!(error = %error, "standard output is closed");
    }
    if demo {
        demo::run(config.listen, &data).await;
    }
}

fn say_where(config: &Config, data: &DataFolder) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "imagioo is running")?;
    writeln!(out, "  gRPC:    http://{}", config.listen)?;
    writeln!(out, "  OpenAI:  http://{}/v1", config.listen)?;
    writeln!(out, "  health:  http://{}/readyz", config.ops.listen)?;
    writeln!(out, "  data:    {}", data.root().display())?;
    writeln!(out, "stop with Ctrl-C")?;
    out.flush()
}
