//! The one place that knows every dialect.

use crate::bedrock::Bedrock;
use crate::cohere::Cohere;
use crate::dialect::{Dialect, Inbound, Outbound};
use crate::ollama::Ollama;

impl Dialect {
    /// The half clients speak; `None` where only providers speak it.
    pub fn inbound(self) -> Option<&'static dyn Inbound> {
        match self {
            Dialect::OpenAiChat => None,
            Dialect::OpenAiCompletions => None,
            Dialect::OpenAiResponses => None,
            Dialect::Anthropic => None,
            Dialect::Gemini => None,
            Dialect::Bedrock => None,
            Dialect::Cohere => None,
            Dialect::Ollama => None,
        }
    }

    /// The half providers speak.
    pub fn outbound(self) -> Option<&'static dyn Outbound> {
        match self {
            Dialect::OpenAiChat => None,
            Dialect::OpenAiCompletions => None,
            Dialect::OpenAiResponses => None,
            Dialect::Anthropic => None,
            Dialect::Gemini => None,
            Dialect::Bedrock => Some(&Bedrock),
            Dialect::Cohere => Some(&Cohere),
            Dialect::Ollama => Some(&Ollama),
        }
    }
}
