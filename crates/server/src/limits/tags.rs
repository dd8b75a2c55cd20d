//! Limits that a key has for its requests of one tag (`tag_rpm_limit`).

use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::book::{Book, Scope};
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, Limit, ScopeId, Terms};

const REQUESTS: &str = "tag_rpm_limit";

/// The scopes of a call's tags, where its key has limits for them.
pub(crate) fn scopes(book: &Book, principal: &Principal) -> Vec<Arc<Scope>> {
    let limited = principal.metadata.as_deref().filter(|text| !principal.tags.is_empty() && text.contains(REQUESTS));
    let Some(limits) = limited.and_then(|text| serde_json::from_str::<Value>(text).ok()) else { return Vec::new() };
    let of = |tag: &String| {
        let limit = Limit::rpm(limits.get(REQUESTS)?.get(tag)?.as_u64()?);
        let id = format!("{tag}@{}", principal.key_hash.as_deref().unwrap_or(&principal.key));
        let terms = Terms { name: tag.clone(), limits: vec![limit], ..Terms::default() };
        Some(book.scope(ScopeId::new(Level::Tag, id), terms))
    };
    principal.tags.iter().filter_map(of).collect()
}
