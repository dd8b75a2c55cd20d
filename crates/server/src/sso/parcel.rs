//! What is remembered between a browser's leaving and its coming back.
//!
//! It is sealed with a key made of the master key, lies in a cookie of the browser, ends after ten minutes and is taken once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::auth::returned::AWAY;
use crate::clock::unix_seconds;

/// The cookie.
pub(super) const COOKIE: &str = "sso_state";

/// What is remembered.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Parcel {
    /// Names this sign-in towards the provider.
    pub(super) state: String,
    /// Must stand in the token that comes back.
    pub(super) nonce: String,
    /// Proves that who comes back is who left.
    pub(super) verifier: String,
    /// Where the browser wants to be afterwards.
    pub(super) to: Option<String>,
    /// As what we called ourselves.
    pub(super) redirect: String,
    until: u64,
}

impl Parcel {
    pub(super) fn new(redirect: String, to: Option<String>) -> Self {
        Self { state: random(), nonce: random(), verifier: random(), to, redirect, until: unix_seconds() + AWAY }
    }

    /// As the cookie has it.
    pub(super) fn sealed(&self, master: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut text = serde_json::to_vec(self).ok()?;
        key(master)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(COOKIE), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &text].concat()))
    }

    /// What a cookie has, if it is one of ours and not too old.
    pub(super) fn opened(cookie: &str, master: &[u8]) -> Option<Self> {
        let mut bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let nonce: [u8; NONCE_LEN] = bytes.get(..NONCE_LEN)?.try_into().ok()?;
        let text = key(master)?.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(COOKIE), bytes.get_mut(NONCE_LEN..)?).ok()?;
        let parcel: Self = serde_json::from_slice(text).ok()?;
        (unix_seconds() <= parcel.until).then_some(parcel)
    }
}

fn key(master: &[u8]) -> Option<LessSafeKey> {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master), b"switchboard sign-in state 1");
    UnboundKey::new(&CHACHA20_POLY1305, derived.as_ref()).ok().map(LessSafeKey::new)
}

fn random() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::returned::Returned;

    #[test]
    fn a_parcel_opens_with_its_key_once_and_not_for_ever() {
        let parcel = Parcel::new("https://gateway/sso/callback".to_owned(), None);
        let sealed = parcel.sealed(b"master").expect("sealed");
        assert_eq!(Parcel::opened(&sealed, b"master").expect("opened").nonce, parcel.nonce);
        assert!(Parcel::opened(&sealed, b"another").is_none());
        let mut changed = URL_SAFE_NO_PAD.decode(&sealed).expect("base64");
        for at in 0..changed.len() {
            changed[at] ^= 1;
            assert!(Parcel::opened(&URL_SAFE_NO_PAD.encode(&changed), b"master").is_none(), "{at}");
            changed[at] ^= 1;
        }
        assert!(Parcel::opened("", b"master").is_none() && Parcel::opened("AAAA", b"master").is_none());
        let old = Parcel { until: unix_seconds() - 1, ..Parcel::new(String::new(), None) };
        assert!(Parcel::opened(&old.sealed(b"master").expect("sealed"), b"master").is_none());
        let returned = Returned::default();
        assert!(returned.first("a") && returned.first("b") && !returned.first("a"));
    }
}
