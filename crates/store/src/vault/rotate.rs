//! Changing keys while gateways run.
//!
//! Everything is done in small steps that stand for themselves, so that a rotation that was broken off goes on where it was.

use crate::time::micros;
use sqlx::{AnyConnection, Row};

use super::{Cell, Vault, VaultError, cell, wrapping};

/// What a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Data keys that are now sealed by the present master key.
    pub rewrapped: u64,
    /// Tenants that have a new data key.
    pub renewed: u64,
    /// Secrets that were sealed anew.
    pub resealed: u64,
    /// Secrets that did not open and stay as they are: somebody changed them.
    pub unreadable: u64,
    /// Master keys that nothing needs any more.
    pub retired: u64,
}

/// Secrets that are sealed anew in one transaction.
const BATCH: i64 = 64;

const UNFINISHED: &str = "SELECT started_at FROM key_rotations WHERE finished_at IS NULL ORDER BY started_at LIMIT 1";
const BEGIN: &str = "INSERT INTO key_rotations (started_at) VALUES ($1)";
const FINISH: &str = "UPDATE key_rotations SET finished_at = $1 WHERE finished_at IS NULL";
const FOREIGN: &str = "SELECT version, master, wrapped, tenant FROM data_keys WHERE master <> $1 ORDER BY tenant, version LIMIT 64";
const REWRAP: &str = "UPDATE data_keys SET wrapped = $1, master = $2 WHERE tenant = $3 AND version = $4 AND master = $5";
// A key for a purpose of the gateway's own stays: what was made with it could not be checked any more.
const AGED: &str = "SELECT tenant, MAX(version) FROM data_keys WHERE tenant NOT LIKE 'purpose:%' GROUP BY tenant \
     HAVING MAX(created_at) < $1 ORDER BY tenant";
const STALE: &str = "SELECT s.kind, s.object, s.field, s.tenant, s.origin, s.key_version, s.revision, s.sealed FROM secrets s \
     WHERE s.key_version < (SELECT MAX(k.version) FROM data_keys k WHERE k.tenant = s.tenant) \
     AND (s.kind, s.object, s.field) > ($1, $2, $3) ORDER BY s.kind, s.object, s.field LIMIT $4";
const RESEAL: &str = "UPDATE secrets SET sealed = $1, key_version = $2, revision = $3, updated_at = $4 \
     WHERE kind = $5 AND object = $6 AND field = $7 AND revision = $8 AND key_version = $9";
// A key stays readable for a day after nothing in the database uses it, for what another gateway is about to write.
const SPENT: &str = "DELETE FROM data_keys WHERE tenant NOT LIKE 'purpose:%' AND created_at < $1 \
     AND version < (SELECT MAX(k.version) FROM data_keys k WHERE k.tenant = data_keys.tenant) \
     AND NOT EXISTS (SELECT 1 FROM secrets s WHERE s.tenant = data_keys.tenant AND s.key_version = data_keys.version)";
const RETIRE: &str = "UPDATE master_keys SET retired_at = $1 WHERE retired_at IS NULL AND fingerprint <> $2 \
     AND NOT EXISTS (SELECT 1 FROM data_keys k WHERE k.master = master_keys.fingerprint)";

const DAY_MICROS: i64 = 86_400_000_000;

impl Vault {
    /// Gives every tenant a new data key, seals every secret with it, and lets go of former master keys. One that was broken off
    /// is finished instead of begun anew.
    pub async fn rotate(&self) -> Result<Rotated, VaultError> {
        let vault = self.clone();
        self.run(async move {
            let started = vault.begin().await?;
            let mut rotated = Rotated::default();
            while let Some(count) = vault.rewrap().await? {
                rotated.rewrapped += count;
            }
            rotated.renewed = vault.renew(started).await?;
            let mut after = Some(Cell::new("", "", ""));
            while let Some(last) = after {
                after = vault.reseal(&last, &mut rotated).await?;
            }
            rotated.retired = vault.finish().await?;
            Ok(rotated)
        })
        .await
    }

    async fn begin(&self) -> Result<i64, VaultError> {
        let mut transaction = self.0.store.sql().writers.begin().await?;
        self.lock(&mut transaction).await?;
        if let Some(row) = sqlx::query(UNFINISHED).fetch_optional(&mut *transaction).await? {
            return Ok(row.try_get(0)?);
        }
        let now = micros();
        sqlx::query(BEGIN).bind(now).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(now)
    }

