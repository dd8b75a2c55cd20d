//! LiteLLM's encryption of secrets: XSalsa20-Poly1305, or AES-256-GCM where a value says so; the key is the SHA-256 of the salt key.

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use serde_json::{Map, Value};

/// How a value under AES-256-GCM begins.
const GCM: &str = "v2:gcm:";
const NONCE: usize = 24;
const GCM_NONCE: usize = 12;
/// The shortest that anything encrypted can be: a nonce and a seal.
const SHORTEST: usize = NONCE + 16;

/// With or without padding, as Python writes it.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// What came of a value.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    /// It was encrypted.
    Plain(String),
    /// It was not encrypted.
    AsIs,
    /// It seems to be encrypted, and not with this key.
    Closed,
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).or_else(|_| STANDARD.decode(text)).ok()
}

fn open(text: &str, key: &[u8; 32]) -> Opened {
    if let Some(rest) = text.strip_prefix(GCM) {
        return bytes(rest).and_then(|sealed| gcm(&sealed, key)).map_or(Opened::Closed, Opened::Plain);
    }
    let Some(sealed) = bytes(text).filter(|sealed| sealed.len() >= SHORTEST) else { return Opened::AsIs };
    let (nonce, sealed) = sealed.split_at(NONCE);
    let Ok(nonce) = <[u8; NONCE]>::try_from(nonce) else { return Opened::AsIs };
    let plain = XSalsa20Poly1305::new(&Key::from(*key)).decrypt(&Nonce::from(nonce), sealed);
    // A long word of the same letters is no ciphertext only because it does not open: it is told apart by nobody.
    plain.ok().and_then(|plain| String::from_utf8(plain).ok()).map_or(Opened::Closed, Opened::Plain)
}

fn gcm(sealed: &[u8], key: &[u8; 32]) -> Option<String> {
    let (nonce, sealed) = sealed.split_at_checked(GCM_NONCE)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut text = sealed.to_vec();
    let nonce = ring::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    let length = key.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
    text.truncate(length);
    String::from_utf8(text).ok()
}

/// The salt key.
#[derive(Debug)]
pub(super) struct Salt(Option<[u8; 32]>);

impl Salt {
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.map(|text| crate::digest::sha256(text.as_bytes())))
    }

    /// Decrypts every text of a map; the names of those that stay closed are told.
    pub(super) fn opened(&self, map: Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
        let mut closed = Vec::new();
        let opened = map.into_iter().filter_map(|(name, value)| {
            let Value::String(text) = &value else { return Some((name, value)) };
            let result = match &self.0 {
                Some(key) => open(text, key),
                None if text.starts_with(GCM) || bytes(text).is_some_and(|sealed| sealed.len() >= SHORTEST) => Opened::Closed,
                None => Opened::AsIs,
            };
            match result {
                Opened::Plain(plain) => Some((name, Value::String(plain))),
                Opened::AsIs => Some((name, value)),
                Opened::Closed => {
                    closed.push(name);
                    None
                }
            }
        });
        (opened.collect(), closed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Made by the other gateway's own functions, for the key `sk-salt-of-tests`.
    const NACL: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX16Jl5XaGdKa1vkOm_UuGzErz1YmwwSnKbP8Z";
    const AES: &str = "v2:gcm:AAECAwQFBgcICQoLSYwQkTTWSL7KudttsFJ7VDpIXwmuHCQi9Xpc";

    fn opened(salt: Option<&str>, value: &str) -> (Option<Value>, Vec<String>) {
        let map = json!({"api_key": value}).as_object().cloned().expect("a map");
        let (map, closed) = Salt::new(salt).opened(map);
        (map.get("api_key").cloned(), closed)
    }

    #[test]
    fn both_ways_of_encryption_open_with_the_right_key_alone() {
        for sealed in [NACL, AES] {
            assert_eq!(opened(Some("sk-salt-of-tests"), sealed), (Some(json!("sk-upstream")), vec![]));
            assert_eq!(opened(Some("sk-another"), sealed), (None, vec!["api_key".to_owned()]));
            assert_eq!(opened(None, sealed), (None, vec!["api_key".to_owned()]));
        }
    }

    #[test]
    fn what_was_never_encrypted_is_taken_as_it_is() {
        for plain in ["openai/gpt-4o", "https://host/v1", "gpt-4o"] {
            assert_eq!(opened(Some("sk-salt-of-tests"), plain), (Some(json!(plain)), vec![]));
        }
    }
}
