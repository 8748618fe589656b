//! What makes one node private: folder, ports, name, password.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use uuid::Uuid;

const USER: &str = "imagioo";
/// Everything that the programs print.
const OUTPUT: &str = "output";

#[derive(Debug)]
pub(super) struct Site {
    folder: TempDir,
    name: String,
    password: String,
    amqp: u16,
    distribution: u16,
    mapper: u16,
}

impl Site {
    pub(super) fn choose(parent: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(parent)?;
        let folder = tempfile::Builder::new().prefix("rabbitmq-").tempdir_in(parent)?;
        let [amqp, distribution, mapper] = free_ports()?;
        let name = format!("imagioo-{}", Uuid::now_v7().simple());
        // The random part of a UUIDv7 has 74 bits; two of them are a password.
        let password = format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple());
        let site = Self { folder, name, password, amqp, distribution, mapper };
        fs::write(site.folder().join("rabbitmq.conf"), site.configuration())?;
        fs::write(site.folder().join("plugins"), "[].")?;
        Ok(site)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn url(&self) -> String {
        format!("amqp://{USER}:{}@{}", self.password, self.amqp())
    }

    pub(super) fn amqp(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.amqp).into()
    }

    pub(super) fn mapper(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.mapper).into()
    }

    /// The alarms would look at the whole machine otherwise, and a full test machine is no alarm.
    fn configuration(&self) -> String {
        format!(
            "listeners.tcp.1 = {}\n\
             default_user = {USER}\n\
             default_pass = {}\n\
             disk_free_limit.absolute = 10MB\n\
             vm_memory_high_watermark.absolute = 1GB\n\
             log.console = false\n\
             log.file.level = warning\n",
            self.amqp(),
            self.password
        )
    }

    /// Everything the scripts would else take from the system, and no address but loopback.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder().join(name).display().to_string();
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        vec![
            ("HOME", self.folder().display().to_string()),
            ("RABBITMQ_NODENAME", format!("{}@localhost", self.name)),
            ("RABBITMQ_MNESIA_BASE", file("mnesia")),
            ("RABBITMQ_LOG_BASE", file("log")),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins")),
            ("RABBITMQ_PID_FILE", file("pid")),
            ("RABBITMQ_NODE_IP_ADDRESS", Ipv4Addr::LOCALHOST.to_string()),
            ("RABBITMQ_NODE_PORT", self.amqp.to_string()),
            ("RABBITMQ_DIST_PORT", self.distribution.to_string()),
            ("ERL_EPMD_ADDRESS", Ipv4Addr::LOCALHOST.to_string()),
            ("ERL_EPMD_PORT", self.mapper.to_string()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("-start_epmd false {loopback}")),
            ("RABBITMQ_CTL_ERL_ARGS", loopback.to_owned()),
            // The script becomes the node instead of its parent, so that a signal reaches the node.
            ("RABBITMQ_ALLOW_INPUT", "1".to_owned()),
        ]
    }

    pub(super) fn output(&self) -> Stdio {
        let file = File::options().create(true).append(true).open(self.folder().join(OUTPUT));
        file.map_or_else(|_| Stdio::null(), Stdio::from)
    }

    /// The end of what the programs printed.
    pub(super) fn last_words(&self) -> String {
        let output = fs::read_to_string(self.folder().join(OUTPUT)).unwrap_or_default();
        let mut lines: Vec<_> = output.lines().rev().take(20).collect();
        lines.reverse();
        lines.join("\n")
    }
}

/// All are held until all are known, so that they differ.
fn free_ports() -> std::io::Result<[u16; 3]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [listen()?, listen()?, listen()?];
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    Ok([port(&listeners[0])?, port(&listeners[1])?, port(&listeners[2])?])
}