    /// Seals some data keys by the present master key; none when there are no others.
    async fn rewrap(&self) -> Result<Option<u64>, VaultError> {
        let own = self.0.master.fingerprint();
        let mut transaction = self.0.store.sql().writers.begin().await?;
        self.lock(&mut transaction).await?;
        let rows = sqlx::query(FOREIGN).bind(own).fetch_all(&mut *transaction).await?;
        for row in &rows {
            let (former, tenant): (String, String) = (row.try_get(1)?, row.try_get(3)?);
            let (version, key) = self.unwrap_key(&tenant, row)?;
            let wrapped = cell::seal(self.0.master.key(), &wrapping(&tenant, version, own), key.as_slice())?;
            let rewrap = sqlx::query(REWRAP).bind(wrapped).bind(own).bind(&tenant).bind(version).bind(former);
            rewrap.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok((!rows.is_empty()).then_some(rows.len() as u64))
    }

    /// New data keys for tenants whose newest is older than the rotation.
    async fn renew(&self, started: i64) -> Result<u64, VaultError> {
        let mut transaction = self.0.store.sql().writers.begin().await?;
        self.lock(&mut transaction).await?;
        let rows = sqlx::query(AGED).bind(started).fetch_all(&mut *transaction).await?;
        for row in &rows {
            let (tenant, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            self.new_key(&mut transaction, &tenant, version + 1).await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    /// Seals some secrets with their tenant's newest key, those after that cell; gives the last of them, none at the end.
    async fn reseal(&self, after: &Cell, rotated: &mut Rotated) -> Result<Option<Cell>, VaultError> {
        let mut transaction = self.0.store.sql().writers.begin().await?;
        let stale = sqlx::query(STALE).bind(&after.kind).bind(&after.object).bind(&after.field).bind(BATCH);
        let rows = stale.fetch_all(&mut *transaction).await?;
        let mut last = None;
        for row in &rows {
            let cell = Cell {
                kind: row.try_get(0)?,
                object: row.try_get(1)?,
                field: row.try_get(2)?,
                tenant: row.try_get(3)?,
                origin: row.try_get(4)?,
            };
            let (version, revision): (i64, i64) = (row.try_get(5)?, row.try_get(6)?);
            let sealed: Vec<u8> = row.try_get(7)?;
            match self.reseal_one(&mut transaction, &cell, (version, revision), &sealed).await {
                Ok(()) => rotated.resealed += 1,
                Err(VaultError::DoesNotOpen) => {
                    tracing::error!(
                        kind = cell.kind,
                        object = cell.object,
                        field = cell.field,
                        "a secret does not open and is left as it is"
                    );
                    rotated.unreadable += 1;
                }
                Err(error) => return Err(error),
            }
            last = Some(cell);
        }
        transaction.commit().await?;
        Ok(last)
    }

    async fn reseal_one(
        &self,
        connection: &mut AnyConnection,
        cell: &Cell,
        (version, revision): (i64, i64),
        sealed: &[u8],
    ) -> Result<(), VaultError> {
        let former = self.key_of(connection, &cell.tenant, version).await?;
        let plain = cell::open(&former, &cell.context(version, revision), sealed)?;
        let (newest, key) = self.newest_key(connection, &cell.tenant).await?;
        let sealed = cell::seal(&key, &cell.context(newest, revision + 1), &plain)?;
        let reseal = sqlx::query(RESEAL).bind(sealed).bind(newest).bind(revision + 1).bind(micros());
        let reseal = reseal.bind(&cell.kind).bind(&cell.object).bind(&cell.field).bind(revision).bind(version);
        // No row: somebody wrote the secret meanwhile, with the newest key.
        reseal.execute(connection).await?;
        Ok(())
    }

    async fn finish(&self) -> Result<u64, VaultError> {
        let mut transaction = self.0.store.sql().writers.begin().await?;
        self.lock(&mut transaction).await?;
        let now = micros();
        sqlx::query(SPENT).bind(now - DAY_MICROS).execute(&mut *transaction).await?;
        let retired = sqlx::query(RETIRE).bind(now).bind(self.0.master.fingerprint()).execute(&mut *transaction).await?;
        sqlx::query(FINISH).bind(now).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(retired.rows_affected())
    }
}
