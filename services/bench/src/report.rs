//! The report: every round as JSON, and a table of medians for people.

mod rows;
mod table;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::plan::{Plan, Shape};
use crate::runs::added::Added;
use crate::runs::backlog::Drain;
use crate::runs::correctness::Verdict;
use crate::runs::depth::Growth;
use crate::runs::flight::Flight;
use crate::runs::hot::Heat;
use crate::runs::overload::Overload;
use crate::runs::saturation::Window;
use crate::runs::start::Starts;
use crate::runs::submit::Pair;
use crate::stats::Spread;

/// Rounds with more of the machine used by others are no basis for absolute figures.
pub(crate) const QUIET: f64 = 0.10;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    quick: bool,
    users: usize,
    image_bytes: usize,
    shape: Shape,
    /// M1, in the order in which it was measured.
    pub(crate) submit: Vec<Pair>,
    /// M2, likewise.
    pub(crate) hot: Vec<Heat>,
    /// M3, a window for each rate.
    pub(crate) added: Vec<Added>,
    /// M4, in the order in which it was measured.
    pub(crate) saturation: Vec<Window>,
    /// M5.
    pub(crate) overload: Option<Overload>,
    /// M6.
    pub(crate) flight: Option<Flight>,
    /// M7.
    pub(crate) backlog: Option<Drain>,
    /// M8.
    pub(crate) depth: Option<Growth>,
    /// M11, for each process.
    pub(crate) start: Vec<Starts>,
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
            shape: plan.shape,
            submit: Vec::new(),
            hot: Vec::new(),
            added: Vec::new(),
            saturation: Vec::new(),
            overload: None,
            flight: None,
            backlog: None,
            depth: None,
            start: Vec::new(),
            correctness: None,
        }
    }

    /// Generations completed per second in M4, if it was run.
    pub(crate) fn completed(&self) -> Option<f64> {
        Spread::of(self.saturation.iter().map(|window| window.completed)).map(|spread| spread.median)
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
            write!(f, "{}", rows::hot(&self.hot))?;
            write!(f, "{}", rows::added(&self.added))?;
            write!(f, "{}", table::saturation(&self.saturation))?;
            write!(f, "{}", self.overload.as_ref().map(rows::overload).unwrap_or_default())?;
            write!(f, "{}", self.flight.as_ref().map(rows::flight).unwrap_or_default())?;
            write!(f, "{}", self.backlog.as_ref().map(rows::backlog).unwrap_or_default())?;
            write!(f, "{}", self.depth.as_ref().map(rows::depth).unwrap_or_default())?;
            write!(f, "{}", rows::starts(&self.start))?;
        }
        match &self.correctness {
            Some(verdict) => write!(f, "{}", table::verdict(verdict)),
            None => write!(f, "M13 was not run: this is no performance result."),
        }
    }
}
