//! Dead letters as files, one each: what was given up outlives the process.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use imagioo_proto::queue::v1::StoredDeadLetter;
use prost::Message as _;
use prost_types::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{dead_letter::DeadLetter, error::QueueError, message::Message};

/// What ends the name of a whole file.
const ENDING: &str = "letter";

/// Why a folder of dead letters cannot be used.
#[derive(Debug, thiserror::Error)]
enum FolderError {
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is no dead letter: move it away", path.display())]
    Damaged { path: PathBuf },
}

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder at this path, created if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let opened =
            fs::create_dir_all(path).map_err(|source| FolderError::File { path: path.to_owned(), source });
        opened.map_err(unavailable)?;
        Ok(Self(path.to_owned()))
    }

    /// All of it, oldest first.
    pub(super) fn load(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let mut letters = self.read().map_err(unavailable)?;
        letters.sort_by_key(|letter| (letter.given_up_at, letter.message.id));
        Ok(letters)
    }

    fn read(&self) -> Result<Vec<DeadLetter>, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::File { path, source }
        };
        let mut letters = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failed(&self.0))? {
            let path = entry.map_err(failed(&self.0))?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                // What a crash left of a file that was not whole; its message is in the outbox still.
                continue;
            }
            let bytes = fs::read(&path).map_err(failed(&path))?;
            letters.push(open(&bytes).ok_or(FolderError::Damaged { path })?);
        }
        Ok(letters)
    }

    /// Keeps a letter. When the disk does not take it, it is in memory only, and the log says so.
    pub(super) fn keep(&self, letter: &DeadLetter) {
        if let Err(error) = self.write(letter) {
            tracing::error!(
                message_id = %letter.message.id,
                error = &error as &dyn Error,
                "dead letter not on disk: it is lost when this process ends"
            );
        }
    }

    /// Whole or not at all: the name comes last.
    fn write(&self, letter: &DeadLetter) -> io::Result<()> {
        let path = self.path(letter);
        let partial = path.with_extension("part");
        let file = fs::File::create(&partial)?;
        io::Write::write_all(&mut &file, &stored(letter).encode_to_vec())?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        fs::File::open(&self.0)?.sync_all()
    }

    /// Removes a letter; one that is gone already is fine.
    pub(super) fn remove(&self, letter: &DeadLetter) {
        match fs::remove_file(self.path(letter)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(
                message_id = %letter.message.id,
                error = &error as &dyn Error,
                "dead letter stays on disk: it is here again after the next start"
            ),
            _ => {}
        }
    }

    /// One file for each message and queue: given up again, it is the same file.
    fn path(&self, letter: &DeadLetter) -> PathBuf {
        self.0.join(format!("{}.{}.{ENDING}", letter.message.id, letter.queue.replace('/', "_")))
    }
}

fn stored(letter: &DeadLetter) -> StoredDeadLetter {
    let DeadLetter { queue, message, attempts, reason, given_up_at } = letter;
    StoredDeadLetter {
        message_id: message.id.as_bytes().to_vec().into(),
        message_type: message.name.clone(),
        body: message.body.clone(),
        trace_parent: message.trace.clone().unwrap_or_default(),
        queue: queue.clone(),
        attempts: *attempts,
        reason: reason.clone(),
        give_up_time: given_up_at.map(|at| Timestamp { seconds: at.unix_timestamp(), nanos: 0 }),
    }
}

fn open(bytes: &[u8]) -> Option<DeadLetter> {
    let stored = StoredDeadLetter::decode(bytes).ok()?;
    let given_up_at = stored.give_up_time.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok());
    Some(DeadLetter {
        queue: stored.queue,
        message: Message {
            id: Uuid::from_slice(&stored.message_id).ok()?,
            name: stored.message_type,
            body: stored.body,
            trace: Some(stored.trace_parent).filter(|trace| !trace.is_empty()),
        },
        attempts: stored.attempts,
        reason: stored.reason,
        given_up_at,
    })
}

fn unavailable(error: FolderError) -> QueueError {
    QueueError::Unavailable { source: Box::new(error) }
}
