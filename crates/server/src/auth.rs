//! From a request's headers to who is asking.
//!
//! There is one key today, the master key; virtual keys will be found the same way. A key is compared by its SHA-256, in constant
//! time, and nothing of it is kept but that.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ring::digest::{SHA256, digest};
use switchboard_engine::principal::Principal;
use switchboard_engine::wire::problem::{Kind, Problem};

use crate::config::Config;

/// The keys that open the gateway.
#[derive(Debug)]
pub struct Keys {
    master: Option<[u8; 32]>,
}

/// Headers that may hold a key, in order of preference after `authorization`.
const HEADERS: [&str; 4] = ["x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key"];

impl Keys {
    /// The keys of that configuration. Without a master key the gateway is open.
    pub fn of(config: &Config) -> Self {
        Self { master: config.general.master_key.as_ref().map(|key| hash(key.expose().as_bytes())) }
    }

    /// Who sends that request, or why nobody may.
    pub fn principal(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Arc<Principal>, Problem> {
        let Some(master) = &self.master else {
            return Ok(Arc::new(Principal::named("open")));
        };
        let Some(given) = presented(headers, query) else {
            let message = "no API key was sent; send `Authorization: Bearer <key>`, `x-api-key`, `api-key` or `x-goog-api-key`";
            return Err(Problem::new(Kind::Unauthenticated, message).with_code("missing_api_key"));
        };
        if same(&hash(given.as_bytes()), master) {
            return Ok(Arc::new(Principal::named("master")));
        }
        Err(Problem::new(Kind::Unauthenticated, "the API key is not valid").with_code("invalid_api_key"))
    }
}

/// The key a request shows.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Option<Cow<'a, str>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let bearer = text(AUTHORIZATION.as_str()).map(|value| match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        Some(_) | None => value,
    });
    let named = bearer.or_else(|| HEADERS.into_iter().find_map(text)).map(Cow::Borrowed);
    named.or_else(|| crate::query::value(query?, "key").map(Cow::Owned))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Compares without telling by its time where the first difference is.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_come_in_any_usual_place() {
        let keys = Keys { master: Some(hash(b"sk-right")) };
        let ask = |name: &'static str, value: &str, query: Option<&str>| {
            let mut headers = HeaderMap::new();
            if !name.is_empty() {
                headers.insert(name, value.parse().expect("a header"));
            }
            keys.principal(&headers, query).map(|principal| principal.key.clone())
        };
        for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            assert_eq!(ask(name, "sk-right", None).as_deref(), Ok("master"), "{name}");
            assert!(ask(name, "sk-wrong", None).is_err(), "{name}");
        }
        assert!(ask("authorization", "Bearer sk-right", None).is_ok());
        assert!(ask("authorization", "bearer  sk-right", None).is_ok());
        assert!(ask("", "", Some("alt=sse&key=sk-right")).is_ok());
        assert!(ask("", "", Some("key=sk-wrong")).is_err());
        assert!(ask("", "", None).is_err());
        assert!(Keys { master: None }.principal(&HeaderMap::new(), None).is_ok());
    }
}
