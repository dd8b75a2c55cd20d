//! What is said when a soft budget is spent: once for each budget and window.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::admit::{Book, Micros, Mode, ScopeId, Window};
use switchboard_engine::meter::{Record, Recorder};

/// More than this are not remembered, and may be told twice.
const KEPT: usize = 100_000;

/// Watches what is spent, and hands records on.
pub struct Alerts {
    book: Arc<Book>,
    told: Mutex<HashSet<(ScopeId, Window, Micros)>>,
    crossed: AtomicU64,
    next: Arc<dyn Recorder>,
}

impl Alerts {
    /// Watches those scopes.
    pub fn new(book: Arc<Book>, next: Arc<dyn Recorder>) -> Self {
        Self { book, told: Mutex::default(), crossed: AtomicU64::new(0), next }
    }

    /// How many were spent since the gateway began.
    pub fn crossed(&self) -> u64 {
        self.crossed.load(Ordering::Relaxed)
    }

    fn watch(&self, record: &Record) {
        for scope in &record.principal.scopes {
            let terms = scope.terms();
            for budget in terms.budgets.iter().filter(|budget| budget.mode == Mode::Audit) {
                let now = self.book.now();
                let spent = scope.spent_in(budget.window, now).unwrap_or_default();
                if spent < budget.limit {
                    continue;
                }
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.len() >= KEPT {
                    told.clear();
                }
                if told.insert((scope.id.clone(), budget.window, budget.window.start(now))) {
                    self.crossed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        event = "soft_budget_crossed",
                        scope = %scope.id,
                        name = terms.name,
                        spent = %spent,
                        soft_budget = %budget.limit,
                        window = budget.window.name(),
                        "a soft budget is spent"
                    );
                }
            }
        }
    }
}

impl Recorder for Alerts {
    fn record(&self, record: Box<Record>) {
        if record.charged.0 > 0 {
            self.watch(&record);
        }
        self.next.record(record);
    }
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Alerts")
    }
}
