//! Signatures and ids as they stand in Gemini's fields.
//!
//! Gemini's SDKs read `thoughtSignature` as base64, so a seal of another vendor stands there as base64 of its token. Google's own
//! signatures stand there as they came.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, general_purpose::NO_PAD};

use crate::seal::{self, SealKind, Sealed};

const TOKEN_MARK: &[u8] = b"swb1.";
/// What a call's id begins with where Gemini sent none. Such an id never goes back to Gemini.
pub(super) const OWN_ID: &str = "call_swb_";

const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Reads a `thoughtSignature`.
pub(super) fn read_signature(text: &str) -> Sealed {
    let own = || Sealed::signature(seal::GOOGLE, text);
    // "swb1." is `c3diMS` in base64: nothing else needs decoding.
    if !text.starts_with("c3diMS") {
        return own();
    }
    let Ok(bytes) = URL_SAFE.decode(text).or_else(|_| PLAIN.decode(text)) else { return own() };
    match String::from_utf8(bytes) {
        Ok(token) if token.as_bytes().starts_with(TOKEN_MARK) => Sealed::from_token(seal::GOOGLE, SealKind::Signature, &token).0,
        _ => own(),
    }
}

/// Writes a `thoughtSignature` for a client.
pub(super) fn write_signature(sealed: &Sealed, id: Option<&str>) -> String {
    let token = sealed.to_token(seal::GOOGLE, id);
    if sealed.vendor == seal::GOOGLE { token } else { STANDARD.encode(token) }
}

/// The id of the `ordinal`th call of an answer whose calls have none: the same for the same answer, and another for another.
pub(super) fn own_id(answer: &str, ordinal: usize) -> String {
    let mut id = String::from(OWN_ID);
    id.extend(answer.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')).take(40));
    id.push('_');
    id.push_str(itoa::Buffer::new().format(ordinal));
    id
}

/// Whether that is such an id.
pub(super) fn is_own_id(id: &str) -> bool {
    id.starts_with(OWN_ID)
}

/// The id to write for a call, if it is not one of ours.
pub(super) fn sent_id(id: &str) -> Option<&str> {
    (!id.is_empty() && !is_own_id(id)).then_some(id)
}
