//! What every client command works with: options, profiles, clock, and the connection they lead to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use imagioo_runtime::Shutdown;
use imagioo_types::{Clock, SystemClock};

use crate::address::Address;
use crate::cli::Global;
use crate::client::{Client, Credential};
use crate::failure::Failure;
use crate::output::Output;
use crate::profile::{Profile, Store};
use crate::session::Session;

/// How long an interrupted command may still take to store what it was given.
const GRACE: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) options: Global,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: Shutdown,
    unfinished: Mutex<Option<String>>,
}

impl Context {
    /// The surroundings of a command with these options.
    ///
    /// # Errors
    /// [`Failure::Profile`] without a home.
    pub(crate) fn new(options: Global) -> Result<Self, Failure> {
        Ok(Self {
            output: Output::new(options.json),
            options,
            store: Store::of_user()?,
            clock: Arc::new(SystemClock),
            shutdown: Shutdown::new(GRACE),
            unfinished: Mutex::new(None),
        })
    }

    /// The profile in use: its name, and the profile if there is one.
    ///
    /// # Errors
    /// [`Failure::Profile`].
    pub(crate) fn selected(&self) -> Result<(String, Option<Profile>), Failure> {
        let profiles = self.store.load()?;
        let name = self.options.profile.as_deref().unwrap_or_else(|| profiles.default_name());
        Ok((name.to_owned(), profiles.get(name).cloned()))
    }

    /// The server in use: the named one, the profile's, or the one on this machine.
    ///
    /// # Errors
    /// [`Failure::Profile`].
    pub(crate) fn server(&self) -> Result<Address, Failure> {
        if let Some(server) = &self.options.server {
            return Ok(server.clone());
        }
        Ok(self.selected()?.1.map(|profile| profile.server).unwrap_or_default())
    }

    /// A client without credentials.
    ///
    /// # Errors
    /// [`Failure::Profile`], [`Failure::Connect`].
    pub(crate) fn anonymous(&self) -> Result<Client, Failure> {
        Client::new(self.server()?, Credential::Nothing)
    }

    /// A client with the person's credentials.
    ///
    /// # Errors
    /// [`Failure::SignedOut`] without usable credentials.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let server = self.server()?;
        if let Some(key) = &self.options.api_key {
            return Client::new(server, Credential::Key(key.clone()));
        }
        let (name, profile) = self.selected()?;
        let Some(profile) = profile else {
            return Err(Failure::SignedOut {
                message: format!("nobody is signed in: there is no profile `{name}`"),
            });
        };
        if profile.server != server {
            let home = &profile.server;
            let message = format!("profile `{name}` is for {home}; its credentials are not sent to {server}");
            return Err(Failure::SignedOut { message });
        }
        if let Some(key) = profile.api_key {
            return Client::new(server, Credential::Key(key));
        }
        if profile.session.is_none() {
            return Err(Failure::SignedOut { message: format!("profile `{name}` is signed out") });
        }
        let client = Client::new(server, Credential::Nothing)?;
        let session = Session::new(self, name, client.line().clone());
        Ok(client.with(Credential::Session(session)))
    }

    /// Notes a generation that goes on if the person stops waiting.
    pub(crate) fn leave_behind(&self, generation: Option<&str>) {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = generation.map(str::to_owned);
    }

    /// The failure of a command that the person stopped.
    pub(crate) fn interrupted(&self) -> Failure {
        let resume = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Failure::Interrupted { resume }
    }
}
