//! Why a difference is right: exceptions to the laws, and the readings of others that we do not share.

use serde_json::Value;
use switchboard_wire::Dialect;

use crate::corpus::Exchange;
use crate::oracle::{Other, Whose};

/// Exceptions to the laws, by the words of the law they concern, and the reason.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "-> \"prompt is too long: ",
        "Anthropic's clients shorten a conversation where they are told of its length in these words; the provider's own follow",
    ),
    (
        "-> \"This model's maximum context length is exceeded: ",
        "OpenAI's clients shorten a conversation where they are told of its length in these words; the provider's own follow",
    ),
    (
        "-> \"The input token count exceeds the maximum number of tokens allowed: ",
        "Google's clients shorten a conversation where they are told of its length in these words; the provider's own follow",
    ),
];

/// The reason for an exception.
pub(crate) fn exception(what: &str) -> Option<&'static str> {
    EXCEPTIONS.iter().find(|(words, _)| what.contains(words)).map(|(_, reason)| *reason)
}

/// A group of differences from another's reading.
pub(crate) struct Group {
    /// Whose reading it is.
    pub(crate) whose: Whose,
    /// Why ours is another.
    pub(crate) why: &'static str,
    holds: fn(&Exchange, &Other) -> bool,
}

/// The group a difference belongs to, by its place in [`GROUPS`].
pub(crate) fn group(exchange: &Exchange, other: &Other) -> Option<usize> {
    GROUPS.iter().position(|group| group.whose == other.whose && (group.holds)(exchange, other))
}

fn nothing(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty)
}

fn says(exchange: &Exchange, words: &str) -> bool {
    memchr::memmem::find(&exchange.response, words.as_bytes()).is_some()
}

fn is_count(other: &Other) -> bool {
    matches!(other.field, "input" | "output" | "total")
}

fn complains(other: &Other, words: &str) -> bool {
    other.theirs["message"].as_str().is_some_and(|message| message.contains(words))
}

/// A whole message in one event, where a stream was asked for.
fn is_whole_message(exchange: &Exchange) -> bool {
    exchange.framing.is_some() && exchange.response.starts_with(b"event: message\n")
}

