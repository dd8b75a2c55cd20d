//! User instructions per request, counted by callgrind: exact, where time is not.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::goal::{Compared, Figures, Goal, Row};
use super::round::{self, Load};
use super::stage::{Stage, Subject, Wrap};
use crate::Outcome;

const GOAL: Goal = Goal { compared: Compared::Alone, reach: 55_000.0, better: 40_000.0 };

/// Connections of the counted storm; the more run at once, the fewer polls each request costs.
const CONNECTIONS: u64 = 8;

/// How long a subject may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts both subjects.
pub(super) fn measure(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let mut figures = Figures::default();
    if is_there() {
        let few = stage.options.count(1_000);
        let many = few * 3;
        figures.bare = Some(per_request(stage, Subject::Bare, few, many)?);
        figures.gateway = Some(per_request(stage, Subject::Gateway, few, many)?);
        figures.note = format!("callgrind, ({many} - {few} requests), {CONNECTIONS} connections");
    } else {
        figures.note = "not available: no `valgrind`".to_owned();
    }
    Ok(vec![Row::judged("instructions", "chat, same format: user instructions per request", "instructions", figures, GOAL)])
}

fn is_there() -> bool {
    let tried = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Two runs which differ only in the number of requests: start and end cancel out.
fn per_request(stage: &Stage<'_>, subject: Subject, few: u64, many: u64) -> Outcome<f64> {
    // What a first start does once (making a database, carrying on what earlier measures left), the two would not have in common.
    stage.start(subject, &Wrap::Plain)?.child.end_politely(PATIENCE)?;
    let less = total(stage, subject, few)?;
    let more = total(stage, subject, many)?;
    Ok(more.saturating_sub(less) as f64 / (many - few) as f64)
}

fn total(stage: &Stage<'_>, subject: Subject, requests: u64) -> Outcome<u64> {
    let file = stage.folder.join("callgrind.out");
    let running = stage.start(subject, &Wrap::Callgrind(file.clone()))?;
    let report = round::storm(&mut round::storm_command(stage, &running, Load::new("mock", CONNECTIONS, requests)))?;
    if report.ok != requests {
        return Err(format!("{} of {requests} answers were right under callgrind: {:?}", report.ok, report.flaws).into());
    }
    running.child.end_politely(PATIENCE)?;
    read_total(&file)
}

fn read_total(file: &Path) -> Outcome<u64> {
    let text = fs::read_to_string(file)?;
    Ok(parse_total(&text).ok_or("callgrind wrote no total")?)
}

fn parse_total(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_total;

    #[test]
    fn the_total_is_the_last_line() {
        assert_eq!(parse_total("events: Ir\nsummary: 12\nfn=(1)\n1 5\n\ntotals: 4711\n"), Some(4711));
        assert_eq!(parse_total("events: Ir\n"), None);
    }
}
