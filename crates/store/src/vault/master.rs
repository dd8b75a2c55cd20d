//! The key above all keys, which is never in the database.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use super::VaultError;
use super::cell::{Key, open, random, seal};

/// The least a key must be long.
const SHORTEST: usize = 16;
/// A file of a key is at most this long.
const LONGEST_FILE: u64 = 4096;

/// A master key: any text that nobody can guess.
#[derive(Clone)]
pub struct MasterKey {
    key: Key,
    fingerprint: String,
}

/// A file with a master key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or made.
    #[error("the key file `{}` cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("others may read the key file `{}` (mode {mode:o}); run `chmod 0400` on it", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// What its mode allows.
        mode: u32,
    },
    /// It holds no usable key.
    #[error("the key file `{}` holds no usable key: {source}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: VaultError,
    },
}

impl MasterKey {
    /// The key that text stands for; white space around it does not count.
    pub fn of_text(text: &str) -> Result<Self, VaultError> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err(VaultError::WeakMaster);
        }
        let key = derived(text.as_bytes(), "seal")?;
        let check = derived(text.as_bytes(), "check")?;
        let fingerprint = hex::encode(&check[..16]);
        Ok(Self { key, fingerprint })
    }

    /// The key in that file, which nobody but its owner may read.
    pub fn of_file(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        // Of the opened file, not of whatever the path leads to a moment later.
        let about = file.metadata().map_err(failed)?;
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        (&mut file).take(LONGEST_FILE).read_to_string(&mut text).map_err(failed)?;
        Self::of_text(&text).map_err(|source| KeyFileError::Unusable { path: path.to_owned(), source })
    }

    /// The key in that file; where there is none yet, a new one is made that only its owner may read.
    pub fn of_file_or_new(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::File { path: path.to_owned(), source };
        if !path.exists() {
            let bytes = random::<32>().map_err(|source| KeyFileError::Unusable { path: path.to_owned(), source })?;
            let text: Zeroizing<String> = Zeroizing::new(hex::encode(bytes.as_slice()));
            let beside = path.with_extension(format!("{}.new", std::process::id()));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            // A link, unlike a rename, never replaces the key that another process has made meanwhile.
            let linked = written.and_then(|()| std::fs::hard_link(&beside, path));
            std::fs::remove_file(&beside).map_err(failed)?;
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Self::of_file(path)
    }

    /// By what the key is known; it tells nothing of the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What seals for one purpose of the gateway's own, beside the vault: what must open without a database, and only for a while.
    pub fn sealer(&self, purpose: &str) -> Result<Sealer, VaultError> {
        Ok(Sealer(derived(self.key.as_slice(), purpose)?))
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKey({})", self.fingerprint)
    }
}

/// Seals and opens with a key of its own.
#[derive(Clone)]
pub struct Sealer(Key);

impl Sealer {
    /// Seals that, to be opened where the same is said of what it is for.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        seal(&self.0, context, plain)
    }

    /// Opens what was sealed for that.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open(&self.0, context, sealed)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer")
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// A key for one purpose, from a secret with enough entropy.
pub(super) fn derived(secret: &[u8], purpose: &str) -> Result<Key, VaultError> {
    let mut out = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, b"switchboard v1").extract(secret);
    let info = [purpose.as_bytes()];
    let expanded = extracted.expand(&info, Bytes32).and_then(|okm| okm.fill(out.as_mut_slice()));
    expanded.map_err(|_| VaultError::NoRandomness)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_known_by_a_fingerprint_that_tells_nothing_of_it() {
        let (one, again, other) = (
            MasterKey::of_text("a key of some length").expect("long enough"),
            MasterKey::of_text(" a key of some length\n").expect("long enough"),
            MasterKey::of_text("another key of some length").expect("long enough"),
        );
        assert_eq!(one.fingerprint(), again.fingerprint());
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert!(!format!("{one:?}").contains("length"));
        assert!(matches!(MasterKey::of_text("short"), Err(VaultError::WeakMaster)));
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sealing.key");
        let made = MasterKey::of_file_or_new(&path).expect("made");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKey::of_file_or_new(&path).expect("read").fingerprint(), made.fingerprint());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(MasterKey::of_file(&path), Err(KeyFileError::Exposed { mode: 0o644, .. })));
    }
}
