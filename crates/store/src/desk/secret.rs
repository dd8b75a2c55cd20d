//! Secrets of objects, written with them: both last, or neither.

use super::Desk;
use crate::vault::{Cell, Opened, Vault, VaultError};

impl Desk {
    /// Seals a secret in place of what was in that cell.
    pub async fn seal(&self, vault: &Vault, cell: &Cell, plain: &[u8]) -> Result<(), VaultError> {
        vault.put_in(self.drawer.lock().await.open.connection(), cell, plain).await
    }

    /// Opens the secret of a cell, if there is one.
    pub async fn opened(&self, vault: &Vault, cell: &Cell) -> Result<Option<Opened>, VaultError> {
        vault.get_in(self.drawer.lock().await.open.connection(), cell).await
    }

    /// Forgets every secret of an object.
    pub async fn forget(&self, vault: &Vault, kind: &str, object: &str) -> Result<(), VaultError> {
        vault.remove_in(self.drawer.lock().await.open.connection(), kind, object).await
    }
}
