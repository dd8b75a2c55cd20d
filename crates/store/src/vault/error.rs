//! Why something cannot be sealed or opened.

use crate::error::StoreError;

/// Something cannot be sealed or opened. Names no secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database was sealed with another master key.
    #[error(
        "the database is sealed with another master key ({found}) than this one ({given}); give the gateway the former key, or both to rotate"
    )]
    WrongMaster {
        /// The fingerprint of the key it was sealed with.
        found: String,
        /// The fingerprint of the key that was given.
        given: String,
    },
    /// The master key is short.
    #[error("a master key needs at least 16 characters; make one with `openssl rand -hex 32`")]
    WeakMaster,
    /// It was sealed for another place, with another key, or it was changed.
    #[error("what is sealed does not open here")]
    DoesNotOpen,
    /// Longer than anything can be sealed.
    #[error("this is too long to be sealed")]
    TooLong,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
