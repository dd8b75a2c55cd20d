//! Keeps who asked out of lines that others may read (`redact_user_api_key_info`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_engine::meter::{Record, Recorder};
use switchboard_engine::principal::Principal;

use crate::config::Config;

/// What stands for a key's name.
const REDACTED: &str = "redacted";

/// Hands records on, without who asked where that is to be nobody's to read.
pub struct Discreet {
    is_on: AtomicBool,
    next: Arc<dyn Recorder>,
}

impl Discreet {
    /// As configured, before that recorder.
    pub fn new(config: &Config, next: Arc<dyn Recorder>) -> Self {
        Self { is_on: AtomicBool::new(config.litellm.redacts_keys), next }
    }

    /// Follows another configuration.
    pub fn follow(&self, config: &Config) {
        self.is_on.store(config.litellm.redacts_keys, Ordering::Relaxed);
    }
}

impl Recorder for Discreet {
    fn record(&self, mut record: Box<Record>) {
        if self.is_on.load(Ordering::Relaxed) {
            record.key = REDACTED.to_owned();
            record.principal = Arc::new(Principal::named(REDACTED));
        }
        self.next.record(record);
    }
}
