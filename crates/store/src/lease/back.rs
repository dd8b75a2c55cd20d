//! Leased money goes back to the database: in order, much at a time, and again where it could not.

use std::collections::{BTreeMap, HashSet};
use std::sync::Weak;
use std::time::Duration;

use switchboard_engine::apart;
use switchboard_engine::book::port::Slot;
use switchboard_engine::terms::NanoUsd;
use tokio::sync::mpsc::UnboundedReceiver;

use super::recall::Word;
use super::{Lessor, key, less};
use crate::error::StoreError;
use crate::sql::Sql;

/// So much is given back at a time.
const MOST: usize = 256;
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What goes back to the database, in this order.
pub(super) struct Back {
    pub(super) slot: Slot,
    pub(super) amount: NanoUsd,
    /// Under which [`Lessor::lost`] it was granted.
    pub(super) lost: u64,
    /// Who has called for it, and waits.
    pub(super) answers: Option<String>,
}

/// Carries back what is given back, in order, as much at a time as there is.
pub(super) async fn carry(lessor: Weak<Lessor>, mut backs: UnboundedReceiver<Back>) {
    let mut some = Vec::new();
    while !some.is_empty() || backs.recv_many(&mut some, MOST).await > 0 {
        let carried = apart::work("giving back", async {
            let Some(lessor) = lessor.upgrade() else { return Ok(()) };
            let lost = lessor.lost();
            some.retain(|back: &Back| back.lost == lost);
            give_back(lessor.sql(), lessor.instance(), &some).await
        });
        match carried.await {
            Some(Ok(())) | None => some.clear(),
            Some(Err(error)) => {
                tracing::warn!(%error, "leased money could not be given back yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Gives that back and answers who has called for it. Where it is not known whether the database has it, it goes back when the lease
/// ends: nobody may have it twice.
async fn give_back(sql: &Sql, instance: &str, backs: &[Back]) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(i64, String, i64), NanoUsd> = BTreeMap::new();
    for back in backs.iter().filter(|back| back.amount > NanoUsd::ZERO) {
        let sum = sums.entry(key(&back.slot)).or_default();
        *sum = sum.plus(back.amount);
    }
    let mut on = sql.writers.begin().await?;
    for (slot, amount) in &sums {
        less(&mut on, sql, instance, slot, amount.0).await?;
    }
    let mut answered = HashSet::new();
    for (slot, to) in backs.iter().filter_map(|back| Some((&back.slot, back.answers.as_ref()?))) {
        if answered.insert((slot, to)) {
            Word::new(instance, Some(to.clone()), slot).say(&mut on).await?;
        }
    }
    if let Err(error) = on.commit().await {
        tracing::warn!(%error, "leased money may not have been given back");
    }
    Ok(())
}
