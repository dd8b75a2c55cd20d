//! What an operator wants added to requests, and to what is answered.

use crate::config::fields::{Fields, Reader};

/// What an operator wants added to requests, and to what is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manners {
    /// What becomes of requests of no session.
    pub sessions: Sessions,
    /// Streams end with the usage, whether or not their clients ask for it.
    pub stream_usage: bool,
    /// Errors name the call.
    pub call_id_in_errors: bool,
    /// Whether callers may know why fallbacks answered.
    pub fallback_errors: bool,
    /// Whether callers may have failures made up.
    pub mocks: bool,
    /// The longest whole answer, in megabytes.
    pub max_response: Option<f64>,
}

/// What becomes of requests of no session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// They go on as they are.
    #[default]
    Missing,
    /// Each is a session of its own.
    Generated,
    /// They are refused.
    Required,
}

impl Manners {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let is_on = |name: &str| fields.flag(name).unwrap_or(false);
        Self {
            sessions: sessions(reader, fields),
            stream_usage: is_on("always_include_stream_usage"),
            call_id_in_errors: is_on("include_call_id_in_error_body"),
            fallback_errors: is_on("expose_fallback_errors_to_caller"),
            mocks: is_on("dangerously_allow_mock_testing_request_params"),
            max_response: fields.float("max_response_size_mb"),
        }
    }

    /// Whether requests are left as they are.
    pub fn leave_requests(&self) -> bool {
        self.sessions == Sessions::Missing && !self.stream_usage
    }
}

fn sessions(reader: &mut Reader<'_>, fields: &Fields) -> Sessions {
    let name = "missing_session_id";
    match fields.text(name).as_deref() {
        None | Some("omit") => Sessions::Missing,
        Some("generate") => Sessions::Generated,
        Some("reject") => Sessions::Required,
        Some(other) => {
            if let Some(node) = fields.node(name) {
                let message = format!("`general_settings.{name}` cannot be `{other}`");
                reader.found.error(&node.at, message, "write `generate`, `reject` or `omit`");
            }
            Sessions::Missing
        }
    }
}
