//! Links that let whoever holds them read one object for a while.

use std::time::Duration;

use http::Method;
use url::Url;

use crate::{error::StorageError, key::ObjectKey, storage::Storage};

/// The longest life of a signed link: nobody can take it back.
pub const LONGEST_LINK: Duration = Duration::from_secs(15 * 60);

impl Storage {
    /// Whether links can be signed here at all.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Signs a link for reading one object, valid for `lifetime` (whole seconds; the rest is cut off). The
    /// link is a secret: its bearer needs nothing else, so it belongs in no log. It is made here, without
    /// asking the store, whether the object exists or not.
    ///
    /// # Errors
    /// [`StorageError::Unsupported`] for a local folder and for memory, [`StorageError::Lifetime`],
    /// [`StorageError::Store`]
    pub async fn sign_get(&self, key: &ObjectKey, lifetime: Duration) -> Result<Url, StorageError> {
        let signer = self.signer.as_ref().ok_or(StorageError::Unsupported)?;
        if lifetime < Duration::from_secs(1) || lifetime > LONGEST_LINK {
            return Err(StorageError::Lifetime { longest: LONGEST_LINK });
        }
        Ok(signer.signed_url(Method::GET, &key.path(), lifetime).await?)
    }
}
