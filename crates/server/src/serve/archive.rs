//! Where answers are kept for those who ask again.

use std::sync::Arc;

use switchboard_engine::shelf::Archive;
use switchboard_store::vault::MasterKey;
use switchboard_store::{RedisArchive, SealedArchive, SqlArchive, Store};

use super::StartError;
use crate::config::Config;
use crate::config::resolved::AnswerStore;
use crate::trust::{self, TrustError};

/// Where answers are kept beside memory: where the configuration says; else in Redis, where gateways meet there; else in the database,
/// where there is one. Sealed, where there is a key to seal with.
pub(super) fn open(config: &Config, store: Option<&Store>) -> Result<Option<Arc<dyn Archive>>, StartError> {
    let recovery = &config.switchboard.recovery;
    if recovery.idempotency_ttl.is_zero() {
        return Ok(None);
    }
    let redis = config.redis.as_ref().filter(|_| matches!(recovery.idempotency_store, AnswerStore::Auto | AnswerStore::Redis));
    if let Some(address) = redis {
        return sealed(RedisArchive::new(address.expose())?, trust::master(config, true)?).map(Some);
    }
    let store = store.filter(|_| matches!(recovery.idempotency_store, AnswerStore::Auto | AnswerStore::Database));
    store.map(|store| sealed(SqlArchive::new(store), trust::master(config, false)?)).transpose()
}

fn sealed(archive: impl Archive + 'static, master: Option<MasterKey>) -> Result<Arc<dyn Archive>, StartError> {
    Ok(match master {
        Some(master) => Arc::new(SealedArchive::new(archive, &master).map_err(TrustError::Vault)?),
        None => Arc::new(archive),
    })
}
