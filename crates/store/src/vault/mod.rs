//! Secrets at rest.
//!
//! A *master key* comes from outside the database ([`MasterKey`]). It seals *data keys*, one or more for each tenant, and those
//! seal the secrets themselves, with XChaCha20-Poly1305, whose nonces may be random. What is sealed vouches for where it stands:
//! a [`Cell`] names the object, the field, the tenant and the one origin the secret may be shown to, so that whoever can write to
//! the database but lacks the key can neither swap two secrets nor point one at another host.
//!
//! A gateway that comes with another master key than the database was sealed with does not start. Keys are changed while
//! gateways run ([`Vault::rotate`]): old and new are readable until everything is sealed anew.

pub(crate) mod cell;
mod error;
mod master;
mod rotate;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use zeroize::Zeroizing;

pub use cell::Cell;
pub use error::VaultError;
pub use master::{KeyFileError, MasterKey, Sealer};
pub use rotate::Rotated;

use crate::binding::joined;
use crate::open::Store;
use crate::sql::Kind;
use crate::time::micros;
use cell::Key;

/// A secret that was opened. Its memory is overwritten when it is dropped; it is never printed.
pub type Opened = Zeroizing<Vec<u8>>;

/// The secrets of a database, and the keys they are sealed with.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    store: Store,
    master: MasterKey,
    former: Vec<MasterKey>,
    keys: RwLock<HashMap<(String, i64), Arc<Key>>>,
}

/// Any number will do, as long as it stays the same and no other lock has it.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(7283946502)";

pub(crate) const MASTERS: &str = "SELECT fingerprint FROM master_keys WHERE retired_at IS NULL";
const ADD_MASTER: &str = "INSERT INTO master_keys (fingerprint, created_at) VALUES ($1, $2) \
     ON CONFLICT (fingerprint) DO UPDATE SET retired_at = NULL";
const NEWEST: &str = "SELECT version, master, wrapped FROM data_keys WHERE tenant = $1 ORDER BY version DESC LIMIT 1";
const VERSION: &str = "SELECT version, master, wrapped FROM data_keys WHERE tenant = $1 AND version = $2";
const ADD_KEY: &str = "INSERT INTO data_keys (tenant, version, master, wrapped, created_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (tenant, version) DO NOTHING";
const PUT: &str = "INSERT INTO secrets (kind, object, field, tenant, origin, key_version, revision, sealed, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (kind, object, field) DO UPDATE SET tenant = excluded.tenant, \
     origin = excluded.origin, key_version = excluded.key_version, revision = excluded.revision, sealed = excluded.sealed, \
     updated_at = excluded.updated_at";
const REVISION: &str = "SELECT revision FROM secrets WHERE kind = $1 AND object = $2 AND field = $3";
const GET: &str = "SELECT key_version, revision, sealed FROM secrets WHERE kind = $1 AND object = $2 AND field = $3";
const FIELDS: &str = "SELECT field FROM secrets WHERE kind = $1 AND object = $2 ORDER BY field";
const REMOVE_OLDER: &str = "DELETE FROM secrets WHERE kind = $1 AND updated_at < $2";
const REMOVE: &str = "DELETE FROM secrets WHERE kind = $1 AND object = $2";

impl Vault {
    /// The vault of a database that is brought up to date. `former` are keys that may still open what `master` has not sealed yet.
    ///
    /// Blocks; for the start, never on a worker.
    pub fn open(store: &Store, master: MasterKey, former: Vec<MasterKey>) -> Result<Self, VaultError> {
        let vault = Self::unchecked(store, master, former);
        let checked = vault.clone();
        // Two results in one: the thread speaks in errors of the store.
        store.thread().block(async move { Ok(checked.check().await) })??;
        Ok(vault)
    }

    /// The same, without blocking.
    pub async fn reach(store: &Store, master: MasterKey, former: Vec<MasterKey>) -> Result<Self, VaultError> {
        let vault = Self::unchecked(store, master, former);
        let checked = vault.clone();
        vault.run(async move { checked.check().await }).await?;
        Ok(vault)
    }

    fn unchecked(store: &Store, master: MasterKey, former: Vec<MasterKey>) -> Self {
        Self(Arc::new(Inner { store: store.clone(), master, former, keys: RwLock::default() }))
    }

