//! The report: every round as JSON, and a table of medians for people.

mod table;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::correctness::Verdict;
use crate::plan::Plan;
use crate::saturation::Window;
use crate::submit::Pair;

/// Rounds with more of the machine used by others are no basis for absolute figures.
pub(crate) const QUIET: f64 = 0.10;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    quick: bool,
    users: usize,
    image_bytes: usize,
    /// M1, in the order in which it was measured.
    pub(crate) submit: Vec<Pair>,
    /// M4, likewise.
    pub(crate) saturation: Vec<Window>,
    /// M13.
    pub(crate) correctness: Option<Verdict>,
}

impl Report {
    /// Nothing yet.
    pub(crate) const fn new(plan: &Plan) -> Self {
        Self {
            quick: plan.quick,
            users: plan.users,
            image_bytes: plan.image_bytes,
            submit: Vec::new(),
            saturation: Vec::new(),
            correctness: None,
        }
    }

    /// Whether something was wrong, so that nothing measured counts.
    pub(crate) fn failed(&self) -> bool {
        self.correctness.as_ref().is_some_and(|verdict| !verdict.broken.is_empty())
    }

    /// Writes it as JSON.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failed() {
            writeln!(f, "This run is not correct. It has no performance result.")?;
        } else {
            writeln!(f, "Medians over rounds (min..max); latencies in ms, CPU in seconds per 1,000.\n")?;
            write!(f, "{}", table::submits(&self.submit))?;
            write!(f, "{}", table::saturation(&self.saturation))?;
        }
        match &self.correctness {
            Some(verdict) => write!(f, "{}", table::verdict(verdict)),
            None => write!(f, "M13 was not run: this is no performance result."),
        }
    }
}
