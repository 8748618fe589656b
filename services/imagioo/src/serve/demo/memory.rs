//! What the demo remembers between starts: the password of its account, in a file only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::serve::data::DataFolder;

const PASSWORD_LENGTH: usize = 24;

#[derive(Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) password: String,
}

impl Memory {
    /// What an earlier start wrote, or a new password, written before it is used.
    pub(super) fn of(data: &DataFolder) -> anyhow::Result<Self> {
        let path = data.demo();
        match fs::read_to_string(&path) {
            Ok(text) => {
                return toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
        let random = rand::rng().sample_iter(rand::distr::Alphanumeric);
        let memory = Self { password: random.take(PASSWORD_LENGTH).map(char::from).collect() };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(toml::to_string(&memory)?.as_bytes())?;
        file.sync_all()?;
        Ok(memory)
    }
}
