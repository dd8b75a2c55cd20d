//! What is told without anybody asking: budgets that are spent or nearly so, balances that are low, keys that expire, deployments
//! that are shut out.
//!
//! An [`alert`] is as LiteLLM writes it; [`webhooks`](crate::webhooks) brings it to those who are to be told.
//!
//! Requests do no more than leave a note of whose money was spent, in a queue that is bounded; where it is full the note is dropped,
//! and the next one says the same. No request ever waits for anybody who is told.

pub(crate) mod alert;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::book::Book;
use switchboard_engine::clock::Micros;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::meter::{Outcome, Record, Recorder};
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Mode, ScopeId, Window};
use switchboard_engine::wire::problem::Kind;
use tokio::sync::mpsc;

use alert::Alert;

/// More than this are not remembered, and may be told twice.
const KEPT: usize = 100_000;
/// Notes that wait to be looked at.
const NOTES: usize = 4_096;

/// Something that may have to be told.
#[derive(Debug)]
pub(crate) enum Note {
    /// Money was spent, or refused.
    Spent { who: Arc<Principal>, refused: bool },
    /// A deployment is shut out.
    Outage(Arc<Deployment>),
    /// It is time to look for keys that expire.
    Keys,
    /// It is known already what is to be told.
    Said(Box<Alert>),
}

/// Watches what is spent, and hands records on.
pub struct Alerts {
    book: Arc<Book>,
    told: Mutex<HashSet<(ScopeId, Window, Micros)>>,
    crossed: AtomicU64,
    /// Whether anybody is told.
    heard: AtomicBool,
    notes: mpsc::Sender<Note>,
    inbox: Mutex<Option<mpsc::Receiver<Note>>>,
    pub(crate) counts: Counts,
    next: Arc<dyn Recorder>,
}

/// What became of alerts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Told.
    pub(crate) told: AtomicU64,
    /// Given up after some tries.
    pub(crate) failed: AtomicU64,
    /// Without room in a queue.
    pub(crate) dropped: AtomicU64,
}

impl Alerts {
    /// Watches those scopes.
    pub fn new(book: Arc<Book>, next: Arc<dyn Recorder>) -> Self {
        let (notes, inbox) = mpsc::channel(NOTES);
        let inbox = Mutex::new(Some(inbox));
        Self {
            book,
            told: Mutex::default(),
            crossed: AtomicU64::new(0),
            heard: AtomicBool::new(false),
            notes,
            inbox,
            counts: Counts::default(),
            next,
        }
    }

    /// How many soft budgets were spent since the gateway began.
    pub fn crossed(&self) -> u64 {
        self.crossed.load(Ordering::Relaxed)
    }

    /// Whether anybody is told.
    pub fn are_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Somebody is told from now on, or nobody.
    pub(crate) fn hear(&self, heard: bool) {
        self.heard.store(heard, Ordering::Relaxed);
    }

    /// The notes, for the one who looks at them.
    pub(crate) fn inbox(&self) -> Option<mpsc::Receiver<Note>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Looks for keys that expire soon, now rather than later.
    pub fn look_at_keys(&self) {
        self.note(Note::Keys);
    }

    /// Leaves a note, where anybody is told.
    pub(crate) fn note(&self, note: Note) {
        if self.are_heard() && self.notes.try_send(note).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
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
                        window = budget.window.length().name(),
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
        if self.are_heard() {
            let refused = record.outcome == Outcome::Failed(Kind::BudgetSpent);
            if record.charged.0 > 0 || refused {
                self.note(Note::Spent { who: record.principal.clone(), refused });
            }
            for attempt in record.tried.iter().filter(|attempt| attempt.shut_out) {
                self.note(Note::Outage(attempt.deployment.clone()));
            }
        }
        self.next.record(record);
    }
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Alerts")
    }
}
