//! What each service is told: the differences from its documented defaults, written to `config/<name>.toml`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use imagioo_runtime::postgres::Access;
use imagioo_servers::BUCKET;
use secrecy::ExposeSecret as _;
use toml::{Table, Value};

use crate::folder::Folder;
use crate::options::Options;
use crate::ports::Ports;

/// Everything that the configurations are made from.
pub(crate) struct Configs<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) options: &'a Options,
    pub(crate) ports: &'a Ports,
    pub(crate) access: &'a Access,
    pub(crate) rabbitmq: String,
    pub(crate) redis: String,
    pub(crate) s3: S3,
}

/// Where the objects are.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl Configs<'_> {
    pub(crate) fn account(&self) -> anyhow::Result<PathBuf> {
        let mut config = self.of("account", self.ports.ops_account());
        config.insert("listen".to_owned(), text(self.ports.account()));
        config.insert("database".to_owned(), self.database("account")?);
        let signing = self.folder.keys().join("access-signing.key").display().to_string();
        config.insert(
            "tokens".to_owned(),
            table([("signing_key_file", text(signing)), ("create_missing", Value::Boolean(true))]),
        );
        self.write("account", "account", config)
    }

    pub(crate) fn billing(&self) -> anyhow::Result<PathBuf> {
        let mut config = self.of("billing", self.ports.ops_billing());
        config.insert("listen".to_owned(), text(self.ports.billing()));
        config.insert("database".to_owned(), self.database("billing")?);
        let gateway = url(self.ports.gateway_internal(0));
        config.insert(
            "peers".to_owned(),
            table([("account", url(self.ports.account())), ("gateway", gateway)]),
        );
        self.write("billing", "billing", config)
    }

    pub(crate) fn gateway(&self, name: &str, replica: u16) -> anyhow::Result<PathBuf> {
        let mut config = self.of("gateway", self.ports.ops_gateway(replica));
        config.insert("listen".to_owned(), text(self.ports.gateway(replica)));
        config.insert("internal_listen".to_owned(), text(self.ports.gateway_internal(replica)));
        config.insert("database".to_owned(), self.database("generation")?);
        config.insert(
            "peers".to_owned(),
            table([("account", url(self.ports.account())), ("billing", url(self.ports.billing()))]),
        );
        let seal = text(self.folder.seal_key().display());
        config.insert("seal".to_owned(), table([("key_file", seal)]));
        config.insert("storage".to_owned(), self.storage());
        let redis = table([("url", text(&self.redis))]);
        config.insert("cache".to_owned(), table([("kind", text("redis")), ("redis", redis)]));
        self.write("gateway", name, config)
    }

    pub(crate) fn worker(&self, name: &str, replica: u16) -> anyhow::Result<PathBuf> {
        let mut config = self.of("worker", self.ports.ops_worker(replica));
        // Each has a gateway of its own, as far as there are enough.
        let gateway = self.ports.gateway_internal(replica % self.options.gateways);
        config.insert("peers".to_owned(), table([("gateway", url(gateway))]));
        config.insert("storage".to_owned(), self.storage());
        self.write("worker", name, config)
    }

    /// What all of them are told.
    fn of(&self, service: &str, ops: SocketAddr) -> Table {
        let key = |name: &str| text(self.folder.keys().join(name).display());
        let telemetry = &self.options.services;
        let sections = [
            (
                "identity",
                table([
                    ("service_key_file", key(&format!("{service}.key"))),
                    ("peer_keys_file", key("peers.json")),
                ]),
            ),
            ("queue", table([("url", text(&self.rabbitmq))])),
            ("ops", table([("listen", text(ops))])),
            (
                "telemetry",
                table([
                    ("log", text(&telemetry.log)),
                    ("format", text("json")),
                    ("otlp_endpoint", text(&telemetry.otlp_endpoint)),
                    ("sample_ratio", Value::Float(telemetry.sample_ratio)),
                ]),
            ),
        ];
        sections.into_iter().map(|(name, section)| (name.to_owned(), section)).collect()
    }

    fn database(&self, owner: &str) -> anyhow::Result<Value> {
        Ok(table([("url", text(self.access.service_url(owner)?.expose_secret()))]))
    }

    fn storage(&self) -> Value {
        let s3 = table([
            ("endpoint", text(&self.s3.endpoint)),
            ("region", text("auto")),
            ("bucket", text(BUCKET)),
            ("access_key_id", text(&self.s3.access_key_id)),
            ("secret_access_key", text(&self.s3.secret_access_key)),
            ("allow_http", Value::Boolean(true)),
        ]);
        table([("kind", text("s3")), ("s3", s3)])
    }

    /// Only its owner may read the passwords in it.
    fn write(&self, service: &str, name: &str, mut config: Table) -> anyhow::Result<PathBuf> {
        let meant = |whose: &str| whose == service || whose == name;
        for (_, overrides) in self.options.overrides.iter().filter(|(whose, _)| meant(whose)) {
            merge(&mut config, overrides);
        }
        if let Some(amend) = &self.options.amend {
            amend.apply(service, &mut config);
        }
        let path = self.folder.configs().join(format!("{name}.toml"));
        let write = || -> anyhow::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(self.folder.configs())?;
            file.write_all(config.to_string().as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

fn merge(config: &mut Table, overrides: &Table) {
    for (key, value) in overrides {
        match (config.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            _ => drop(config.insert(key.clone(), value.clone())),
        }
    }
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(value: impl ToString) -> Value {
    Value::String(value.to_string())
}

fn url(address: SocketAddr) -> Value {
    text(format!("http://{address}"))
}
