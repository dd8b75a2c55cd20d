//! Corrections: rows that say what was put right, since no row is ever changed.

use std::sync::Arc;

use switchboard_engine::admit::journal::AttemptId;
use switchboard_engine::terms::{NanoUsd, ScopeId, Window};

use super::post::{Batch, Debit, Known, Posting, post};
use crate::error::StoreError;
use crate::open::Store;
use crate::time::micros;

/// What a row of a correction is called.
pub(super) const ADJUST: &str = "adjust";

/// A correction of what one scope has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Whose.
    pub scope: ScopeId,
    /// In which windows beside the lifetime, with their starts.
    pub windows: Vec<(Window, i64)>,
    /// By how much; less where it is negative.
    pub amount: NanoUsd,
    /// On whose account it is set off: nobody that is owed anything.
    pub credit: String,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub actor: String,
}

/// Writes corrections, all or none. They are in the ledger when this returns.
pub async fn correct(store: &Store, instance: &str, corrections: Vec<Correction>) -> Result<(), StoreError> {
    let postings = corrections.into_iter().filter(|one| one.amount != NanoUsd::ZERO).map(posting).collect();
    write(store, instance, postings).await
}

/// Writes rows of corrections.
pub(super) async fn write(store: &Store, instance: &str, mut postings: Vec<Posting>) -> Result<(), StoreError> {
    if postings.is_empty() {
        return Ok(());
    }
    postings.sort_by(|a, b| (&a.attempt, &a.kind).cmp(&(&b.attempt, &b.kind)));
    let (sql, instance) = (store.sql().clone(), format!("{instance}/corrections"));
    let batch = Arc::new(Batch { postings, ..Batch::default() });
    store.thread().run(async move { post(&sql, &instance, &batch, &mut Known::default()).await }).await
}

fn posting(one: Correction) -> Posting {
    let now = micros();
    Posting {
        attempt: AttemptId::mint(now).to_string(),
        kind: ADJUST.to_owned(),
        at: now,
        call: String::new(),
        amount: one.amount.0,
        owed: None,
        reserved: 0,
        estimated: false,
        debits: vec![Debit {
            level: one.scope.level.as_str().to_owned(),
            name: one.scope.id.to_string(),
            model: one.scope.model.as_deref().unwrap_or("").to_owned(),
            windows: one.windows.into_iter().map(|(window, start)| (window.name(), start)).collect(),
        }],
        credit: one.credit,
        tokens: (0, 0),
        basis: None,
        reason: Some(one.reason),
        actor: Some(one.actor),
    }
}
