//! Messages that were given up, kept for a person to look at: in memory, and as files if there is a folder for them.

use std::sync::Mutex;

use super::{folder::Folder, lock};
use crate::{
    dead_letter::{DeadLetter, Selection},
    error::QueueError,
};

/// Dead letters that are kept; beyond it the oldest is forgotten (each one was logged and counted when it
/// came).
const KEPT: usize = 10_000;

#[derive(Default)]
pub(super) struct DeadLetters {
    /// Oldest first.
    letters: Mutex<Vec<DeadLetter>>,
    folder: Option<Folder>,
}

impl DeadLetters {
    /// Those of an earlier process, and the place for new ones.
    pub(super) fn at(folder: Folder) -> Result<Self, QueueError> {
        let letters = folder.load()?;
        Ok(Self { letters: Mutex::new(letters), folder: Some(folder) })
    }

    pub(super) fn add(&self, letter: DeadLetter) {
        letter.report();
        if let Some(folder) = &self.folder {
            folder.keep(&letter);
        }
        let mut letters = lock(&self.letters);
        letters.push(letter);
        if letters.len() > KEPT {
            let oldest = letters.remove(0);
            self.remove_file(&oldest);
        }
    }

    pub(super) fn list(&self) -> Vec<DeadLetter> {
        lock(&self.letters).clone()
    }

    /// Takes letters out. Their files stay until [`Self::remove_file`].
    pub(super) fn take(&self, selection: &Selection) -> Vec<DeadLetter> {
        let mut letters = lock(&self.letters);
        letters.extract_if(.., |letter| selection.takes(letter)).collect()
    }

    /// Forgets what was taken out, on the disk, too.
    pub(super) fn remove_file(&self, letter: &DeadLetter) {
        if let Some(folder) = &self.folder {
            folder.remove(letter);
        }
    }
}
