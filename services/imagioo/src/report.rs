//! Failures as people and programs read them, on standard error.

use std::io;

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, complain, tame};

#[derive(Serialize)]
struct Report<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    reason: &'a str,
    message: String,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation<'a>>,
}

#[derive(Serialize)]
struct Violation<'a> {
    field: &'a str,
    description: &'a str,
}

/// Tells why the command failed and says how the process ends.
pub(crate) fn tell(output: Output, failure: &Failure) -> Exit {
    if let Failure::Output(error) = failure
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        // The reader has seen enough, as in `imagioo list | head`.
        return Exit::Done;
    }
    if output.is_json() {
        complain(&json(failure));
    } else {
        lines(failure).iter().for_each(|line| complain(line));
    }
    failure.exit()
}

fn lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("error: {}", tame(format!("{failure}").trim_end()))];
    let violations = failure.violations().iter();
    lines.extend(violations.map(|(field, what)| {
        let what = if what.is_empty() { "is not accepted" } else { what };
        format!("  {}: {}", tame(field), tame(what))
    }));
    lines.extend(failure.hint().map(|hint| format!("hint: {}", tame(&hint))));
    lines
}

fn json(failure: &Failure) -> String {
    let violations = failure.violations().iter();
    let body = Body {
        reason: failure.reason(),
        message: format!("{failure}"),
        exit_code: failure.exit().number(),
        hint: failure.hint(),
        violations: violations.map(|(field, description)| Violation { field, description }).collect(),
    };
    serde_json::to_string(&Report { error: body }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use imagioo_rpc::{Code, RpcError};

    use super::*;

    fn refusal() -> Failure {
        RpcError::new(Code::SettingUnsupported, "the model cannot do this")
            .field("settings.size", "one of 512x512")
            .into()
    }

    #[test]
    fn people_read_what_happened_each_field_and_what_to_do() {
        let expected = [
            "error: the model cannot do this",
            "  settings.size: one of 512x512",
            "hint: `imagioo models NAME` shows what a model accepts",
        ];
        assert_eq!(lines(&refusal()), expected);
    }

    #[test]
    fn programs_read_the_same_as_one_object() {
        let read: serde_json::Value = serde_json::from_str(&json(&refusal())).expect("JSON");
        assert_eq!(read["error"]["reason"], "SETTING_UNSUPPORTED");
        assert_eq!(read["error"]["exit_code"], 2);
        assert_eq!(read["error"]["violations"][0]["field"], "settings.size");
    }

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        let closed = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(tell(Output::new(false), &closed), Exit::Done);
    }
}
