//! Paths at which providers hand out credentials for their accounts.
//!
//! What is done with such a credential, or in a session that is begun with one, goes past the gateway: no budget holds it, and nobody
//! counts it. So these paths are not passed on with the gateway's credential; who brings one of its own may use them.

/// Parts of such paths, one after the other.
const LENT: [&[&str]; 10] = [
    // Whatever is begun here without a connection by the gateway: secrets, sessions and calls.
    &["realtime"],
    &["chatkit", "sessions"],
    &["auth_tokens"],
    &["authtokens"],
    &["auth", "grant"],
    &["single-use-token"],
    &["conversation", "token"],
    &["conversation", "get-signed-url"],
    &["v3", "token"],
    &["oauth", "token"],
];

/// Whether credentials are handed out there.
pub(super) fn is_lent(path: &str) -> bool {
    let parts: Vec<String> =
        path.split('/').map(|part| crate::query::decode(part).to_lowercase()).filter(|part| !part.is_empty()).collect();
    // What begins a part is what it is: `auth_tokens:create`.
    let bare: Vec<&str> = parts.iter().map(|part| part.split(':').next().unwrap_or_default()).collect();
    LENT.iter().any(|lent| bare.windows(lent.len()).any(|window| window == *lent))
}

#[cfg(test)]
mod tests {
    use super::is_lent;

    #[test]
    fn credentials_are_known_by_their_paths() {
        for path in [
            "v1/realtime/client_secrets",
            "v1//realtime/client_secrets/",
            "v1/%72ealtime/Sessions",
            "openai/v1/realtime/calls",
            "v1alpha/auth_tokens",
            "v1beta/authTokens:create",
            "v1/auth/grant",
            "v1/single-use-token/realtime_scribe",
        ] {
            assert!(is_lent(path), "{path}");
        }
        for path in ["v1/files", "v1/chat/completions", "v1/responses/realtime_1", "v1/models/token", "v1/auth/whoami"] {
            assert!(!is_lent(path), "{path}");
        }
    }
}
