//! Files on this machine: profiles, and the data of a server that runs here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::context::Context;
use crate::environment;
use crate::failure::Failure;

/// Looks at the profiles and, if there is one, at a local server's data.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut findings = vec![config(context), profile(context)];
    findings.extend(data(context));
    findings
}

fn config(context: &Context) -> Finding {
    let name = "config";
    let (folder, file) = (context.store.folder(), context.store.file());
    if !folder.exists() {
        return Finding::warn(
            name,
            format!("{} does not exist yet; `imagioo login` creates it", folder.display()),
        );
    }
    if let Some(open) = [(folder, 700), (file.as_path(), 600)].into_iter().find(|(path, _)| is_open(path)) {
        let (path, mode) = (open.0.display(), open.1);
        return Finding::fail(name, format!("others may read {path}; run `chmod {mode} {path}`"));
    }
    Finding::ok(name, format!("{} is yours alone", folder.display()))
}

fn profile(context: &Context) -> Finding {
    let name = "profile";
    match context.selected() {
        Err(failure) => Finding::of(name, &failure),
        Ok((chosen, Some(profile))) => {
            let email = profile.email.as_deref().unwrap_or("an account");
            Finding::ok(name, format!("`{chosen}` is {email} at {}", profile.server))
        }
        Ok((chosen, None)) if context.options.api_key.is_some() => {
            Finding::ok(name, format!("there is no profile `{chosen}`; the given API key is used"))
        }
        Ok((chosen, None)) => {
            let message = format!("there is no profile `{chosen}`");
            Finding::of(name, &Failure::SignedOut { message })
        }
    }
}

/// Nothing when no server keeps its data here.
fn data(context: &Context) -> Option<Finding> {
    let name = "data";
    if !context.server().ok()?.is_local() {
        return None;
    }
    let named = context.selected().ok().and_then(|(_, profile)| profile?.data);
    let usual = || environment::data_folder().filter(|folder| folder.join("keys").exists());
    let is_named = named.is_some();
    let folder = named.or_else(usual)?;
    if !folder.is_dir() {
        let message = format!("there is no folder {}; has it moved?", folder.display());
        return Some(if is_named { Finding::fail(name, message) } else { Finding::warn(name, message) });
    }
    Some(match secrets(&folder).into_iter().find(|path| is_open(path)) {
        Some(path) => {
            let path = path.display();
            Finding::fail(name, format!("others may read {path}; run `chmod go= {path}`"))
        }
        None => Finding::ok(name, format!("the keys in {} are yours alone", folder.display())),
    })
}

/// What of a server's data nobody else may read.
fn secrets(folder: &Path) -> Vec<PathBuf> {
    let keys = std::fs::read_dir(folder.join("keys")).into_iter().flatten().flatten();
    let private =
        keys.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "key"));
    private.collect()
}

fn is_open(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = folder.path().join("keys");
        fs::create_dir(&keys).expect("created");
        for (name, mode) in [("peers.json", 0o644), ("operator.key", 0o600), ("worker.key", 0o640)] {
            fs::write(keys.join(name), "x").expect("written");
            fs::set_permissions(keys.join(name), Permissions::from_mode(mode)).expect("set");
        }
        let open: Vec<_> = secrets(folder.path()).into_iter().filter(|path| is_open(path)).collect();
        assert_eq!(open, [keys.join("worker.key")]);
    }
}
