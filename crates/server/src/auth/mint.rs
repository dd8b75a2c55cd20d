//! Making keys, and telling what can be none.
//!
//! A key of ours is `sk-<12 characters>-<43 characters>-<6 characters>`: a public part, 256 random bits, and a checksum over both,
//! so that a typing error or a guess is known for one without asking anybody. Callers may bring keys of their own, which only
//! begin with `sk-`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use ring::hmac;

/// The shortest key a caller may bring.
pub const SHORTEST: usize = 16;
/// Longer than anybody's key.
const LONGEST: usize = 512;
const PREFIX: &str = "sk-";
/// How the proof of a key begins that was known by its SHA-256 alone.
const BY_HASH: &str = "sha256:";
const PUBLIC: usize = 12;
const SECRET: usize = 43;
const CHECK: usize = 6;
const WHOLE: usize = PREFIX.len() + PUBLIC + 1 + SECRET + 1 + CHECK;

/// A new key.
pub fn key() -> String {
    let mut bytes = [0; 41];
    rand::rng().fill_bytes(&mut bytes);
    let (public, secret) = bytes.split_at(9);
    let body = format!("{PREFIX}{}-{}", URL_SAFE_NO_PAD.encode(public), URL_SAFE_NO_PAD.encode(secret));
    let check = check(&body);
    format!("{body}-{check}")
}

/// The checksum of a key's other parts.
fn check(body: &str) -> String {
    let sum = crc32fast::hash(body.as_bytes());
    URL_SAFE_NO_PAD.encode(sum.to_be_bytes()).chars().chain("A".chars()).take(CHECK).collect()
}

/// Whether that text may be a key at all. One that looks like ours and has another checksum is none.
pub fn may_be_key(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !text.starts_with(PREFIX) || text.len() > LONGEST || text.len() <= PREFIX.len() || !plain {
        return false;
    }
    !has_check(text) || text.get(60..) == text.get(..59).map(check).as_deref()
}

/// Whether a gateway made that key, by its checksum.
pub fn is_made(text: &str) -> bool {
    may_be_key(text) && has_check(text)
}

fn has_check(text: &str) -> bool {
    text.len() == WHOLE && text.as_bytes()[15] == b'-' && text.as_bytes()[59] == b'-'
}

/// A key as it may be shown: `sk-...abcd`.
pub fn short(key: &str) -> String {
    let last: Vec<char> = key.chars().rev().take(4).collect();
    if key.chars().count() < 12 { "sk-...".to_owned() } else { format!("sk-...{}", last.into_iter().rev().collect::<String>()) }
}

/// What proofs of keys are made with; it is kept outside the database.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// The pepper of those bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// What the row of a key may bear that is known by its SHA-256 alone, since another gateway made it.
    pub fn proof_of_hash(&self, hash: &str) -> String {
        format!("{BY_HASH}{}", hex::encode(hmac::sign(&self.0, format!("{BY_HASH}{hash}").as_bytes()).as_ref()))
    }

    /// Whether a row's proof is right for that key and its SHA-256.
    pub fn proves(&self, proof: Option<&str>, key: &str, hash: &str) -> bool {
        let right = |expected: String| proof.is_some_and(|proof| crate::digest::same(proof.as_bytes(), expected.as_bytes()));
        right(self.proof(key)) || right(self.proof_of_hash(hash))
    }

    /// What the row of that key must bear.
    pub fn proof(&self, key: &str) -> String {
        hex::encode(hmac::sign(&self.0, key.as_bytes()).as_ref())
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pepper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_ours_is_known_by_its_checksum() {
        let made = key();
        assert_eq!(made.len(), WHOLE);
        assert!(may_be_key(&made));
        let mut guessed = made.clone();
        guessed.replace_range(20..21, if &made[20..21] == "A" { "B" } else { "A" });
        assert!(!may_be_key(&guessed));
        assert!(is_made(&made) && !is_made(&guessed) && !is_made("sk-1234"));
        assert_ne!(key(), made);
    }

    #[test]
    fn a_row_is_proven_by_the_key_or_by_its_hash_and_by_nothing_else() {
        let pepper = Pepper::new(b"a pepper of tests");
        let (key, hash) = ("sk-1234-5678", "aa");
        for proof in [pepper.proof(key), pepper.proof_of_hash(hash)] {
            assert!(pepper.proves(Some(&proof), key, hash));
            assert!(!pepper.proves(Some(&proof), "sk-another", "bb"));
            assert!(!Pepper::new(b"another").proves(Some(&proof), key, hash));
        }
        assert!(!pepper.proves(None, key, hash));
        assert!(!pepper.proves(Some(&pepper.proof(hash)), key, hash));
    }

    #[test]
    fn keys_that_others_made_may_be_keys() {
        for good in ["sk-1234", "sk-CcUYWrlBZIlOFnity_MnJw", "sk-or-v1-0123456789abcdef"] {
            assert!(may_be_key(good), "{good}");
        }
        for bad in ["", "sk-", "key", "sk-with space", "sk-\u{e9}", &format!("sk-{}", "a".repeat(600))] {
            assert!(!may_be_key(bad), "{bad}");
        }
        assert_eq!(short("sk-CcUYWrlBZIlOFnity_MnJw"), "sk-...MnJw");
        assert_eq!(short("sk-1234"), "sk-...");
    }
}
