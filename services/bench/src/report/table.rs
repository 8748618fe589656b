//! Tables in text.

use std::collections::BTreeSet;

use console::{Alignment, measure_text_width, pad_str};

use super::QUIET;
use crate::machine::Cpu;
use crate::runs::correctness::Verdict;
use crate::runs::saturation::Window;
use crate::runs::submit::{CONCURRENCIES, Pair, Sample};
use crate::stats::Spread;

/// Broken laws that are shown; the JSON has all.
const SHOWN: usize = 10;

/// M1: a row for each concurrency.
pub(super) fn submits(pairs: &[Pair]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let head = [
        "M1 submit",
        "floor p50/p99",
        "imagioo p50/p99",
        "p50 ratio",
        "p99 ratio",
        "floor/s",
        "accepted/s",
        "rate ratio",
        "CPU floor",
        "CPU own",
        "CPU whole",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(CONCURRENCIES.map(|clients| submit_row(clients, pairs)));
    let at_16 = pairs.iter().filter(|pair| pair.clients == 16);
    let foreign = pairs.iter().flat_map(|pair| [pair.floor.foreign, pair.imagioo.foreign]);
    format!(
        "{}CPU at c16 by part: {}\n{}\n",
        aligned(&rows),
        by_part(at_16.map(|pair| &pair.imagioo.cpu)),
        quietness(foreign)
    )
}

fn submit_row(clients: usize, pairs: &[Pair]) -> Vec<String> {
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.clients == clients).collect();
    let floor = |figure: fn(&Sample) -> f64| median(pairs.iter().map(|pair| figure(&pair.floor)));
    let imagioo = |figure: fn(&Sample) -> f64| median(pairs.iter().map(|pair| figure(&pair.imagioo)));
    let ratio = |figure: fn(&Sample) -> f64| {
        spread(pairs.iter().map(|pair| figure(&pair.imagioo) / figure(&pair.floor)))
    };
    vec![
        format!("c{clients}"),
        format!("{:.2} / {:.2}", floor(|side| side.p50), floor(|side| side.p99)),
        format!("{:.2} / {:.2}", imagioo(|side| side.p50), imagioo(|side| side.p99)),
        ratio(|side| side.p50),
        ratio(|side| side.p99),
        format!("{:.0}", floor(|side| side.per_second)),
        format!("{:.0}", imagioo(|side| side.per_second)),
        ratio(|side| side.per_second),
        format!("{:.3}", floor(|side| side.cpu.whole)),
        format!("{:.3}", imagioo(|side| side.cpu.own)),
        format!("{:.3}", imagioo(|side| side.cpu.whole)),
    ]
}

/// M4: one row.
pub(super) fn saturation(windows: &[Window]) -> String {
    if windows.is_empty() {
        return String::new();
    }
    let figure = |figure: fn(&Window) -> f64| windows.iter().map(figure);
    let whole_number =
        |spread: Option<Spread>| spread.map_or_else(String::new, |found| format!("{found:.0}"));
    let head = ["M4 saturation", "completed/s", "accepted/s", "CPU own", "CPU whole", "CPU bench"];
    let row = vec![
        "c64".to_owned(),
        whole_number(Spread::of(figure(|window| window.completed))),
        whole_number(Spread::of(figure(|window| window.accepted))),
        spread(figure(|window| window.cpu.own)),
        spread(figure(|window| window.cpu.whole)),
        spread(figure(|window| window.cpu.bench)),
    ];
    let parts = by_part(windows.iter().map(|window| &window.cpu));
    let foreign = quietness(figure(|window| window.foreign));
    format!("{}CPU by part: {parts}\n{foreign}\n", aligned(&[head.map(str::to_owned).to_vec(), row]))
}

/// M13: one sentence, and what is wrong.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let Verdict { accepted, succeeded, killed, broken } = verdict;
    let killed = killed.join(", ");
    let mut text = format!("M13 killed {killed}: {accepted} accepted, {succeeded} succeeded, ");
    match broken.len() {
        0 => text.push_str("all charged once, all stored as announced, nothing left open."),
        laws => text.push_str(&format!("{laws} laws broken:")),
    }
    for law in broken.iter().take(SHOWN) {
        text.push_str(&format!("\n  {law}"));
    }
    text
}

pub(super) fn by_part<'a>(cpus: impl Iterator<Item = &'a Cpu>) -> String {
    let cpus: Vec<_> = cpus.collect();
    let names: BTreeSet<&String> = cpus.iter().flat_map(|cpu| cpu.parts.keys()).collect();
    let of = |name: &String| median(cpus.iter().filter_map(|cpu| cpu.parts.get(name).copied()));
    let mut parts: Vec<_> = names.into_iter().map(|name| format!("{name} {:.3}", of(name))).collect();
    parts.push(format!("(bench {:.3})", median(cpus.iter().map(|cpu| cpu.bench))));
    parts.join(", ")
}

/// How much of the machine others used, and whether that was little enough.
pub(super) fn quietness(foreign: impl Iterator<Item = f64> + Clone) -> String {
    let noisy = foreign.clone().filter(|share| *share >= QUIET).count();
    let note = if noisy > 0 { " (noisy: use the ratios only)" } else { "" };
    let shares: Vec<_> = foreign.map(|share| format!("{share:.2}")).collect();
    format!("foreign CPU share by window: {}{note}\n", shares.join(" "))
}

pub(super) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    Spread::of(figures).map_or(f64::NAN, |spread| spread.median)
}

pub(super) fn spread(figures: impl Iterator<Item = f64>) -> String {
    Spread::of(figures).map_or_else(String::new, |spread| spread.to_string())
}

/// Columns as wide as their widest cell, two blanks apart.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, cell)| pad_str(cell, width(column), Alignment::Left, None));
        let cells: Vec<_> = cells.collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb\nccc  d\n");
    }

    #[test]
    fn a_noisy_window_is_pointed_out() {
        assert!(quietness([0.01, 0.2].into_iter()).contains("noisy"));
        assert!(!quietness([0.01, 0.02].into_iter()).contains("noisy"));
    }

    #[test]
    fn a_broken_law_is_named() {
        let broken = vec!["user 1 paid twice".to_owned()];
        let text = verdict(&Verdict { accepted: 2, succeeded: 1, killed: ["a", "b"], broken });
        assert!(text.contains("1 laws broken:\n  user 1 paid twice"), "{text}");
    }
}
