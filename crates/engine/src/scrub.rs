//! Taking secrets out of what providers say before anyone else reads it.

use bytes::Bytes;
use memchr::memmem;
use switchboard_wire::problem::Fault;

use crate::deployment::Deployment;

/// Beginnings of credentials of well-known shapes.
const PREFIXES: [&str; 10] = ["sk-", "AIza", "ya29.", "gsk_", "xai-", "hf_", "r8_", "pplx-", "AKIA", "eyJ"];
/// A match shorter than this is a word, not a credential.
const SHORTEST: usize = 16;
const MASK: &str = "[redacted]";

/// The fault without credentials (the deployment's own wherever they stand, and anything that looks like one) and without the hosts
/// that an operator chose.
pub fn fault(mut fault: Fault, target: &Deployment) -> Fault {
    let mut hidden = target.secrets();
    hidden.extend(target.private_hosts());
    fault.message = text(&fault.message, &hidden);
    fault.code = fault.code.map(|code| text(&code, &hidden));
    fault.param = fault.param.map(|param| text(&param, &hidden));
    fault.raw = bytes(fault.raw, &hidden);
    fault
}

/// The text without those secrets and without anything that looks like a credential.
pub fn text(text: &str, secrets: &[&str]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        if clean.contains(secret) {
            clean = clean.replace(secret, MASK);
        }
    }
    for prefix in PREFIXES {
        let mut from = 0;
        while let Some(found) = clean[from..].find(prefix) {
            let start = from + found;
            let length = clean[start..].find(|letter: char| !is_key_letter(letter)).unwrap_or(clean.len() - start);
            let word = &clean[start..start + length];
            let begins = !clean[..start].ends_with(|letter: char| letter.is_ascii_alphanumeric());
            if begins && length >= SHORTEST && word.bytes().any(|byte| byte.is_ascii_digit()) {
                clean.replace_range(start..start + length, MASK);
                from = start + MASK.len();
            } else {
                from = start + prefix.len();
            }
        }
    }
    clean
}

fn is_key_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '*')
}

fn bytes(raw: Bytes, secrets: &[&str]) -> Bytes {
    let known = secrets.iter().any(|secret| secret.len() >= 4 && memmem::find(&raw, secret.as_bytes()).is_some());
    let shaped = PREFIXES.iter().any(|prefix| memmem::find(&raw, prefix.as_bytes()).is_some());
    match std::str::from_utf8(&raw) {
        Ok(body) if known || shaped => Bytes::from(text(body, secrets)),
        Err(_) if known => Bytes::new(),
        Ok(_) | Err(_) => raw,
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn secrets_go_and_words_stay() {
        let said = text("key hunter22 is bad, so is sk-proj-0123456789abcdef! sk-learn and AIzaShort stay", &["hunter22"]);
        assert_eq!(text("the task-0123456789abcdef failed", &[]), "the task-0123456789abcdef failed");
        assert_eq!(said, "key [redacted] is bad, so is [redacted]! sk-learn and AIzaShort stay");
    }
}
