//! What the gateway counts, for Prometheus: LiteLLM's metrics by their names and labels, and a few of its own.
//!
//! A finished call is counted in one row of a table, found by everything that can become a label: who asked, for what, where it was
//! served, how it ended. The many metrics are projections of these rows, made when somebody asks for them, so that a call costs two
//! look-ups and no more, however many metrics there are. Each thread writes to a table of its own.
//!
//! Whoever can choose labels can choose many: models that do not exist, customers without end. The number of rows is bounded
//! (`switchboard.metrics_max_label_sets`); what has no row any more is counted in a row of nobody (`other`), so that sums stay right.
//!
//! The text is that of Prometheus' Python client, which LiteLLM's users have alerts and tests for: labels in alphabetical order, `None`
//! for what is not there, counters ending in `_total`, numbers with a decimal point. That is a wire format like others, and so it is
//! written here; libraries for it bring a registry of their own and one look-up for each metric.
//!
//! | file | what |
//! |---|---|
//! | [`row`] | what is counted of calls and of attempts |
//! | [`table`] | the rows, found quickly and bounded |
//! | [`label`] | what labels there are, and what they say of a row |
//! | [`family`] | LiteLLM's metrics of calls and attempts, as projections |
//! | [`text`] | how all that is written |
//!
//! What is looked up when somebody asks, and the page with all of it, is above: [`exposition`](crate::exposition).

pub mod family;
pub mod label;
pub mod row;
mod table;
pub mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use switchboard_engine::meter::{Record, Recorder};

use crate::config::Config;
use row::{AttemptRow, CallRow};
use table::Table;

/// Counts calls and hands them on.
pub struct Metrics {
    pub(crate) calls: Table<CallRow>,
    pub(crate) attempts: Table<AttemptRow>,
    /// Customers are a label; off unless asked for, since there may be any number of them.
    pub(crate) customers: AtomicBool,
    pub(crate) began: Instant,
    next: Arc<dyn Recorder>,
}

impl Metrics {
    /// Counts as configured, and hands on to `next`.
    pub fn new(config: &Config, next: Arc<dyn Recorder>) -> Self {
        let most = config.switchboard.metrics.max_label_sets as usize;
        let customers = AtomicBool::new(config.litellm.metrics.customers);
        Self { calls: Table::new(most), attempts: Table::new(most), customers, began: Instant::now(), next }
    }

    /// Follows another configuration.
    pub fn follow(&self, config: &Config) {
        self.customers.store(config.litellm.metrics.customers, Ordering::Relaxed);
    }

    fn count(&self, record: &Record) {
        let customers = self.customers.load(Ordering::Relaxed);
        self.calls.count(record, |key| row::key_of_call(record, customers, key), CallRow::of, CallRow::add);
        for at in 0..record.tried.len() {
            let seen = row::Seen { record, at };
            self.attempts.count(&seen, |key| row::key_of_attempt(&seen, key), AttemptRow::of, AttemptRow::add);
        }
    }
}

impl Recorder for Metrics {
    fn record(&self, record: Box<Record>) {
        self.count(&record);
        self.next.record(record);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Metrics").field("calls", &self.calls.count.rows()).finish_non_exhaustive()
    }
}
