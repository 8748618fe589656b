//! Rows with a table of their own: a head, and a line for each thing that was measured.

use super::table::{aligned, by_part, median, quietness, spread};
use crate::runs::added::Added;
use crate::runs::backlog::Drain;
use crate::runs::depth::{Growth, Step};
use crate::runs::flight::Flight;
use crate::runs::hot::Heat;
use crate::runs::overload::Overload;
use crate::runs::start::Starts;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// M2: many beside one.
pub(super) fn hot(heats: &[Heat]) -> String {
    if heats.is_empty() {
        return String::new();
    }
    let accepted = |figure: fn(&Heat) -> f64| format!("{:.0}", median(heats.iter().map(figure)));
    let line = vec![
        "c64".to_owned(),
        accepted(|heat| heat.many.per_second),
        accepted(|heat| heat.single.per_second),
        spread(heats.iter().map(|heat| heat.single.per_second / heat.many.per_second)),
        format!("{:.3}", median(heats.iter().map(|heat| heat.many.cpu.whole))),
        format!("{:.3}", median(heats.iter().map(|heat| heat.single.cpu.whole))),
    ];
    let head = ["M2 accepted/s", "many users", "one user", "ratio", "CPU many", "CPU one"];
    let parts = by_part(heats.iter().map(|heat| &heat.many.cpu));
    let foreign = quietness(heats.iter().flat_map(|heat| [heat.many.foreign, heat.single.foreign]));
    format!("{}CPU of many by part: {parts}\n{foreign}\n", table(head, vec![line]))
}

/// M3: a line for each rate.
pub(super) fn added(windows: &[Added]) -> String {
    if windows.is_empty() {
        return String::new();
    }
    let line = |window: &Added| {
        vec![
            format!("{:.0}/s", window.rate),
            format!("{:.2}", window.p50),
            format!("{:.2}", window.p99),
            window.watched.to_string(),
            format!("{:.2}", window.states),
        ]
    };
    let head = ["M3 added latency", "p50", "p99", "watched", "states told"];
    let foreign = quietness(windows.iter().map(|window| window.foreign));
    format!("{}{foreign}\n", table(head, windows.iter().map(line).collect()))
}

/// M5: one line, and what was refused.
pub(super) fn overload(found: &Overload) -> String {
    let line = vec![
        "twice".to_owned(),
        format!("{:.0}", found.usual),
        format!("{:.0}", found.completed),
        format!("{:.2}", found.completed / found.usual),
        found.arrived.to_string(),
        found.accepted.to_string(),
    ];
    let head = ["M5 overload", "usual/s", "completed/s", "share", "arrived", "accepted, all made"];
    format!("{}refused, each with its reason: {:?}\n\n", table(head, vec![line]), found.refused)
}

/// M6: one line.
pub(super) fn flight(flight: &Flight) -> String {
    let mebibytes = |bytes: u64| format!("{:.0}", bytes as f64 / MEBIBYTE);
    let line = vec![
        flight.calls.to_string(),
        format!("{:.1}", flight.ramp),
        mebibytes(flight.idle),
        mebibytes(flight.waiting),
        mebibytes(flight.peak),
        format!("{:.1}", flight.per_call() / 1024.0),
    ];
    let head = ["M6 calls under way", "ramp s", "idle MiB", "waiting MiB", "peak MiB", "KiB per call"];
    format!("{}\n", table(head, vec![line]))
}

/// M7: one line.
pub(super) fn backlog(drain: &Drain) -> String {
    let rate = |tenth: Option<&f64>| tenth.map_or_else(String::new, |rate| format!("{rate:.0}"));
    let line = vec![
        drain.queued.to_string(),
        format!("{:.1}", drain.seconds),
        rate(drain.tenths.first()),
        rate(drain.tenths.last()),
        format!("{:.2}", drain.steadiness()),
    ];
    let head = ["M7 backlog", "seconds", "first tenth/s", "last tenth/s", "ratio"];
    format!("{}\n", table(head, vec![line]))
}

/// M8: a line for each round, and the exponent.
pub(super) fn depth(growth: &Growth) -> String {
    let line = |Step { depth, pair }: &Step| {
        vec![
            depth.to_string(),
            format!("{:.2}", pair.floor.p50),
            format!("{:.2}", pair.imagioo.p50),
            format!("{:.2}", pair.imagioo.p50 / pair.floor.p50),
        ]
    };
    let head = ["M8 waiting", "floor p50", "imagioo p50", "ratio"];
    let steps = &growth.steps;
    format!(
        "{}exponent {:.3}; {:.0} bytes in PostgreSQL per generation, {} in a message\n{}\n",
        table(head, steps.iter().map(line).collect()),
        growth.exponent(),
        growth.stored_bytes,
        growth.message_bytes,
        quietness(steps.iter().flat_map(|step| [step.pair.floor.foreign, step.pair.imagioo.foreign]))
    )
}

/// M11: a line for each process.
pub(super) fn starts(starts: &[Starts]) -> String {
    if starts.is_empty() {
        return String::new();
    }
    let spread = |millis: &[f64]| spread(millis.iter().copied());
    let line =
        |starts: &Starts| vec![starts.part.to_owned(), spread(&starts.ready), spread(&starts.answered)];
    let head = ["M11 cold start", "says ready", "answers a user"];
    format!("{}\n", table(head, starts.iter().map(line).collect()))
}

fn table<const N: usize>(head: [&str; N], lines: Vec<Vec<String>>) -> String {
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines);
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_steady_when_its_last_tenth_is_as_fast_as_its_first() {
        let drain = Drain { queued: 100, seconds: 1.5, tenths: vec![80.0, 60.0] };
        let text = backlog(&drain);
        assert!(text.ends_with("100         1.5      80             60            0.75\n\n"), "{text}");
    }

    #[test]
    fn memory_counts_from_what_an_idle_worker_has() {
        let flight = Flight { calls: 100, ramp: 1.0, idle: 1 << 20, waiting: 2 << 20, peak: 3 << 20 };
        assert!(super::flight(&flight).contains("20.5"), "{}", super::flight(&flight));
    }
}
