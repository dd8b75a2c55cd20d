//! One storm against one subject, with what it cost the subject.

use std::path::Path;
use std::process::{Command, Stdio};

use super::child::pinned;
use super::proc;
use super::stage::{KEY, Running, Stage};
use crate::Outcome;
use crate::storm::Report;

/// The part of a storm that scenarios set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) model: &'static str,
    pub(super) stream: bool,
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) rate: Option<f64>,
    pub(super) prompt_bytes: u64,
    /// Who asks.
    pub(super) key: &'static str,
}

impl Load {
    pub(super) fn new(model: &'static str, connections: u64, requests: u64) -> Self {
        Self { model, stream: false, connections, requests, rate: None, prompt_bytes: 200, key: KEY }
    }

    pub(super) fn streams(model: &'static str, connections: u64, requests: u64) -> Self {
        Self { stream: true, ..Self::new(model, connections, requests) }
    }
}

/// The kernel tells user from system time by sampling; with fewer ticks the share is chance.
const ENOUGH_TICKS: u64 = 20;

/// What a round showed.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) report: Report,
    pub(super) cpu_us: f64,
    /// User time as a share of all CPU time; `None` when the round was too short for the kernel's sampling.
    pub(super) user_share: Option<f64>,
}

/// Sends a load and reads the subject's CPU time around it.
pub(super) fn run(stage: &Stage<'_>, running: &Running, load: Load) -> Outcome<Round> {
    let pid = running.child.id();
    let (before, ticks_before) = (proc::cpu_us(pid)?, proc::ticks(pid)?);
    let report = storm(&mut storm_command(stage, running, load))?;
    let (after, ticks_after) = (proc::cpu_us(pid)?, proc::ticks(pid)?);
    let user = ticks_after.user - ticks_before.user;
    let all = user + ticks_after.system - ticks_before.system;
    let user_share = (all >= ENOUGH_TICKS).then(|| user as f64 / all as f64);
    Ok(Round { report, cpu_us: after - before, user_share })
}

/// The command that sends a load, pinned.
pub(super) fn storm_command(stage: &Stage<'_>, running: &Running, load: Load) -> Command {
    let mut command = pinned(stage.options.load_core, &stage.own);
    add_storm(&mut command, running, load);
    command
}

/// The same behind another program, which takes a command as its last arguments.
pub(super) fn storm_behind(mut front: Command, stage: &Stage<'_>, running: &Running, load: Load) -> Command {
    front.arg("taskset").args(["-c", &stage.options.load_core.to_string()]).arg::<&Path>(&stage.own);
    add_storm(&mut front, running, load);
    front
}

fn add_storm(command: &mut Command, running: &Running, load: Load) {
    command.arg("storm").args(["--allow-flaws", "--key", load.key, "--model", load.model]);
    command.arg("--target").arg(running.address.to_string());
    command.arg("--connections").arg(load.connections.to_string());
    command.arg("--requests").arg(load.requests.to_string());
    command.arg("--prompt-bytes").arg(load.prompt_bytes.to_string());
    if load.stream {
        command.arg("--stream");
    }
    if let Some(rate) = load.rate {
        command.arg("--rate").arg(rate.to_string());
    }
}

/// Runs a storm command and reads what it prints.
pub(super) fn storm(command: &mut Command) -> Outcome<Report> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the storm failed: {command:?}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
