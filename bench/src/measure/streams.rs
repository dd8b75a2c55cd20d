//! Ten thousand streams of a piece a second, over HTTP/2 to the provider: its connections are few, and all descriptors are clients'.

use super::goal::{Compared, Figures, Goal, Row};
use super::proc::memory_mib;
use super::round::{self, Load};
use super::stage::{Stage, Subject, Wrap};
use crate::Outcome;

const MODEL: &str = "mock-25x60-pace1000ms";
/// All are begun within so many seconds, and last longer than that.
const RAMP: f64 = 10.0;

/// What they take, and how late their pieces come.
pub(super) fn measure(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    stage.add_over_http2(MODEL)?;
    let streams = stage.options.count(10_000);
    let running = stage.start(Subject::Gateway, &Wrap::Plain)?;
    let idle = memory_mib(running.child.id(), "VmRSS")?;
    let load = Load { rate: Some(streams as f64 / RAMP), ..Load::streams(MODEL, streams, streams) };
    let mut command = round::storm_command(stage, &running, load);
    let report = round::storm(command.args(["--patience", "120", "--seconds", "120"]))?;
    let peak = memory_mib(running.child.id(), "VmHWM")?;
    let each = (peak - idle) * 1024.0 / streams as f64;
    let late = report.late_us.map(|late| late.p99 / 1000.0);
    let flawed = !report.flaws.is_empty() || report.ok != streams;
    let figures = |gateway, note| Figures { gateway, note, flawed, ..Figures::default() };
    let alone = |reach: f64| Goal { compared: Compared::Alone, reach, better: reach / 2.0 };
    let whole = format!("{} of {streams} whole", report.ok);
    let row = |id: &str, what: String, unit, gateway, reach| Row::judged(id, &what, unit, figures(gateway, whole.clone()), alone(reach));
    Ok(vec![
        row("streams-h2", format!("peak RSS with {streams} streams over HTTP/2"), "MiB", Some(peak), 512.0),
        row("streams-h2-each", "the same, each above rest".to_owned(), "KiB", Some(each), 40.0),
        row("streams-h2-late", "pieces come late, p99".to_owned(), "ms", late, 50.0),
    ])
}
