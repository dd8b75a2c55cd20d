//! A bound on the memory of the whole process.
//!
//! A kernel that has no more memory ends the process that takes most, and with it every answer under way. Whoever says how much there
//! is (`switchboard.limits.max_memory_bytes`) has the gateway do with less before that, a step at a time and each only while it is
//! needed: connections that idle are closed, then large bodies are refused, then calls.
//!
//! What is freed does not always go back to the system. So calls are never refused altogether: a few at a time need no memory that is
//! not there, and a gateway that has nothing else left to do serves on.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::chore::Chore;
use crate::config::Config;
use crate::edge::relief::{Relief, Step};

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(50);
/// Per cent of the bound from which each step is taken.
const STEPS: [(u64, Step); 3] = [(95, Step::Calls), (92, Step::Bodies), (85, Step::Idle)];
/// A step is left so many per cent below where it is taken.
const SLACK: u64 = 3;
/// Calls at a time while memory is shortest.
const FEW: usize = 16;

/// Watches it, where there is a bound.
pub(crate) fn watch(app: &Arc<App>, config: &Config, relief: &Relief) -> std::io::Result<Option<Chore>> {
    let own = &config.switchboard.limits;
    let Some(most) = own.max_memory_bytes else { return Ok(None) };
    let bound = own.most_in_flight();
    let (app, relief) = (app.clone(), relief.clone());
    let watching = async move || {
        let mut step = Step::None;
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            let used = match resident() {
                Ok(used) => used,
                Err(error) => {
                    tracing::error!(%error, "memory cannot be measured; `max_memory_bytes` has no effect");
                    return;
                }
            };
            let next = step_at(used, most, step);
            if next != step {
                tell(step, next, used);
                relief.set(next);
                app.gateway.admission().keep_to(if next == Step::Calls { FEW.min(bound) } else { bound });
                step = next;
            }
        }
    };
    Chore::start("memory", watching).map(Some)
}

/// The step for so much memory of so much, after that one.
fn step_at(used: u64, most: u64, before: Step) -> Step {
    let percent = used.saturating_mul(100) / most.max(1);
    let taken = |(from, step): &(u64, Step)| percent >= if before >= *step { from - SLACK } else { *from };
    STEPS.iter().find(|row| taken(row)).map_or(Step::None, |(_, step)| *step)
}

fn tell(before: Step, next: Step, used: u64) {
    let mib = used >> 20;
    match next {
        Step::None => tracing::info!(mib, "memory is no longer short"),
        _ if next < before => tracing::info!(mib, step = ?next, "memory is less short"),
        Step::Idle => tracing::warn!(mib, "memory is short: connections that idle are closed"),
        Step::Bodies => tracing::warn!(mib, "memory is short: large bodies are refused"),
        Step::Calls => tracing::warn!(mib, "memory is short: calls are refused, but for a few at a time"),
    }
}

/// What the process holds.
fn resident() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| std::io::Error::other("/proc/self/status does not say"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_taken_in_its_turn_and_left_a_little_below() {
        let mut step = Step::None;
        let mut seen = Vec::new();
        for used in [50, 84, 85, 91, 92, 95, 99, 93, 92, 91, 90, 89, 88, 83, 82, 81, 95] {
            step = step_at(used, 100, step);
            seen.push(step);
        }
        use Step::{Bodies, Calls, Idle, None};
        let expected = [None, None, Idle, Idle, Bodies, Calls, Calls, Calls, Calls, Bodies, Bodies, Bodies, Idle, Idle, Idle, None, Calls];
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_process_holds_something() {
        assert!(resident().unwrap() > 1 << 20);
    }
}
