//! A running stack.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;

use anyhow::Context as _;
use futures::future::{join_all, try_join_all};
use imagioo_runtime::postgres::Access;
use imagioo_servers::{RedisServer, SeaweedFs};
use nix::sys::signal::Signal;
use secrecy::{ExposeSecret as _, SecretString};

use crate::broker;
use crate::configs::{Configs, S3};
use crate::database::{self, Database};
use crate::folder::{Folder, Lock};
use crate::part::Part;
use crate::ports::Ports;
use crate::service::{Once, Recipe, Service, migrate};
use crate::state::{PartState, Phase, State, boot};
use crate::{leftover, options::Options};

/// Processes with their supervisors. Dropping it kills them all; [`Self::stop`] lets them finish.
#[derive(Debug)]
pub struct Stack {
    folder: Folder,
    ports: Ports,
    access: Access,
    rabbitmq: SecretString,
    /// In the order of their start.
    parts: Vec<Part>,
    once: BTreeMap<String, Once>,
    ops: BTreeMap<String, SocketAddr>,
    _lock: Lock,
}

impl Stack {
    /// Starts everything, and returns while it is starting; [`Self::ready`] waits. The servers run already.
    ///
    /// # Errors
    /// The folder is in use, ports are taken, a server is not to be had, or a schema cannot be migrated.
    pub async fn start(folder: &Folder, options: &Options) -> anyhow::Result<Self> {
        options.check()?;
        folder.create()?;
        let lock = folder.lock()?;
        leftover::end(folder);
        let ports = Ports::claim(options.port).await?;
        ports.require_free(options.gateways, options.workers).await?;
        imagioo_rpc::keys::generate(&folder.keys())?;
        imagioo_seal::create_key_file(&folder.seal_key())?;
        let (postgres, rabbitmq, redis, seaweed) = tokio::try_join!(
            Database::start(folder, options.postgres.durable),
            broker::prepare(folder, options),
            RedisServer::prepare(),
            async { SeaweedFs::keep(&folder.server("seaweedfs")).await },
        )?;
        let (postgres, access) = postgres;
        let (access_key_id, secret_access_key) = seaweed.credentials();
        let s3 = S3 {
            endpoint: seaweed.endpoint(),
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
        };
        let (amqp, redis_url) = (rabbitmq.url(), redis.url().to_owned());
        let parts = vec![
            Part::start(database::NAME.to_owned(), postgres.address(), postgres),
            Part::start("rabbitmq".to_owned(), without_password(&amqp), rabbitmq),
            Part::start("redis".to_owned(), without_password(&redis_url), redis),
            Part::start("seaweedfs".to_owned(), s3.endpoint.clone(), seaweed),
        ];
        let mut stack = Self {
            folder: folder.clone(),
            ports,
            access,
            rabbitmq: amqp.clone().into(),
            parts,
            once: BTreeMap::new(),
            ops: BTreeMap::new(),
            _lock: lock,
        };
        try_join_all(stack.parts.iter().map(Part::ready)).await?;
        stack.migrate().await?;
        let configs = Configs {
            folder,
            options,
            ports: &stack.ports,
            access: &stack.access,
            rabbitmq: amqp,
            redis: redis_url,
            s3,
        };
        let recipes = recipes(&configs)?;
        for (name, recipe) in recipes {
            stack.add(name, recipe)?;
        }
        Ok(stack)
    }

    async fn migrate(&self) -> anyhow::Result<()> {
        let schemas = [("account", "account"), ("billing", "billing"), ("gateway", "generation")];
        try_join_all(schemas.map(|(service, owner)| async move {
            let url = self.access.migrator_url(owner)?;
            migrate(service, url.expose_secret()).await
        }))
        .await
        .map(drop)
    }

    fn add(&mut self, name: String, recipe: Recipe<'_>) -> anyhow::Result<()> {
        let once = Once::default();
        let address = recipe.listens.first().unwrap_or(&recipe.ops).to_string();
        self.ops.insert(name.clone(), recipe.ops);
        let service = Service::new(recipe, Once::clone(&once))?;
        self.once.insert(name.clone(), once);
        self.parts.push(Part::start(name, address, service));
        Ok(())
    }

    /// Waits until every process has become ready.
    ///
    /// # Errors
    /// One was stopped meanwhile.
    pub async fn ready(&self) -> anyhow::Result<()> {
        try_join_all(self.parts.iter().map(Part::ready)).await.map(drop)
    }

