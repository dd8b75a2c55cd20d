//! Which chunks of a stream may pass unread.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::citations::PAGE;

/// Whether a chunk says nothing that somebody must know of: text and the like, neither usage nor an end nor an error.
pub(super) fn says_no_more_than_text(payload: &[u8]) -> bool {
    static COUNTS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"_tokens\""));
    static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"error\""));
    static FINISH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"finish_reason\""));
    // Whose its pieces are is checked.
    static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"tool_calls\""));
    // Of a search nothing else may tell.
    static SEARCH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PAGE.as_bytes()));
    let holds = |word: &Finder<'_>| word.find(payload).is_some();
    payload.starts_with(b"{")
        && !holds(&COUNTS)
        && !holds(&ERROR)
        && !holds(&SEARCH)
        && is_null(&FINISH, payload)
        && is_null(&CALLS, payload)
}

/// Whether a field is `null` wherever it stands.
fn is_null(key: &Finder<'_>, payload: &[u8]) -> bool {
    key.find_iter(payload).all(|at| {
        let rest = payload[at + key.needle().len()..].trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"null"))
    })
}
