//! What providers say when all is well, piece by piece, and how clients of each dialect would see it.

use switchboard_wire::Dialect;

/// The dialects that are both spoken by clients and by providers.
pub(crate) const ALL: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini];

/// Every pair of client and provider.
pub(crate) fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    ALL.into_iter().flat_map(|client| ALL.into_iter().map(move |provider| (client, provider)))
}

/// A whole answer: "Hello there", 11 tokens in, 7 out.
pub(crate) fn whole(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => {
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Hello there"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":7}}"#
        }
        Dialect::Gemini => {
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello there"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,"totalTokenCount":18},"modelVersion":"gemini-2.5-pro","responseId":"r1"}"#
        }
        _ => {
            r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#
        }
    }
}

/// A stream's beginning, before any content.
pub(crate) fn opening(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-haiku-4-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        ),
        Dialect::Gemini => "",
        _ => {
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
        }
    }
}

/// One piece of content.
pub(crate) fn content(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::Anthropic => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        ),
        Dialect::Gemini => format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}},\"index\":0}}],\"modelVersion\":\"gemini-2.5-pro\",\"responseId\":\"r1\"}}\r\n\r\n"
        ),
        _ => format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        ),
    }
}

/// The end, usage included; for OpenAI without `[DONE]`.
pub(crate) fn closing(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => concat!(
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        Dialect::Gemini => {
            "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":7,\"totalTokenCount\":18},\"modelVersion\":\"gemini-2.5-pro\",\"responseId\":\"r1\"}\r\n\r\n"
        }
        _ => concat!(
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n",
        ),
    }
}

/// A whole stream: "Hello there".
pub(crate) fn streamed(dialect: Dialect) -> String {
    let done = if dialect == Dialect::OpenAiChat { "data: [DONE]\n\n" } else { "" };
    let (hello, there) = (content(dialect, "Hello"), content(dialect, " there"));
    format!("{}{hello}{there}{}{done}", opening(dialect), closing(dialect))
}

/// An error inside a stream: the provider is overloaded.
pub(crate) fn stream_error(dialect: Dialect, message: &str) -> String {
    match dialect {
        Dialect::Anthropic => {
            format!("event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"{message}\"}}}}\n\n")
        }
        Dialect::Gemini => {
            format!("data: {{\"error\":{{\"code\":503,\"message\":\"{message}\",\"status\":\"UNAVAILABLE\"}}}}\r\n\r\n")
        }
        _ => format!("data: {{\"error\":{{\"message\":\"{message}\",\"type\":\"server_error\",\"code\":503}}}}\n\n"),
    }
}

/// An error answer's body.
pub(crate) fn error(dialect: Dialect, kind: &str, message: &str) -> String {
    match dialect {
        Dialect::Anthropic => format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#),
        Dialect::Gemini => format!(r#"{{"error":{{"code":400,"message":"{message}","status":"{kind}"}}}}"#),
        _ => format!(r#"{{"error":{{"message":"{message}","type":"{kind}","param":"temperature","code":null}}}}"#),
    }
}

/// The text of a whole answer as a client of that dialect reads it.
pub(crate) fn text_of(dialect: Dialect, body: &serde_json::Value) -> String {
    let found = match dialect {
        Dialect::Anthropic => body["content"][0]["text"].as_str(),
        Dialect::Gemini => body["candidates"][0]["content"]["parts"][0]["text"].as_str(),
        _ => body["choices"][0]["message"]["content"].as_str(),
    };
    found.unwrap_or_else(|| panic!("no text in {body}")).to_owned()
}

/// The text of a stream as a client of that dialect reads it, whatever else is there.
pub(crate) fn text_of_stream(dialect: Dialect, body: &str) -> String {
    let events = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|payload| *payload != "[DONE]");
    events
        .map(|payload| serde_json::from_str::<serde_json::Value>(payload).unwrap_or_else(|error| panic!("{error}: {payload}")))
        .filter_map(|event| {
            let text = match dialect {
                Dialect::Anthropic => &event["delta"]["text"],
                Dialect::Gemini => &event["candidates"][0]["content"]["parts"][0]["text"],
                _ => &event["choices"][0]["delta"]["content"],
            };
            text.as_str().map(str::to_owned)
        })
        .collect()
}

/// What only a complete stream of that dialect holds.
pub(crate) fn clean_end(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Anthropic => "message_stop",
        Dialect::Gemini => "finishReason",
        _ => "[DONE]",
    }
}