    /// Where clients call a gateway: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn gateway(&self, replica: u16) -> String {
        format!("http://{}", self.ports.gateway(replica))
    }

    /// Where each service tells operators how it is, by name.
    #[must_use]
    pub const fn ops(&self) -> &BTreeMap<String, SocketAddr> {
        &self.ops
    }

    /// Its data.
    #[must_use]
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The database's addresses.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// The broker's address, for what is measured beside the services.
    #[must_use]
    pub const fn rabbitmq(&self) -> &SecretString {
        &self.rabbitmq
    }

    /// How every process is, in the order of their start.
    #[must_use]
    pub fn parts(&self) -> Vec<PartState> {
        self.parts.iter().map(Part::state).collect()
    }

    /// What other processes may read.
    pub(crate) fn state(&self, phase: Phase) -> State {
        State { phase, boot: boot(), parts: self.parts() }
    }

    /// Writes down how everything is, for `status` and for whoever finds the remains.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn note(&self, phase: Phase) -> anyhow::Result<()> {
        self.state(phase).write(&self.folder)
    }

    /// Sends a signal to a process that is ready. One that dies of it is started again.
    ///
    /// # Errors
    /// There is no such process, or it does not run.
    pub async fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.part(name)?.signal(signal).await
    }

    /// Stops a process in order and starts it again, with these variables in its environment this once.
    ///
    /// # Errors
    /// There is no such service.
    pub async fn restart(&self, name: &str, environment: &[(&str, &str)]) -> anyhow::Result<()> {
        if !environment.is_empty() {
            let once = self.once.get(name).with_context(|| format!("there is no service {name}"))?;
            let owned = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            once.lock().unwrap_or_else(PoisonError::into_inner).extend(owned);
        }
        self.part(name)?.restart().await
    }

    /// Stops a process in order. It stays so until [`Self::restart`].
    ///
    /// # Errors
    /// There is no such process, or it had to be killed.
    pub async fn hold_down(&self, name: &str) -> anyhow::Result<()> {
        self.part(name)?.hold_down().await
    }

    /// Waits until a process has become ready.
    ///
    /// # Errors
    /// There is no such process, or it is stopped.
    pub async fn part_ready(&self, name: &str) -> anyhow::Result<()> {
        self.part(name)?.ready().await
    }

    fn part(&self, name: &str) -> anyhow::Result<&Part> {
        self.parts.iter().find(|part| part.name() == name).with_context(|| format!("there is no part {name}"))
    }

    /// Stops the services, those first that others do not need, then the servers.
    ///
    /// # Errors
    /// Something did not end in order; everything has ended nevertheless.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let mut failures = Vec::new();
        while let Some(stage) = self.parts.last().map(stage) {
            let first = self.parts.iter().position(|part| self::stage(part) == stage).unwrap_or_default();
            let group = self.parts.split_off(first);
            let names: Vec<_> = group.iter().map(|part| part.name().to_owned()).collect();
            let outcomes = join_all(group.into_iter().map(Part::stop)).await;
            for (name, outcome) in names.iter().zip(outcomes) {
                if let Err(error) = outcome {
                    failures.push(format!("{name}: {error:#}"));
                }
            }
        }
        State::remove(&self.folder);
        anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
        Ok(())
    }
}

/// Parts of one stage stop together: replicas of one service, or the servers.
fn stage(part: &Part) -> String {
    let service = part.name().trim_end_matches(|last: char| last.is_ascii_digit() || last == '-');
    if ["worker", "gateway", "billing", "account"].contains(&service) {
        service.to_owned()
    } else {
        "servers".to_owned()
    }
}

/// The services in the order of their start, with their configurations written.
fn recipes(configs: &Configs<'_>) -> anyhow::Result<Vec<(String, Recipe<'static>)>> {
    let Configs { folder, options, ports, .. } = configs;
    let recipe = |service, name: &str, config, ops, listens| {
        let log = folder.logs().join(format!("{name}.log"));
        (name.to_owned(), Recipe { service, config, log, ops, listens })
    };
    let mut recipes = vec![
        recipe("account", "account", configs.account()?, ports.ops_account(), vec![ports.account()]),
        recipe("billing", "billing", configs.billing()?, ports.ops_billing(), vec![ports.billing()]),
    ];
    for replica in 0..options.gateways {
        let name = format!("gateway-{}", replica + 1);
        let listens = vec![ports.gateway(replica), ports.gateway_internal(replica)];
        let config = configs.gateway(&name, replica)?;
        recipes.push(recipe("gateway", &name, config, ports.ops_gateway(replica), listens));
    }
    for replica in 0..options.workers {
        let name = format!("worker-{}", replica + 1);
        let config = configs.worker(&name, replica)?;
        recipes.push(recipe("worker", &name, config, ports.ops_worker(replica), Vec::new()));
    }
    Ok(recipes)
}

fn without_password(url: &str) -> String {
    url.rsplit('@').next().unwrap_or_default().to_owned()
}
