//! The catalogue in force: read at start, and again whenever its file or one that it names changes. A bad file leaves the
//! last good one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use imagioo_runtime::Shutdown;
use imagioo_runtime::follow::Changes;
use sqlx::PgPool;

use super::options::Files;
use super::{Catalogue, CatalogueError, file};
use crate::config::Config;
use crate::db;
use crate::instruments;

/// The catalogue that is compiled in, for those who name no file.
const BUILT_IN: &str = include_str!("../../../../deploy/config/catalogue.toml");

/// The catalogue in force. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Current(Arc<RwLock<Arc<Catalogue>>>);

/// A catalogue that cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("the catalogue cannot be recorded")]
    Database(#[from] sqlx::Error),
}

impl Current {
    /// Reads the catalogue and records its version.
    ///
    /// # Errors
    /// [`LoadError`]; there is no last good one yet.
    pub(crate) async fn load(config: &Config, pool: &PgPool) -> Result<Self, LoadError> {
        let (catalogue, text) = configured(config)?;
        record(pool, &catalogue, &text).await?;
        instruments::catalogue_is_current(true);
        Ok(Self(Arc::new(RwLock::new(Arc::new(catalogue)))))
    }

    /// As it is now. Whoever decides several things keeps one answer for all of them.
    pub(crate) fn get(&self) -> Arc<Catalogue> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, catalogue: Catalogue) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }

    async fn reload(&self, path: &Path, pool: &PgPool) -> Result<(), LoadError> {
        let (catalogue, text) = read(path)?;
        if catalogue.version != self.get().version {
            record(pool, &catalogue, &text).await?;
            self.replace(catalogue);
        }
        Ok(())
    }
}

/// Reads the catalogue again whenever its file changes, or one that it names, until shutdown.
pub(crate) async fn keep_current(
    current: Current,
    (path, mut changes): (PathBuf, Changes),
    pool: PgPool,
    shutdown: Shutdown,
) {
    if path.as_os_str().is_empty() {
        return;
    }
    changes.also(named_by(&path));
    while changes.next(&shutdown).await {
        // Also where the last good one stays: what it lacks may be in a file that it names.
        changes.also(named_by(&path));
        let reloaded = current.reload(&path, &pool).await;
        instruments::catalogue_is_current(reloaded.is_ok());
        if let Err(error) = reloaded {
            if matches!(error, LoadError::Database(_)) {
                changes.again();
            }
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the catalogue's file is not used, the last good one stays in force"
            );
        }
    }
}

/// The catalogue of a configuration, and its text: the file that is named, or of the one that is compiled in what the
/// named providers serve.
pub(crate) fn configured(config: &Config) -> Result<(Catalogue, String), CatalogueError> {
    if config.catalogue_file.as_os_str().is_empty() {
        let whole = file::parse(BUILT_IN, Files::BuiltIn)?;
        return Ok((whole.of(&config.providers), BUILT_IN.to_owned()));
    }
    read(&config.catalogue_file)
}

/// The files that a catalogue names; none of one that cannot be read.
fn named_by(path: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    file::named(&text).into_iter().map(|named| folder(path).join(named)).collect()
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn read(path: &Path) -> Result<(Catalogue, String), CatalogueError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CatalogueError::File { path: path.to_owned(), source })?;
    Ok((file::parse(&text, Files::In(folder(path)))?, text))
}

async fn record(pool: &PgPool, catalogue: &Catalogue, text: &str) -> Result<(), sqlx::Error> {
    db::catalogues::record(&mut *pool.acquire().await?, &catalogue.version, text).await?;
    tracing::info!(version = catalogue.version, models = catalogue.models.len(), "catalogue in force");
    Ok(())
}
