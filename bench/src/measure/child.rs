//! Programs the orchestrator starts: pinned to a core, ended by their id when they are dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// A running program which ends with this value.
#[derive(Debug)]
pub(super) struct Child {
    inner: std::process::Child,
}

impl Child {
    /// Starts a program whose output goes to a log file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Outcome<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let inner = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        Ok(Self { inner })
    }

    /// Starts one of our own servers and reads the address it prints.
    pub(super) fn start_server(command: &mut Command) -> Outcome<(Self, SocketAddr)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Self { inner: command.spawn()? };
        let stdout = child.inner.stdout.take().ok_or("a piped child has an output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or("the server did not print its address")?;
        Ok((child, address.parse()?))
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.inner.try_wait()?.is_some())
    }

    /// Asks it to end, which lets a tool around it write its figures, and waits.
    pub(super) fn end_politely(mut self, patience: Duration) -> Outcome<()> {
        Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        let until = Instant::now() + patience;
        while !self.has_ended()? {
            if Instant::now() > until {
                return Err("a program did not end when asked to".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }
}

/// Open files that ten thousand streams need on one side of a proxy, with room.
const OPEN_FILES: u64 = 16_384;

/// A command pinned to a core, with enough open files. `prlimit` and `taskset` replace themselves by what they start,
/// so the id stays the program's.
pub(super) fn pinned(core: usize, program: &Path) -> Command {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let mut command = match missing_files(&limits) {
        Some(files) => {
            let mut command = Command::new("prlimit");
            command.arg(format!("--nofile={files}:")).arg("taskset");
            command
        }
        None => Command::new("taskset"),
    };
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// The soft limit to ask for where the present one is too low; as much as the hard one allows.
fn missing_files(limits: &str) -> Option<u64> {
    let mut numbers = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace();
    let soft: u64 = numbers.next()?.parse().ok()?;
    let hard: u64 = numbers.next()?.parse().unwrap_or(OPEN_FILES);
    (soft < OPEN_FILES && soft < hard).then_some(hard.min(OPEN_FILES))
}

#[cfg(test)]
mod tests {
    use super::missing_files;

    #[test]
    fn a_low_limit_is_raised_as_far_as_it_may() {
        let limits = |numbers: &str| format!("Limit  Soft  Hard  Units\nMax open files            {numbers}  files\n");
        assert_eq!(missing_files(&limits("1024 524288")), Some(16_384));
        assert_eq!(missing_files(&limits("1024 4096")), Some(4096));
        assert_eq!(missing_files(&limits("1024 unlimited")), Some(16_384));
        assert_eq!(missing_files(&limits("1024 1024")), None);
        assert_eq!(missing_files(&limits("20000 20000")), None);
        assert_eq!(missing_files(""), None);
    }
}
