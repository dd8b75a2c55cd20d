//! The one place that knows every dialect.

use crate::anthropic::Anthropic;
use crate::bedrock::Bedrock;
use crate::cohere::Cohere;
use crate::dialect::Dialect;
use crate::half::{Inbound, Outbound};
use crate::ollama::Ollama;
use crate::openai_responses::OpenAiResponses;
use crate::replicate::Replicate;

impl Dialect {
    /// The half clients speak; `None` where only providers speak it.
    pub fn inbound(self) -> Option<&'static dyn Inbound> {
        match self {
            Dialect::OpenAiChat => Some(&crate::openai_chat::OpenAiChat),
            Dialect::OpenAiCompletions => Some(&crate::openai_completions::OpenAiCompletions),
            Dialect::OpenAiResponses => Some(&OpenAiResponses),
            Dialect::Anthropic => Some(&Anthropic),
            Dialect::Gemini => Some(&crate::gemini::Gemini),
            Dialect::Bedrock => None,
            Dialect::Cohere => None,
            Dialect::Ollama => None,
            Dialect::Replicate => None,
        }
    }

    /// The half providers speak.
    pub fn outbound(self) -> Option<&'static dyn Outbound> {
        match self {
            Dialect::OpenAiChat => Some(&crate::openai_chat::OpenAiChat),
            Dialect::OpenAiCompletions => Some(&crate::openai_completions::OpenAiCompletions),
            Dialect::OpenAiResponses => Some(&OpenAiResponses),
            Dialect::Anthropic => Some(&Anthropic),
            Dialect::Gemini => Some(&crate::gemini::Gemini),
            Dialect::Bedrock => Some(&Bedrock),
            Dialect::Cohere => Some(&Cohere),
            Dialect::Ollama => Some(&Ollama),
            Dialect::Replicate => Some(&Replicate),
        }
    }
}
