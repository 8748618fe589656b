//! RabbitMQ as the stack runs it.

use anyhow::Context as _;
use imagioo_servers::RabbitMq;

use crate::folder::Folder;
use crate::options::Options;

/// The broker with its parameters, not running yet.
pub(crate) async fn prepare(folder: &Folder, options: &Options) -> anyhow::Result<RabbitMq> {
    let mut broker = RabbitMq::keep(&folder.server("rabbitmq")).await?;
    for (_, parameters) in options.overrides.iter().filter(|(whose, _)| *whose == "rabbitmq") {
        for (name, value) in parameters {
            let value = value.as_integer().and_then(|value| value.try_into().ok());
            broker.set(name, value.with_context(|| format!("{name} of RabbitMQ is not a whole number"))?);
        }
    }
    Ok(broker)
}