/// Every group.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        whose: Whose::Direct,
        why: "Vertex answers a streamed request to Claude with the whole message in one event; the plain reading knows only deltas",
        holds: |exchange, other| is_whole_message(exchange) && nothing(&other.theirs),
    },
    Group {
        whose: Whose::Direct,
        why: "a finish reason given as a number (`enum-encoding=int`); ours is its name",
        holds: |_, other| {
            other.field == "finish" && other.theirs.is_u64() | other.theirs.as_str().is_some_and(|text| text.parse::<u64>().is_ok())
        },
    },
    Group {
        whose: Whose::Direct,
        why: "a prompt that was blocked has no candidate to end; ours is `promptFeedback.blockReason`",
        holds: |exchange, other| other.field == "finish" && exchange.dialect() == Some(Dialect::Gemini) && other.theirs.is_null(),
    },
    Group {
        whose: Whose::Direct,
        why: "thoughts that stand in `reasoning_details`, a summary or a block of their own; the plain reading looks at `reasoning_content` and `reasoning` alone",
        holds: |_, other| other.field == "reasoning" && nothing(&other.theirs),
    },
    Group {
        whose: Whose::Direct,
        why: "Cerebras streams two calls under one index; the plain reading joins their arguments to `{}{}`",
        holds: |exchange, other| other.field == "tool_calls" && exchange.api == "cerebras.chat",
    },
    Group {
        whose: Whose::Direct,
        why: "Bedrock's cited text stands in `citationsContent`, which the plain reading passes over",
        holds: |exchange, other| other.field == "text" && says(exchange, "citationsContent"),
    },
    Group {
        whose: Whose::Direct,
        why: "calls of custom tools, which take free text; the plain reading knows functions only",
        holds: |exchange, other| other.field == "tool_calls" && says(exchange, "custom_tool_call"),
    },
    Group {
        whose: Whose::Direct,
        why: "a call whose arguments are `null` has none: ours is `{}`",
        holds: |_, other| other.field == "tool_calls" && other.theirs.to_string().contains("\"arguments\":null"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Bedrock's cited text stands in `citationsContent`, which LiteLLM passes over",
        holds: |exchange, other| other.field == "text" && says(exchange, "citationsContent"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "a call whose arguments are `null` has none: ours is `{}`",
        holds: |_, other| other.field == "tool_calls" && other.theirs.to_string().contains("\"arguments\":null"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "every stream of Cohere's version 2 fails in LiteLLM, which takes its `event:` lines for JSON",
        holds: |exchange, other| matches!(other.field, "error" | "status") && exchange.dialect() == Some(Dialect::Cohere),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Cohere's `TOOL_CALL` and `MAX_TOKENS` are `stop` to LiteLLM",
        holds: |exchange, other| other.field == "finish" && exchange.dialect() == Some(Dialect::Cohere),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "thoughts of Cohere's that LiteLLM drops",
        holds: |exchange, other| other.field == "reasoning" && exchange.dialect() == Some(Dialect::Cohere),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Responses with a `file_citation`, or with items of the provider's own tools only, are an error to LiteLLM",
        holds: |_, other| {
            other.field == "error"
                && (complains(other, "validation error") || complains(other, "Unknown items in responses") || complains(other, "output"))
        },
    },
    Group {
        whose: Whose::LiteLlm,
        why: "streams that LiteLLM asks for whole, for models its tables do not know; the recorded stream is not what it expects then",
        holds: |exchange, other| {
            other.field == "error" && exchange.framing.is_some() && exchange.dialect() == Some(Dialect::OpenAiResponses)
        },
    },
    Group {
        whose: Whose::LiteLlm,
        why: "several summaries of thoughts in one answer: LiteLLM keeps the last, ours are all",
        holds: |exchange, other| other.field == "reasoning" && exchange.dialect() == Some(Dialect::OpenAiResponses),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "two calls in separate lines of an Ollama stream are one to LiteLLM, with the arguments `{}{}`",
        holds: |exchange, other| other.field == "tool_calls" && exchange.dialect() == Some(Dialect::Ollama),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "an unknown model is 404 in ours, as its code says, where the provider's status is 400; an unknown key 401, where it is 400 or 403; an error within a stream is 502",
        holds: |_, other| other.field == "status",
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Vertex answers a streamed request to Claude with the whole message in one event; LiteLLM's answer is empty",
        holds: |exchange, _| is_whole_message(exchange),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "tools that the provider runs (search, code execution) come out as calls for the client to run; ours are left out, with their sources kept",
        holds: |exchange, other| {
            let ids = other.theirs.as_array().map_or(0, Vec::len) > other.ours.as_array().map_or(0, Vec::len);
            other.field == "tool_calls" && ids && (says(exchange, "server_tool_use") || says(exchange, "_call"))
        },
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Azure's answers without choices (a content filter with status 200, or its first, empty chunk) are an error to LiteLLM",
        holds: |_, other| {
            other.field == "error"
                && (complains(other, "Invalid response object") || complains(other, "invalid response from LLM endpoint"))
        },
    },
    Group {
        whose: Whose::LiteLlm,
        why: "InvokeModel of a Claude that LiteLLM's tables list as one of the old text completions is a failure of its own",
        holds: |_, other| other.field == "error" && complains(other, "AmazonAnthropicConfig"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Groq's answers without `service_tier` are an error to LiteLLM",
        holds: |_, other| other.field == "error" && complains(other, "service_tier"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Snowflake's OpenAI-shaped answers of Claude are a `KeyError` in LiteLLM",
        holds: |exchange, other| other.field == "error" && exchange.api == "snowflake.chat",
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Gemini's answers without `usageMetadata`, or with a call without `args`, are an error to LiteLLM",
        holds: |exchange, other| other.field == "error" && exchange.dialect() == Some(Dialect::Gemini),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "a Gemini stream that is one JSON array is an empty answer to LiteLLM",
        holds: |exchange, _| exchange.framing == Some(switchboard_wire::framing::Framing::JsonArray),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "a partial answer of Gemini's that a filter ends loses its text in LiteLLM",
        holds: |exchange, other| other.field == "text" && nothing(&other.theirs) && exchange.dialect() == Some(Dialect::Gemini),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "`toolUsePromptTokenCount` is part of the prompt and of the total; LiteLLM counts it nowhere",
        holds: |exchange, other| is_count(other) && says(exchange, "toolUsePromptTokenCount"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "`usage.iterations` (the advisor's calls) are summed into LiteLLM's counts; ours are the answer's own, as the API states them",
        holds: |exchange, other| is_count(other) && says(exchange, "\"iterations\""),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "the provider counted nothing, or a part only; LiteLLM counts by itself. Ours is absent, never invented",
        holds: |_, other| is_count(other) && other.ours.is_null(),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Mistral's `prompt_tokens` leave the sound out, its total does not: ours are the prompt with its sound",
        holds: |exchange, other| is_count(other) && exchange.api == "mistral.chat",
    },
    Group {
        whose: Whose::LiteLlm,
        why: "streamed usage that LiteLLM counts itself though the provider sent it; ours is the provider's",
        holds: |exchange, other| is_count(other) && matches!(exchange.api.as_str(), "snowflake.chat" | "groq.chat"),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "thoughts that LiteLLM drops: with a JSON schema (Groq), in `reasoning_details` or in blocks of content",
        holds: |_, other| other.field == "reasoning" && nothing(&other.theirs),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "`<think>` in the text: LiteLLM cuts it out. Ours is the text as the model wrote it, since text that talks about the tag would be cut, too",
        holds: |exchange, other| matches!(other.field, "text" | "reasoning") && (says(exchange, "<think>") || says(exchange, "<thinking>")),
    },
    Group {
        whose: Whose::LiteLlm,
        why: "Cerebras streams two calls under one index; LiteLLM joins their arguments to `{}{}`",
        holds: |exchange, other| other.field == "tool_calls" && exchange.api == "cerebras.chat",
    },
    Group {
        whose: Whose::LiteLlm,
        why: "a second answer begins amid the first: LiteLLM mixes the two. What was told of the first cannot be taken back, so ours is a fault",
        holds: |_, other| other.field == "fault",
    },
];
