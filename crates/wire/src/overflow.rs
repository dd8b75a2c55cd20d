//! A conversation that is longer than the model takes: how providers say so, and the words upon which clients shorten it.
//!
//! Every format has the one code for it, whoever said it in whichever words: clients of each know their own vendor's words and no
//! others. Providers have few codes for it, and many words: [`WORDS`] is the one list of them.

use std::borrow::Cow;

use crate::dialect::Dialect;

/// The code that clients know.
pub const CODE: &str = "context_length_exceeded";

/// The codes that providers have for it.
const CODES: [&str; 5] =
    [CODE, "context_window_exceeded", "model_context_window_exceeded", "too_many_prompt_tokens", "model_max_prompt_tokens_exceeded"];

/// How providers say it, in small letters. What a provider says of its rate is told apart by the kind of its error.
const WORDS: [&str; 37] = [
    // Of most who serve OpenAI's formats.
    "context length",
    "context_length",
    "context window",
    "maximum context",
    "exceeds the context",
    "exceeded max context",
    "exceeds the available context size",
    "reduce the length of the messages",
    "token limit reached",
    "maximum model length",
    "tokens in your prompt exceed",
    "input tokens exceed the configured limit",
    // Anthropic, and what is built like it.
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "exceed context limit",
    "exceed model maximum",
    "input length and `max_tokens` exceed",
    // Gemini.
    "exceeds the maximum number of tokens",
    "exceed the maximum number of tokens",
    "input token count",
    // Bedrock.
    "too many input tokens",
    "input tokens exceeded",
    "exceeds maximum length",
    "maximum number of input tokens",
    // Cohere, AI21.
    "too many tokens",
    // xAI.
    "maximum prompt length is",
    // Moonshot.
    "exceeded model token limit",
    // Z.ai, MiniMax.
    "prompt exceeds max length",
    // Text Generation Inference, Together.
    "`inputs` tokens + `max_new_tokens` must be",
    "`inputs` must have less than",
    // DeepInfra, SGLang.
    "maximum input length",
    // Alibaba.
    "range of input length should be",
    // Perplexity.
    "total length of all messages is too long",
    // NLP Cloud.
    "input text length should not exceed",
    // GitHub Copilot.
    "model_max_prompt_tokens_exceeded",
    // What stands in front of a server.
    "request entity too large",
];

/// Whether that code of a provider's says it.
pub fn is_code(code: &str) -> bool {
    CODES.iter().any(|known| code.eq_ignore_ascii_case(known))
}

/// Whether those words of a provider's say it.
pub fn is_said(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    WORDS.iter().any(|words| text.contains(words))
}

/// What stands before the words of another vendor where clients of that format are told; nothing: they go by the code alone.
fn preface(client: Dialect) -> &'static str {
    match client {
        Dialect::Anthropic => "prompt is too long",
        Dialect::Gemini => "The input token count exceeds the maximum number of tokens allowed",
        // LiteLLM's own client makes its exception of these words, too.
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::OpenAiCompletions => "This model's maximum context length is exceeded",
        Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama | Dialect::Replicate => "",
    }
}

/// Whether an error in those words is one that clients of that format understand.
pub fn is_known(client: Dialect, told: &str) -> bool {
    let text = told.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    match client {
        Dialect::Anthropic => says(&["prompt is too long", "exceed context limit", "input is too long"]),
        Dialect::Gemini => says(&["exceeds the maximum number of tokens"]),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::OpenAiCompletions => {
            says(&["maximum context length", "litellm.contextwindowexceedederror", CODE])
        }
        Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama | Dialect::Replicate => true,
    }
}

/// The message in words upon which clients of that format shorten the conversation, where the code says that it is too long.
pub(crate) fn told<'m>(client: Dialect, code: Option<&str>, message: &'m str) -> Cow<'m, str> {
    if code != Some(CODE) || is_known(client, message) {
        return Cow::Borrowed(message);
    }
    Cow::Owned(format!("{}: {message}", preface(client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_say_is_known() {
        for message in [
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
            "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096",
            "Your request exceeded model token limit: 262144",
            "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens",
            "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
            "This model's maximum context length is 8192 tokens",
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192",
            "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "too many tokens: size limit exceeded by 25836 tokens",
            "Prompt exceeds max length",
            "Requested token count exceeds maximum input length",
            "Range of input length should be [1, 98304]",
            "413 Request Entity Too Large",
            "prompt is too long: 3333404 tokens > 200000 maximum",
            "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
            "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        ] {
            assert!(is_said(message), "{message}");
        }
        for other in ["max_tokens must be at least 1", "`tools.0.name` is too long", "Unknown parameter: 'context'."] {
            assert!(!is_said(other), "{other}");
        }
        assert!(is_code("TOO_MANY_PROMPT_TOKENS") && !is_code("string_above_max_length"));
    }

    #[test]
    fn each_client_is_told_in_words_it_knows() {
        let said = "This model's maximum prompt length is 131072 but the request contains 150000 tokens.";
        for client in Dialect::ALL.into_iter().filter(|dialect| dialect.inbound().is_some()) {
            let told = told(client, Some(CODE), said);
            assert!(is_known(client, &told) && told.ends_with(said), "{told}");
            assert_eq!(super::told(client, Some(CODE), &told), told, "{client}: once");
            assert_eq!(super::told(client, Some("other"), said), said);
        }
    }
}
