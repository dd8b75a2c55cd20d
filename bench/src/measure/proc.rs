//! What the kernel says about a running program.

use std::fs;

use crate::Outcome;

/// User and system time in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    pub(super) user: u64,
    pub(super) system: u64,
}

/// Microseconds in a clock tick: the kernel shows user space a hundred a second on every common architecture.
const TICK_US: f64 = 10_000.0;

/// CPU time of all threads so far, in microseconds: exact from the scheduler where it tells, in ticks otherwise.
pub(super) fn cpu_us(pid: u32) -> Outcome<f64> {
    match scheduled_us(pid) {
        Some(exact) => Ok(exact),
        None => {
            let ticks = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or("unreadable /proc stat")?;
            Ok((ticks.user + ticks.system) as f64 * TICK_US)
        }
    }
}

fn scheduled_us(pid: u32) -> Option<f64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that has just ended is left out here; the servers measured keep theirs.
        if let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) {
            sum += parse_schedstat(&text)?;
        }
    }
    (sum > 0).then_some(sum as f64 / 1000.0)
}

/// User and system time so far, in ticks.
pub(super) fn ticks(pid: u32) -> Outcome<Ticks> {
    Ok(parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or("unreadable /proc stat")?)
}

/// Fields 14 and 15 of `stat`. The program's name, field 2, may itself hold spaces and brackets.
fn parse_stat(text: &str) -> Option<Ticks> {
    let after_name = &text[text.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some(Ticks { user: fields.next()?.parse().ok()?, system: fields.next()?.parse().ok()? })
}

/// The first field of `schedstat`: nanoseconds on a core.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// A memory field of `status` (`VmRSS`, `VmHWM`) in MiB.
pub(super) fn memory_mib(pid: u32, field: &str) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(parse_memory(&text, field).ok_or_else(|| format!("no `{field}` in /proc status"))?)
}

fn parse_memory(text: &str, field: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_a_strange_name() {
        let line = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 1234 567 0 0 20 0 3 0 99 1000 200";
        assert_eq!(parse_stat(line), Some(Ticks { user: 1234, system: 567 }));
        assert_eq!(parse_stat("42 (cut"), None);
        assert_eq!(parse_stat("42 (cut) S 1 2"), None);
    }

    #[test]
    fn schedstat_and_status_are_read() {
        assert_eq!(parse_schedstat("434833 43996 2\n"), Some(434_833));
        assert_eq!(parse_schedstat(""), None);
        let status = "Name:\tx\nVmHWM:\t    3072 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(parse_memory(status, "VmRSS"), Some(2.0));
        assert_eq!(parse_memory(status, "VmHWM"), Some(3.0));
        assert_eq!(parse_memory(status, "VmSwap"), None);
    }

    #[test]
    fn our_own_time_and_memory_are_there() {
        let own = std::process::id();
        assert!(cpu_us(own).unwrap() >= 0.0);
        assert!(ticks(own).is_ok());
        assert!(memory_mib(own, "VmRSS").unwrap() > 0.1);
    }
}
