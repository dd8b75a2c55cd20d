//! What each dialect the mock speaks has to be able to say.

use crate::script::{Fault, Script};

use super::ask::Ask;

/// One dialect of the mock.
pub(super) trait Shape {
    /// The name in the books.
    fn name(&self) -> &'static str;

    /// Whether `stream: true` means something here.
    fn can_stream(&self) -> bool {
        true
    }

    /// An answer that is no stream.
    fn write_whole(&self, out: &mut Vec<u8>, ask: &Ask<'_>, script: &Script, fault: Option<Fault>);

    /// The events before the first text, each one its own element.
    fn opening(&self, ask: &Ask<'_>) -> Vec<String>;

    /// One event of text.
    fn delta(&self, ask: &Ask<'_>, text: &str) -> String;

    /// The events after the last text; `usage` is absent when the mock is told to leave it out.
    fn closing(&self, ask: &Ask<'_>, usage: Option<u32>) -> Vec<String>;

    /// The last event, without which a stream counts as truncated.
    fn end(&self) -> &'static str;

    /// The body of an error with this status.
    fn error_body(&self, status: u16, kind: &str) -> String;

    /// The event of an error in the middle of a stream.
    fn error_event(&self) -> String;
}

/// The error type both vendors would name for a status.
pub(super) fn error_kind(status: u16) -> &'static str {
    match status {
        400 | 422 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}
