//! What makes one node private: folder, ports, name, password.

use std::net::{Ipv4Addr, SocketAddr};

use uuid::Uuid;

use crate::free_ports;
use crate::home::Home;

const USER: &str = "imagioo";

#[derive(Debug)]
pub(super) struct Site {
    pub(super) home: Home,
    name: String,
    password: String,
    amqp: u16,
    distribution: u16,
    mapper: u16,
    parameters: String,
}

impl Site {
    /// The name and the password stay with the data, which no other node could read; the ports are new.
    pub(super) fn choose(home: Home) -> anyhow::Result<Self> {
        let [amqp, distribution, mapper] = free_ports()?;
        let name = home.secret("name", || format!("imagioo-{}", Uuid::now_v7().simple()))?;
        // The random part of a UUIDv7 has 74 bits; two of them are a password.
        let password =
            home.secret("password", || format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple()))?;
        let site = Self { home, name, password, amqp, distribution, mapper, parameters: String::new() };
        site.home.write_private("rabbitmq.conf", &site.configuration())?;
        site.home.write_private("plugins", "[].")?;
        Ok(site)
    }

    /// On the command line, because its configuration file does not know every parameter.
    pub(super) fn set(&mut self, parameter: &str, value: u64) {
        self.parameters.push_str(&format!(" -rabbit {parameter} {value}"));
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
        let file = |name: &str| self.home.file(name);
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}";
        let server = format!("-start_epmd false {loopback}{}", self.parameters);
        vec![
            ("HOME", self.home.path().display().to_string()),
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
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", server),
            ("RABBITMQ_CTL_ERL_ARGS", loopback.to_owned()),
            // The script becomes the node instead of its parent, so that a signal reaches the node.
            ("RABBITMQ_ALLOW_INPUT", "1".to_owned()),
        ]
    }
}
