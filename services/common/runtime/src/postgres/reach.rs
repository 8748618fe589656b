//! Folders that the server's user can enter.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};

/// `parent/name`, unless we are root and others cannot pass through `parent`: PostgreSQL refuses to run as root, so
/// it is then a folder under /var/lib, one for each `parent`.
#[must_use]
pub fn folder_in_reach(parent: &Path, name: &str) -> PathBuf {
    if !geteuid().is_root() || passable(parent) {
        return parent.join(name);
    }
    let digest = Sha256::digest(parent.as_os_str().as_encoded_bytes());
    let mark: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("/var/lib/{name}-{mark}"))
}

/// Whether every existing folder on the way lets everybody pass.
fn passable(path: &Path) -> bool {
    path.ancestors()
        .filter_map(|folder| fs::metadata(folder).ok())
        .all(|metadata| metadata.permissions().mode() & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_home_is_not_passable() {
        let place = tempfile::tempdir().expect("folder");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).expect("mode");
        assert!(!passable(&place.path().join("share")));
    }
}
