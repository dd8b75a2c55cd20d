//! Sealing bytes so that they open only where they belong.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::error::VaultError;
use crate::binding::joined;

/// A key for sealing.
pub(super) type Key = Zeroizing<[u8; 32]>;

const FORM: u8 = 1;
const NONCE: usize = 24;

/// Where a secret belongs. What is sealed for one cell opens in no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The kind of object, or the table: `credential`, `model`.
    pub kind: String,
    /// Which object.
    pub object: String,
    /// Which field of it.
    pub field: String,
    /// Whose it is; empty for the gateway's own.
    pub tenant: String,
    /// The one origin it may be shown to; empty for none in particular.
    pub origin: String,
}

impl Cell {
    /// A cell of the gateway's own, for no origin in particular.
    pub fn new(kind: impl Into<String>, object: impl Into<String>, field: impl Into<String>) -> Self {
        Self { kind: kind.into(), object: object.into(), field: field.into(), tenant: String::new(), origin: String::new() }
    }

    /// The same, of that tenant.
    #[must_use]
    pub fn of(self, tenant: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), ..self }
    }

    /// The same, for that origin alone.
    #[must_use]
    pub fn for_origin(self, origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), ..self }
    }

    /// What the seal also vouches for.
    pub(super) fn context(&self, version: i64, revision: i64) -> Vec<u8> {
        let (version, revision) = (version.to_be_bytes(), revision.to_be_bytes());
        let texts = [&self.kind, &self.object, &self.field, &self.tenant, &self.origin];
        let parts = texts.into_iter().map(|text| text.as_bytes()).chain([version.as_slice(), revision.as_slice()]);
        joined("secret", parts)
    }
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| VaultError::NoRandomness)?;
    Ok(bytes)
}

/// Seals.
pub(super) fn seal(key: &Key, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let nonce = random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let sealed = cipher.encrypt((&*nonce).into(), Payload { msg: plain, aad: context }).map_err(|_| VaultError::TooLong)?;
    let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
    out.push(FORM);
    out.extend_from_slice(nonce.as_slice());
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens what was sealed with that key for that context.
pub(super) fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (form, rest) = sealed.split_first().ok_or(VaultError::DoesNotOpen)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(VaultError::DoesNotOpen)?;
    if *form != FORM {
        return Err(VaultError::DoesNotOpen);
    }
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let plain = cipher.decrypt(nonce.into(), Payload { msg: text, aad: context }).map_err(|_| VaultError::DoesNotOpen)?;
    Ok(Zeroizing::new(plain))
}
