//! One run after the other, and the report.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::correctness;
use crate::plan::{Arguments, Part, Plan};
use crate::report::Report;
use crate::{saturation, submit};

/// Measures what the arguments ask for. A run that is not correct fails.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let plan = Plan::of(Arguments::parse());
    let mut report = Report::new(&plan);
    if plan.has(Part::Submit) {
        tell("M1: submit latency beside the floor");
        report.submit = submit::run(&plan).await?;
    }
    if plan.has(Part::Saturation) {
        tell("M4: saturation");
        report.saturation = saturation::run(&plan).await?;
    }
    if plan.has(Part::Correctness) {
        tell("M13: correctness under load");
        report.correctness = Some(correctness::run(&plan).await?);
    }
    report.save(&plan.json)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "report: {}", plan.json.display())?;
    Ok(if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Says what goes on, for the person who waits.
fn tell(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
