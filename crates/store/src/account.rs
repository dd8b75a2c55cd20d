//! Accounts of the ledger, by number.

use std::cell::RefCell;
use std::collections::HashMap;

use switchboard_engine::terms::ScopeId;

/// Numbers of accounts that a thread remembers.
const MOST_KNOWN: usize = 8_192;

thread_local! {
    /// The same few accounts come again and again, and a digest of each would be most of what posting them takes.
    static KNOWN: RefCell<HashMap<Vec<u8>, i64>> = RefCell::default();
}

/// The number of a scope's account.
pub(crate) fn account_of(scope: &ScopeId) -> i64 {
    account(scope.level.as_str(), &scope.id, scope.model.as_deref().unwrap_or(""))
}

/// The number of an account, made of what it is.
pub(crate) fn account(level: &str, name: &str, model: &str) -> i64 {
    let text = named(level, name, model);
    KNOWN.with_borrow_mut(|known| {
        if let Some(number) = known.get(&text) {
            return *number;
        }
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let number = number(&text);
        known.insert(text, number);
        number
    })
}

/// What an account is, as its number is made of it.
pub(crate) fn named(level: &str, name: &str, model: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(level.len() + name.len() + model.len() + 3);
    for part in [level, name, model] {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    text
}

/// Sixty-three bits of SHA-256: among a million accounts two are the same once in eighteen million databases.
pub(crate) fn number(text: &[u8]) -> i64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, text);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_ref()[..8]);
    i64::from_be_bytes(bytes) & i64::MAX
}
