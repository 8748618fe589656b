//! `imagioo doctor`: looks at everything a client needs and says what to do about what is wrong.

use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::tame;

mod files;
mod server;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    name: &'static str,
    /// What was found and what to do.
    message: String,
}

impl Finding {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, name, message: message.into() }
    }

    fn warn(name: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, name, message: message.into() }
    }

    fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, name, message: message.into() }
    }

    /// The finding that a failure is.
    fn of(name: &'static str, failure: &Failure) -> Self {
        let hint = failure.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        Self::fail(name, format!("{failure}{hint}"))
    }

    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        format!("{verdict} {}: {}", self.name, tame(&self.message))
    }
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    findings: Vec<Finding>,
}

pub(crate) async fn run(context: &Context, _args: Args) -> Result<Exit, Failure> {
    let mut findings = files::look(context);
    findings.extend(server::look(context).await);
    let ok = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    let answer = Answer { ok, findings };
    context.output.answer(&answer, || answer.findings.iter().map(Finding::line).collect())?;
    Ok(if ok { Exit::Done } else { Exit::Failed })
}
