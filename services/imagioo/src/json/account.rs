//! People and their API keys.

use imagioo_proto::account::v1 as wire;
use serde::Serialize;

use crate::when;

/// A person.
#[derive(Debug, Serialize)]
pub(crate) struct UserAnswer {
    name: String,
    email: String,
    email_verified: bool,
    create_time: Option<String>,
}

impl From<&wire::User> for UserAnswer {
    fn from(user: &wire::User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            create_time: when::exact(user.create_time.as_ref()),
        }
    }
}

/// An API key, without its secret.
#[derive(Debug, Serialize)]
pub(crate) struct ApiKeyAnswer {
    name: String,
    display_name: String,
    prefix: String,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_use_time: Option<String>,
}

impl From<&wire::ApiKey> for ApiKeyAnswer {
    fn from(key: &wire::ApiKey) -> Self {
        Self {
            name: key.name.clone(),
            display_name: key.display_name.clone(),
            prefix: key.prefix.clone(),
            create_time: when::exact(key.create_time.as_ref()),
            expire_time: when::exact(key.expire_time.as_ref()),
            revoke_time: when::exact(key.revoke_time.as_ref()),
            last_use_time: when::exact(key.last_use_time.as_ref()),
        }
    }
}
