//! The cluster of a folder and its superuser's password, made once.

use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::account::Account;
use super::binaries::Binaries;
use super::folder::{Folder, write_private};
use super::{PostgresError, access, program};

/// The superuser of every private server.
pub(super) const SUPERUSER: &str = "postgres";

/// Creates the cluster unless it exists, and reads its superuser's password. Interrupted at any point, the
/// next call begins again: the cluster gets its name only when it is complete.
pub(super) async fn ensure(
    folder: &Folder,
    account: &Account,
    binaries: &Binaries,
) -> Result<SecretString, PostgresError> {
    let password = ensure_password(folder)?;
    let data = folder.data();
    if !data.exists() {
        let unfinished = folder.path().join("data.unfinished");
        remove(&unfinished)?;
        account.private_folder(&unfinished)?;
        init(folder, account, (binaries, &unfinished, &password)).await?;
        fs::rename(&unfinished, &data).map_err(PostgresError::file("name", &data))?;
    }
    Ok(password)
}

fn ensure_password(folder: &Folder) -> Result<SecretString, PostgresError> {
    let path = folder.password();
    match (path.exists(), folder.data().exists()) {
        (false, true) => return Err(PostgresError::PasswordLost { password: path }),
        (false, false) => write_private(&path, access::generate_password().expose_secret())?,
        (true, _) => {}
    }
    let text = fs::read_to_string(&path).map_err(PostgresError::file("read", &path))?;
    Ok(text.trim_end().into())
}

async fn init(
    folder: &Folder,
    account: &Account,
    (binaries, data, password): (&Binaries, &Path, &SecretString),
) -> Result<(), PostgresError> {
    // A copy, because the server's user must be able to read it.
    let copy = folder.path().join("initial-password");
    write_private(&copy, password.expose_secret())?;
    account.give(&copy)?;
    let outcome = program::run(
        account
            .command(&binaries.program("initdb"), folder)
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--username", SUPERUSER])
            .arg("--pwfile")
            .arg(&copy)
            .arg("--pgdata")
            .arg(data),
    )
    .await;
    fs::remove_file(&copy).map_err(PostgresError::file("remove", &copy))?;
    outcome
}

fn remove(path: &Path) -> Result<(), PostgresError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PostgresError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}
