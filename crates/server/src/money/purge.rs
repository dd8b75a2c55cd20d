//! Deleting the lines of the log that are old enough, a few at a time and one gateway at a time.

use std::sync::Arc;
use std::time::Duration;

use switchboard_store::ledger::{DELETED_AT_ONCE, delete_lines};
use switchboard_store::{Store, StoreError, micros};
use tokio::time::Instant;

use crate::app::App;
use crate::config::resolved::{Occasion, Retention};

/// How often the configuration is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long everybody else has the database between two statements.
const PAUSE: Duration = Duration::from_millis(20);
/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// Deletes what the configuration in force wants deleted, until it is dropped.
pub(crate) async fn watch(app: Arc<App>) {
    let Some(store) = app.store.clone() else { return };
    let (mut last, mut minute) = (None, 0);
    loop {
        let wanted = app.config().general.logs.retention.clone();
        if let Some(retention) = wanted.filter(|retention| is_due(retention, &mut last, &mut minute)) {
            match purge(&store, &retention).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old lines of the log are deleted"),
                Err(error) => tracing::warn!(%error, "old lines of the log stay until the database answers"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether it is time: at start and after each interval, or once in each of those minutes.
fn is_due(retention: &Retention, last: &mut Option<Instant>, minute: &mut i64) -> bool {
    let due = match &retention.when {
        Occasion::Every(every) => last.is_none_or(|last| last.elapsed() >= *every),
        Occasion::At(cron) => {
            let now = micros();
            let fresh = now.div_euclid(MINUTE) != std::mem::replace(minute, now.div_euclid(MINUTE));
            fresh && cron.has(now)
        }
    };
    if due {
        *last = Some(Instant::now());
    }
    due
}

async fn purge(store: &Store, retention: &Retention) -> Result<u64, StoreError> {
    let before = micros().saturating_sub(i64::try_from(retention.age.as_micros()).unwrap_or(i64::MAX));
    let mut all = 0;
    while let Some(deleted) = delete_lines(store, before).await? {
        all += deleted;
        if i64::try_from(deleted).unwrap_or(i64::MAX) < DELETED_AT_ONCE {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(all)
}
