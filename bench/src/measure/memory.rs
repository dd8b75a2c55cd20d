//! Memory at rest, after many requests and under many streams; and the time to the first answer.

use std::time::Duration;

use super::goal::{Compared, Figures, Goal, Row};
use super::proc::memory_mib;
use super::round::{self, Load};
use super::stage::{Stage, Subject, Wrap};
use crate::Outcome;
use crate::statistics::median;

/// Growth over as many requests again that still counts as flat: allocators return memory in steps.
const FLAT_MIB: f64 = 2.0;

fn alone(id: &str, what: &str, unit: &'static str, figures: Figures, reach: f64) -> Row {
    Row::judged(id, what, unit, figures, Goal { compared: Compared::Alone, reach, better: reach / 2.0 })
}

fn both(bare: f64, gateway: f64) -> Figures {
    Figures { bare: Some(bare), gateway: Some(gateway), ..Figures::default() }
}

/// From start to the first answered request.
pub(super) fn measure_start(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let mut medians = [0.0; 2];
    for (subject, slot) in [Subject::Bare, Subject::Gateway].into_iter().zip(&mut medians) {
        let mut times = Vec::new();
        for _ in 0..stage.options.rounds() {
            times.push(stage.start(subject, &Wrap::Plain)?.started_in.as_secs_f64() * 1000.0);
        }
        *slot = median(&times).unwrap_or_default();
    }
    let [bare, gateway] = medians;
    Ok(vec![alone("start", "start to first answered request", "ms", both(bare, gateway), 150.0)])
}

/// At rest, after many requests, after as many again.
pub(super) fn measure_requests(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let requests = stage.options.count(50_000);
    let mut flawed = false;
    let mut sides = Vec::new();
    for subject in [Subject::Bare, Subject::Gateway] {
        let running = stage.start(subject, &Wrap::Plain)?;
        std::thread::sleep(Duration::from_millis(500));
        let mut readings = [memory_mib(running.child.id(), "VmRSS")?; 3];
        for reading in &mut readings[1..] {
            let round = round::run(stage, &running, Load::new("mock", 64, requests))?;
            flawed |= !round.report.flaws.is_empty();
            *reading = memory_mib(running.child.id(), "VmRSS")?;
        }
        sides.push(readings);
    }
    let [bare, gateway] = sides[..] else {
        return Err("two subjects were measured".into());
    };
    let after = format!("RSS after {requests} requests");
    let growth = format!("RSS growth over {requests} more");
    let figures = |bare, gateway| Figures { flawed, ..both(bare, gateway) };
    Ok(vec![
        alone("memory-idle", "RSS at rest", "MiB", figures(bare[0], gateway[0]), 30.0),
        alone("memory-requests", &after, "MiB", figures(bare[1], gateway[1]), 60.0),
        alone("memory-flat", &growth, "MiB", figures(bare[2] - bare[1], gateway[2] - gateway[1]), FLAT_MIB),
    ])
}

const STREAMS_MODEL: &str = "mock-20x260-pace250ms";

/// The most memory while many streams are open at once.
pub(super) fn measure_streams(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    stage.add_models(&[STREAMS_MODEL]);
    let streams = stage.options.count(2_000);
    let mut flawed = false;
    let mut peaks = [0.0; 2];
    for (subject, peak) in [Subject::Bare, Subject::Gateway].into_iter().zip(&mut peaks) {
        let running = stage.start(subject, &Wrap::Plain)?;
        let round = round::run(stage, &running, Load::streams(STREAMS_MODEL, streams, streams))?;
        flawed |= !round.report.flaws.is_empty();
        *peak = memory_mib(running.child.id(), "VmHWM")?;
    }
    let [bare, gateway] = peaks;
    let what = format!("peak RSS with {streams} concurrent streams");
    Ok(vec![alone("memory-streams", &what, "MiB", Figures { flawed, ..both(bare, gateway) }, 150.0)])
}
