//! The orchestrator: starts the mock, the bare proxy and the gateway, runs the same load against both in turn, and
//! compares medians with the goals.
//!
//! The two subjects share one core and take turns on it; the mock and the load generator share another. Only ratios
//! and differences of the same run are judged, since absolute figures belong to a machine.

mod child;
mod goal;
mod instructions;
mod memory;
mod page;
mod proc;
mod round;
mod scenario;
mod stage;
mod streams;
mod syscalls;

use std::path::PathBuf;

use clap::Args;

use self::goal::Row;
use self::stage::Stage;
use crate::Outcome;

/// What to measure, and how.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The `switchboard` binary, or `bare` for a second bare proxy in its place (a test of the tools themselves).
    #[arg(long)]
    pub gateway: String,
    /// A run of some seconds: everything is exercised and checked, no timing is judged.
    #[arg(long)]
    pub quick: bool,
    /// Only these scenarios, by id.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Rounds of each scenario for each subject.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// The core of the gateway and the bare proxy.
    #[arg(long, default_value_t = 1)]
    pub subject_core: usize,
    /// The core of the mock and the load generator.
    #[arg(long, default_value_t = 0)]
    pub load_core: usize,
    /// A PostgreSQL for the books of one more measure, with `--redis-url`.
    #[arg(long)]
    pub database_url: Option<String>,
    /// A Redis for its limits.
    #[arg(long)]
    pub redis_url: Option<String>,
    /// A folder for `bench.json` and `bench.md`.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Options {
    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == id)
    }

    /// A count, made small for a quick run.
    fn count(&self, full: u64) -> u64 {
        if self.quick { (full / 25).max(20) } else { full }
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }
}

/// Measures, prints a table, writes the files; true when every answer was right (and, unless quick, no goal missed).
pub fn run(options: &Options) -> Outcome<bool> {
    let stage = Stage::open(options)?;
    let mut rows = Vec::new();
    scenario::measure(&stage, &mut rows)?;
    for (id, measure) in SINGLES {
        if options.wants(id) {
            eprintln!("measuring {id}");
            rows.extend(measure(&stage)?);
        }
    }
    if options.quick {
        rows.iter_mut().for_each(Row::withhold_verdict);
    }
    print!("{}", page::table(&rows));
    if let Some(folder) = &options.out {
        page::write(folder, options, &rows)?;
    }
    Ok(rows.iter().all(Row::is_good))
}

type Single = (&'static str, fn(&Stage<'_>) -> Outcome<Vec<Row>>);

const SINGLES: &[Single] = &[
    ("money", scenario::measure_books),
    ("syscalls", syscalls::measure),
    ("instructions", instructions::measure),
    ("start", memory::measure_start),
    ("memory", memory::measure_requests),
    ("memory-streams", memory::measure_streams),
    ("streams-h2", streams::measure),
];
