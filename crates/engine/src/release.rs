//! The release of LiteLLM whose API this gateway follows.

use http::header::HeaderName;

/// Its number.
pub const LITELLM: &str = "1.106.2";
/// What names it to LiteLLM's clients.
pub const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
