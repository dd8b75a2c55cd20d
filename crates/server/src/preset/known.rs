//! Presets that were looked up, until one of them changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use switchboard_store::object::{Preset as Row, PresetVersion};
use switchboard_store::{Desk, Store, StoreError};

use super::settings::{Preset, Settings};

/// The most that are remembered, those that are not there among them.
const KEPT: usize = 4096;

type Found = Option<Arc<Preset>>;

/// What is known of presets, by workspace and slug.
#[derive(Debug, Default)]
pub(crate) struct Presets {
    known: RwLock<HashMap<(String, String), Found>>,
    forgotten: AtomicU64,
}

impl Presets {
    /// Forgets all.
    pub(crate) fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The preset of that slug in that workspace.
    pub(crate) async fn find(&self, store: &Store, place: &str, slug: &str) -> Result<Found, StoreError> {
        let wanted = (place.to_owned(), slug.to_owned());
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&wanted) {
            return Ok(known.clone());
        }
        loop {
            let before = self.forgotten.load(Ordering::Acquire);
            let asked = wanted.clone();
            let found = store.soon(move |desk| async move { read(&desk, &asked.0, &asked.1).await }).await?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Something changed while it was read: perhaps this.
            if self.forgotten.load(Ordering::Acquire) != before {
                continue;
            }
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(wanted, found.clone());
            return Ok(found);
        }
    }
}

async fn read(desk: &Desk, place: &str, slug: &str) -> Result<Found, StoreError> {
    let rows: Vec<Row> = desk.named(slug).await?;
    let Some(row) = rows.into_iter().find(|row| row.workspace_id.as_deref() == Some(place)) else { return Ok(None) };
    let Some(version) = row.designated_version_id.as_deref() else { return Ok(None) };
    let Some(version) = desk.get::<PresetVersion>(version).await? else { return Ok(None) };
    let settings = Settings { system_prompt: version.system_prompt, config: version.config };
    Ok(Some(Arc::new(Preset { slug: row.slug, active: row.status == "active", settings })))
}
