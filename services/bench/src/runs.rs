//! One run after the other, and the report.

pub(crate) mod added;
pub(crate) mod backlog;
pub(crate) mod correctness;
pub(crate) mod depth;
pub(crate) mod flight;
pub(crate) mod hot;
pub(crate) mod overload;
pub(crate) mod saturation;
pub(crate) mod start;
pub(crate) mod submit;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::plan::{Arguments, Part, Plan};
use crate::report::Report;

/// Measures what the arguments ask for. A run that is not correct fails.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let plan = Plan::of(Arguments::parse());
    let mut report = Report::new(&plan);
    for part in plan.parts() {
        tell(part.title());
        measure(part, &plan, &mut report).await?;
        // What was measured stays when a later run fails.
        report.save(&plan.json)?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "report: {}", plan.json.display())?;
    Ok(if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(part: Part, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    match part {
        Part::Submit => report.submit = submit::run(plan).await?,
        Part::Hot => report.hot = hot::run(plan).await?,
        Part::Saturation => report.saturation = saturation::run(plan).await?,
        Part::Added => report.added = added::run(plan, report.completed()).await?,
        Part::Overload => report.overload = Some(overload::run(plan).await?),
        Part::Flight => report.flight = Some(flight::run(plan).await?),
        Part::Backlog => report.backlog = Some(backlog::run(plan).await?),
        Part::Depth => report.depth = Some(depth::run(plan).await?),
        Part::Start => report.start = start::run(plan).await?,
        Part::Correctness => report.correctness = Some(correctness::run(plan).await?),
    }
    Ok(())
}

/// Says what goes on, for the person who waits.
fn tell(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
