//! Profiles: the servers that this person uses, and the credentials for each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;

use crate::address::Address;

mod store;

pub(crate) use store::{Locked, ProfileError, Store};

/// The name of the profile when nobody chose one.
pub(crate) const DEFAULT_NAME: &str = "default";

/// The name of the profile that a server makes for its own machine.
pub(crate) const LOCAL: &str = "local";

/// Whether this person has a profile with this name.
///
/// # Errors
/// [`ProfileError`].
pub(crate) fn exists(name: &str) -> Result<bool, ProfileError> {
    Ok(Store::of_user()?.load()?.get(name).is_some())
}

/// Adds a profile for this person unless one has this name, which is left as it is; says whether it was added. The
/// first profile becomes the default.
///
/// # Errors
/// [`ProfileError`].
pub(crate) fn insert_if_absent(name: &str, profile: Profile) -> Result<bool, ProfileError> {
    Store::of_user()?.insert_if_absent(name, profile)
}

/// One server, one account, and at most one kind of credential: an API key or a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Where the gateway listens.
    pub(crate) server: Address,
    /// The account, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The model that makes images without `--model`, where it can; the catalogue's first that can when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The data folder, for a server on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// A long-lived credential.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    pub(crate) api_key: Option<SecretString>,
    /// A session's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Tokens>,
}

/// What a client holds of a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    /// Buys the next pair, once.
    #[serde(serialize_with = "expose_one")]
    pub(crate) refresh_token: SecretString,
    /// Proves who is calling until it expires.
    #[serde(serialize_with = "expose_one")]
    pub(crate) access_token: SecretString,
    /// When the access token stops working.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) access_expires: OffsetDateTime,
}

impl Profile {
    /// A profile without credentials.
    pub(crate) fn new(server: Address, email: Option<String>) -> Self {
        Self { server, email, model: None, data: None, api_key: None, session: None }
    }

    /// A profile with an API key, for the address `http://host:port` at which this process serves.
    pub(crate) fn with_api_key(server: &str, email: &str, key: &str) -> Self {
        let api_key = Some(key.into());
        Self { api_key, ..Self::new(Address::served_at(server), Some(email.to_owned())) }
    }

    /// Whether both stand for one account on one server.
    pub(crate) fn is_same_account(&self, other: &Self) -> bool {
        let known = |profile: &Self| profile.email.as_ref().map(|email| email.to_lowercase());
        self.server == other.server && self.email.is_some() && known(self) == known(other)
    }

    /// Forgets the credentials.
    pub(crate) fn sign_out(&mut self) {
        self.api_key = None;
        self.session = None;
    }
}

fn expose<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|secret| secret.expose_secret()).serialize(serializer)
}

fn expose_one<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    secret.expose_secret().serialize(serializer)
}

/// Everything in the file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The profile that is used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// The name of the profile to use when none is named.
    pub(crate) fn default_name(&self) -> &str {
        self.default.as_deref().unwrap_or(DEFAULT_NAME)
    }

    /// The profile with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The profile with this name, to change.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Profile> {
        self.profiles.get_mut(name)
    }

    /// Every profile by its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// Adds or replaces a profile. The first one becomes the default.
    pub(crate) fn insert(&mut self, name: &str, profile: Profile) {
        if self.profiles.is_empty() {
            self.default = Some(name.to_owned());
        }
        self.profiles.insert(name.to_owned(), profile);
    }

    /// Adds a profile unless one has this name; says whether it did.
    pub(crate) fn insert_if_absent(&mut self, name: &str, profile: Profile) -> bool {
        let absent = !self.profiles.contains_key(name);
        if absent {
            self.insert(name, profile);
        }
        absent
    }

    /// Uses this profile when none is named.
    pub(crate) fn make_default(&mut self, name: &str) {
        self.default = Some(name.to_owned());
    }
}
