//! The programs of a PostgreSQL server: where they are and which version they have.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::folder::Folder;
use super::{PostgresError, PostgresOptions, fetch};

/// The oldest version whose default privileges keep other roles out of the schema `public`.
const LEAST_MAJOR: u32 = 15;

/// The programs of one version.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The version that the folder's cluster needs; for a new one the newest.
    pub(super) async fn find(folder: &Folder, options: &PostgresOptions) -> Result<Self, PostgresError> {
        let fetched = options.fetch_into.as_deref();
        let places = match &options.binaries {
            Some(place) => vec![place.clone()],
            None => installed(fetched),
        };
        match choose(known(&places).await, folder) {
            Err(missing) => match fetched {
                Some(into) if options.binaries.is_none() => {
                    tracing::info!(into = %into.display(), "fetching postgresql");
                    choose(known(&[fetch(into).await?]).await, folder)
                }
                _ => Err(missing),
            },
            found => found,
        }
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn choose(mut found: Vec<Binaries>, folder: &Folder) -> Result<Binaries, PostgresError> {
    found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    let Some(needed) = folder.major() else {
        return found
            .into_iter()
            .find(|binaries| binaries.major >= LEAST_MAJOR)
            .ok_or(PostgresError::NotInstalled { least: LEAST_MAJOR });
    };
    let versions = found.iter().map(|binaries| binaries.major).collect();
    found.into_iter().find(|binaries| binaries.major == needed).ok_or(PostgresError::OtherMajor {
        data: folder.data(),
        needed,
        found: versions,
    })
}

/// Folders that may hold the programs: Debian's, those of PATH, and what was fetched before.
fn installed(fetched: Option<&Path>) -> Vec<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .map(|version| version.path().join("bin"))
        .chain(std::env::split_paths(&path))
        .chain(fetched.map(fetch::programs))
        .collect()
}

/// Those places that hold a server that runs on this machine.
async fn known(places: &[PathBuf]) -> Vec<Binaries> {
    let mut found = Vec::new();
    for folder in places {
        let complete = ["postgres", "initdb", "pg_ctl"].iter().all(|name| folder.join(name).is_file());
        if complete && let Some(major) = major(&folder.join("postgres")).await {
            found.push(Binaries { folder: folder.clone(), major });
        }
    }
    found
}

async fn major(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().await.ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` is 15.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.strip_prefix("postgres (PostgreSQL) ")?;
    let end = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_any_packaging() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("something else"), None);
    }

    #[test]
    fn a_cluster_is_run_by_the_version_that_wrote_it() {
        let found = |majors: &[u32]| {
            majors.iter().map(|&major| Binaries { folder: PathBuf::new(), major }).collect::<Vec<_>>()
        };
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::lock(place.path()).expect("unlocked");
        assert_eq!(choose(found(&[15, 18, 16]), &folder).map(|found| found.major).ok(), Some(18));
        assert!(matches!(choose(found(&[13]), &folder), Err(PostgresError::NotInstalled { .. })));
        std::fs::create_dir(folder.data()).expect("created");
        std::fs::write(folder.data().join("PG_VERSION"), "15\n").expect("written");
        assert_eq!(choose(found(&[15, 18]), &folder).map(|found| found.major).ok(), Some(15));
        let error = choose(found(&[18]), &folder).expect_err("no such version");
        assert!(error.to_string().contains("belongs to PostgreSQL 15, found [18]"), "{error}");
    }
}
