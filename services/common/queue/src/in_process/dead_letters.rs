//! Messages that were given up, kept for a person to look at.

use std::{collections::VecDeque, sync::Mutex};

use super::lock;
use crate::delivery::DeadLetter;

/// Dead letters that are kept; beyond it the oldest is forgotten (each one was logged and counted when it
/// came).
const KEPT: usize = 10_000;

#[derive(Default)]
pub(super) struct DeadLetters(Mutex<VecDeque<DeadLetter>>);

impl DeadLetters {
    pub(super) fn add(&self, letter: DeadLetter) {
        letter.report();
        let mut letters = lock(&self.0);
        if letters.len() >= KEPT {
            letters.pop_front();
        }
        letters.push_back(letter);
    }

    pub(super) fn list(&self) -> Vec<DeadLetter> {
        lock(&self.0).iter().cloned().collect()
    }
}
