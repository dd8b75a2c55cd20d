//! System calls per request, counted by the kernel's own trace point: nothing is slowed down by it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::goal::{Compared, Figures, Goal, Row};
use super::round::{self, Load};
use super::stage::{Running, Stage, Subject, Wrap};
use crate::Outcome;

const EVENT: &str = "raw_syscalls:sys_enter";
/// Four of its own (read and write on both sides); what is above is polling, of which a busy loop needs little.
const GOAL: Goal = Goal { compared: Compared::Alone, reach: 5.0, better: 4.6 };

/// Counts both subjects.
pub(super) fn measure(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let mut figures = Figures::default();
    if is_there(&stage.folder) {
        for (subject, figure) in [(Subject::Bare, &mut figures.bare), (Subject::Gateway, &mut figures.gateway)] {
            let running = stage.start(subject, &Wrap::Plain)?;
            *figure = Some(per_request(stage, &running)?);
        }
        figures.note = format!("`perf stat -e {EVENT}`, 64 connections");
    } else {
        figures.note = format!("not available: `perf` cannot count `{EVENT}` here");
    }
    Ok(vec![Row::judged("syscalls", "chat, same format: system calls per request", "calls", figures, GOAL)])
}

fn perf(file: &Path) -> Command {
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ",", "-e", EVENT, "-o"]).arg(file);
    command
}

fn is_there(folder: &Path) -> bool {
    let file = folder.join("perf.probe");
    let tried = perf(&file).args(["--", "true"]).output();
    tried.is_ok_and(|output| output.status.success()) && read_count(&file).is_some()
}

fn per_request(stage: &Stage<'_>, running: &Running) -> Outcome<f64> {
    let load = Load::new("mock", 64, stage.options.count(20_000));
    // Connections are opened and the pool is filled before counting.
    round::run(stage, running, Load { requests: load.connections * 4, ..load })?;
    let file = stage.folder.join("perf.out");
    let mut front = perf(&file);
    front.args(["-p", &running.child.id().to_string(), "--"]);
    let report = round::storm(&mut round::storm_behind(front, stage, running, load))?;
    let count = read_count(&file).ok_or("perf wrote no count")?;
    if !report.flaws.is_empty() {
        return Err(format!("wrong answers while counting system calls: {:?}", report.flaws).into());
    }
    Ok(count as f64 / report.ok.max(1) as f64)
}

fn read_count(file: &Path) -> Option<u64> {
    parse_count(&fs::read_to_string(file).ok()?)
}

fn parse_count(text: &str) -> Option<u64> {
    text.lines().find(|line| line.contains(EVENT))?.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_count;

    #[test]
    fn a_count_is_read_and_its_absence_is_none() {
        assert_eq!(parse_count("# started\n\n144,,raw_syscalls:sys_enter,2408298,100.00,,\n"), Some(144));
        assert_eq!(parse_count("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
    }
}
