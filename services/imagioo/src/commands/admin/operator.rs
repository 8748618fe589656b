//! The operator's connection: its service key, and where that is.

use std::path::PathBuf;
use std::sync::Arc;

use imagioo_rpc::{Channel, ServiceKeys, connect, keys};
use imagioo_types::ServiceName;
use tonic::Status;

use crate::address::Address;
use crate::context::Context;
use crate::environment;
use crate::failure::Failure;

/// Options of every operator's command.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Data folder of the server; without it the profile's, else the usual one
    #[arg(long, global = true, value_name = "DIR", env = "IMAGIOO_DATA_DIR")]
    data: Option<PathBuf>,
    /// Folder with operator.key and peers.json; goes before the data folder
    #[arg(long, global = true, value_name = "DIR")]
    keys_dir: Option<PathBuf>,
}

/// A server, and the key that its operator calls it with.
pub(super) struct Operator {
    server: Address,
    keys: ServiceKeys,
}

impl Operator {
    /// The operator of the server in use.
    ///
    /// # Errors
    /// [`Failure`] when there is no key where it should be.
    pub(super) fn new(context: &Context, place: Place) -> Result<Self, Failure> {
        let config = keys::config_in(&folder(context, place)?, ServiceName::Operator);
        let keys = ServiceKeys::load(&config, ServiceName::Operator, Arc::clone(&context.clock))?;
        Ok(Self { server: context.server()?, keys })
    }

    /// A connection that proves to this service who calls.
    pub(super) fn channel(&self, audience: ServiceName) -> Result<Channel, Failure> {
        Ok(connect(self.server.as_str(), &self.keys, audience)?)
    }

    /// What a refusal means.
    pub(super) fn failure(&self, status: Status) -> Failure {
        Failure::of_status(&self.server, status)
    }
}

/// The named folder, else the one in the profile's data, else the one where a server on this machine keeps it.
fn folder(context: &Context, place: Place) -> Result<PathBuf, Failure> {
    if let Some(folder) = place.keys_dir {
        return Ok(folder);
    }
    let data = match place.data {
        Some(data) => Some(data),
        None => context.selected()?.1.and_then(|profile| profile.data).or_else(environment::data_folder),
    };
    let data =
        data.ok_or_else(|| Failure::usage("where are the server's keys?", "name its folder with `--data`"))?;
    Ok(data.join("keys"))
}
