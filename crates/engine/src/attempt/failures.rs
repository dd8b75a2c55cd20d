//! Why others answered than who was asked, for callers who want to know (LiteLLM's `include_fallback_errors`).

use http::HeaderValue;
use serde_json::{Value, json};

use crate::error::Error;

/// A header holds no more of them.
const MOST: usize = 8;
/// Nor longer texts.
const LONGEST: usize = 400;

/// The failures of the groups that were left, in their order.
#[derive(Default)]
pub(super) struct Failures(Vec<Value>);

impl Failures {
    /// A group was left for that failure.
    pub(super) fn add(&mut self, error: &Error) {
        if self.0.len() == MOST {
            return;
        }
        let problem = &error.problem;
        let message: String = problem.message.chars().take(LONGEST).collect();
        let status = error.answered.unwrap_or_else(|| problem.status().as_u16());
        self.0.push(json!({"message": message, "type": problem.kind.as_str(), "param": problem.param, "code": status.to_string()}));
    }

    /// As a header; `None` where nothing was left.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        (!self.0.is_empty()).then(|| HeaderValue::from_bytes(Value::from(self.0.clone()).to_string().as_bytes()).ok()).flatten()
    }
}