    /// Refuses a master key that is not the one this database was sealed with.
    async fn check(&self) -> Result<(), VaultError> {
        let mut transaction = self.0.store.sql().writers.begin().await?;
        self.lock(&mut transaction).await?;
        let rows = sqlx::query(MASTERS).fetch_all(&mut *transaction).await?;
        let in_force: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let known = |fingerprint: &String| self.masters().any(|master| master.fingerprint() == fingerprint);
        // Everything that is in force must be readable, or secrets would be lost one by one.
        if let Some(unknown) = in_force.iter().find(|fingerprint| !known(fingerprint)) {
            return Err(VaultError::WrongMaster { found: unknown.clone(), given: self.0.master.fingerprint().to_owned() });
        }
        if !in_force.iter().any(|fingerprint| fingerprint == self.0.master.fingerprint()) {
            sqlx::query(ADD_MASTER).bind(self.0.master.fingerprint()).bind(micros()).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    fn masters(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.0.master).chain(&self.0.former)
    }

    /// One writer of keys at a time. SQLite has only one anyway.
    async fn lock(&self, connection: &mut AnyConnection) -> Result<(), VaultError> {
        if self.0.store.sql().kind == Kind::Postgres {
            sqlx::query(LOCK).execute(connection).await?;
        }
        Ok(())
    }

    /// A key for a purpose of the gateway's own, random once and the same ever after, whatever the master key is.
    pub async fn purpose_key(&self, purpose: &'static str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let vault = self.clone();
        self.run(async move {
            let mut transaction = vault.0.store.sql().writers.begin().await?;
            vault.lock(&mut transaction).await?;
            let tenant = format!("purpose:{purpose}");
            let key = match sqlx::query(VERSION).bind(&tenant).bind(1_i64).fetch_optional(&mut *transaction).await? {
                Some(row) => vault.unwrap_key(&tenant, &row)?.1,
                None => vault.new_key(&mut transaction, &tenant, 1).await?,
            };
            transaction.commit().await?;
            master::derived(key.as_slice(), purpose)
        })
        .await
    }

    /// Seals a secret and keeps it, in place of what was there.
    pub async fn put(&self, cell: Cell, plain: Zeroizing<Vec<u8>>) -> Result<(), VaultError> {
        let vault = self.clone();
        self.run(async move {
            let mut transaction = vault.0.store.sql().writers.begin().await?;
            vault.put_in(&mut transaction, &cell, &plain).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// The same within a transaction of the caller's, on the store's thread.
    pub async fn put_in(&self, connection: &mut AnyConnection, cell: &Cell, plain: &[u8]) -> Result<(), VaultError> {
        let (version, key) = self.newest_key(connection, &cell.tenant).await?;
        let found = sqlx::query(REVISION).bind(&cell.kind).bind(&cell.object).bind(&cell.field).fetch_optional(&mut *connection).await?;
        let revision = found.map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or(0) + 1;
        let sealed = cell::seal(&key, &cell.context(version, revision), plain)?;
        let put = sqlx::query(PUT).bind(&cell.kind).bind(&cell.object).bind(&cell.field).bind(&cell.tenant).bind(&cell.origin);
        put.bind(version).bind(revision).bind(sealed).bind(micros()).execute(&mut *connection).await?;
        Ok(())
    }

    /// Opens the secret of a cell, if there is one. The cell says everything it must be sealed for, its origin too.
    pub async fn get(&self, cell: Cell) -> Result<Option<Opened>, VaultError> {
        let vault = self.clone();
        self.run(async move {
            let mut connection = vault.0.store.sql().pool.acquire().await?;
            vault.get_in(&mut connection, &cell).await
        })
        .await
    }

    /// The same on a connection of the caller's, on the store's thread.
    pub async fn get_in(&self, connection: &mut AnyConnection, cell: &Cell) -> Result<Option<Opened>, VaultError> {
        let found = sqlx::query(GET).bind(&cell.kind).bind(&cell.object).bind(&cell.field).fetch_optional(&mut *connection).await?;
        let Some(row) = found else { return Ok(None) };
        let (version, revision): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let sealed: Vec<u8> = row.try_get(2)?;
        let key = self.key_of(connection, &cell.tenant, version).await?;
        cell::open(&key, &cell.context(version, revision), &sealed).map(Some)
    }

    /// The fields of an object that are kept here.
    pub async fn fields(&self, kind: &'static str, object: String) -> Result<Vec<String>, VaultError> {
        let sql = self.0.store.sql().clone();
        self.run(async move {
            let rows = sqlx::query(FIELDS).bind(kind).bind(object).fetch_all(&sql.pool).await?;
            Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets every secret of an object, within a transaction of the caller's, on the store's thread.
    pub async fn remove_in(&self, connection: &mut AnyConnection, kind: &str, object: &str) -> Result<(), VaultError> {
        sqlx::query(REMOVE).bind(kind).bind(object).execute(connection).await?;
        Ok(())
    }

    /// Forgets every secret of an object.
    pub async fn remove(&self, kind: &'static str, object: String) -> Result<(), VaultError> {
        let sql = self.0.store.sql().clone();
        self.run(async move {
            sqlx::query(REMOVE).bind(kind).bind(object).execute(&sql.writers).await?;
            Ok(())
        })
        .await
    }

    /// Forgets every secret of that kind that was kept before so long ago.
    pub async fn remove_older(&self, kind: &'static str, age: std::time::Duration) -> Result<(), VaultError> {
        let sql = self.0.store.sql().clone();
        let before = micros().saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        self.run(async move {
            sqlx::query(REMOVE_OLDER).bind(kind).bind(before).execute(&sql.writers).await?;
            Ok(())
        })
        .await
    }

    /// The key that seals for a tenant now; made where there is none.
    async fn newest_key(&self, connection: &mut AnyConnection, tenant: &str) -> Result<(i64, Arc<Key>), VaultError> {
        if let Some(row) = sqlx::query(NEWEST).bind(tenant).fetch_optional(&mut *connection).await? {
            return self.unwrap_key(tenant, &row);
        }
        self.new_key(connection, tenant, 1).await?;
        // Another gateway may have been first: what is in the database counts.
        let row = sqlx::query(NEWEST).bind(tenant).fetch_one(&mut *connection).await?;
        self.unwrap_key(tenant, &row)
    }

    /// A certain key of a tenant.
    async fn key_of(&self, connection: &mut AnyConnection, tenant: &str, version: i64) -> Result<Arc<Key>, VaultError> {
        if let Some(key) = self.known(tenant, version) {
            return Ok(key);
        }
        let row = sqlx::query(VERSION).bind(tenant).bind(version).fetch_optional(connection).await?;
        let row = row.ok_or(VaultError::DoesNotOpen)?;
        Ok(self.unwrap_key(tenant, &row)?.1)
    }

    /// Makes a key of a tenant, unless somebody has just made it.
    async fn new_key(&self, connection: &mut AnyConnection, tenant: &str, version: i64) -> Result<Arc<Key>, VaultError> {
        let key: Key = cell::random()?;
        let wrapped = cell::seal(self.0.master.key(), &wrapping(tenant, version, self.0.master.fingerprint()), key.as_slice())?;
        let add = sqlx::query(ADD_KEY).bind(tenant).bind(version).bind(self.0.master.fingerprint());
        add.bind(wrapped).bind(micros()).execute(connection).await?;
        Ok(Arc::new(key))
    }

    fn unwrap_key(&self, tenant: &str, row: &AnyRow) -> Result<(i64, Arc<Key>), VaultError> {
        let version: i64 = row.try_get(0)?;
        if let Some(key) = self.known(tenant, version) {
            return Ok((version, key));
        }
        let (fingerprint, wrapped): (String, Vec<u8>) = (row.try_get(1)?, row.try_get(2)?);
        let master = self.masters().find(|master| master.fingerprint() == fingerprint);
        let given = || self.0.master.fingerprint().to_owned();
        let master = master.ok_or_else(|| VaultError::WrongMaster { found: fingerprint.clone(), given: given() })?;
        let plain = cell::open(master.key(), &wrapping(tenant, version, &fingerprint), &wrapped)?;
        let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::DoesNotOpen)?;
        let key = Arc::new(Zeroizing::new(key));
        let mut keys = self.0.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.insert((tenant.to_owned(), version), key.clone());
        Ok((version, key))
    }

    fn known(&self, tenant: &str, version: i64) -> Option<Arc<Key>> {
        let keys = self.0.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        keys.get(&(tenant.to_owned(), version)).cloned()
    }

    /// Runs on the store's thread, where databases are spoken to.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T, VaultError>> + Send + 'static) -> Result<T, VaultError> {
        self.0.store.thread().run(async move { Ok(work.await) }).await?
    }
}

/// What the seal around a data key vouches for.
fn wrapping(tenant: &str, version: i64, fingerprint: &str) -> Vec<u8> {
    joined("data key", [tenant.as_bytes(), version.to_be_bytes().as_slice(), fingerprint.as_bytes()])
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Vault").field("master", &self.0.master).finish_non_exhaustive()
    }
}
