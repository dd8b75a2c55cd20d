//! What providers say, Amazon's binary streams among them.

use switchboard_wire::Dialect;
use switchboard_wire::framing::write_aws_message;

use crate::exchange::words;

pub(super) const JSON: &str = "application/json";

/// The dialects that providers of the table speak.
pub(super) const PROVIDERS: [Dialect; 5] =
    [Dialect::OpenAiChat, Dialect::Anthropic, Dialect::Gemini, Dialect::OpenAiResponses, Dialect::Bedrock];

/// The content type of a stream.
pub(super) fn sse(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Bedrock { "application/vnd.amazon.eventstream" } else { "text/event-stream" }
}

pub(super) fn whole(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Bedrock => {
            r#"{"metrics":{"latencyMs":5},"output":{"message":{"content":[{"text":"Hello there"}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":11,"outputTokens":7,"totalTokens":18}}"#
        }
        _ => words::whole(dialect),
    }
}

fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", JSON), (":message-type", "event")];
    write_aws_message(&headers, payload.as_bytes())
}

pub(super) fn opening(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => event("messageStart", r#"{"role":"assistant"}"#),
        _ => words::opening(dialect).as_bytes().to_vec(),
    }
}

pub(super) fn content(dialect: Dialect, text: &str) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => event("contentBlockDelta", &format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#)),
        _ => words::content(dialect, text).into_bytes(),
    }
}

/// The end of a stream that said that.
pub(super) fn closing(dialect: Dialect, said: &str) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => bedrock_closing(Some(7)),
        Dialect::OpenAiChat => format!("{}data: [DONE]\n\n", words::closing(dialect)).into_bytes(),
        _ => words::closing(dialect).replace("Hello there", said).into_bytes(),
    }
}

fn bedrock_closing(output: Option<u64>) -> Vec<u8> {
    let stop = [event("contentBlockStop", r#"{"contentBlockIndex":0}"#), event("messageStop", r#"{"stopReason":"end_turn"}"#)].concat();
    let usage = output
        .map(|output| format!(r#"{{"metrics":{{"latencyMs":5}},"usage":{{"inputTokens":11,"outputTokens":{output},"totalTokens":18}}}}"#));
    [stop, usage.map(|usage| event("metadata", &usage)).unwrap_or_default()].concat()
}

/// A whole stream of Amazon's with those pieces and so many tokens, where it says how many.
pub(super) fn bedrock_stream(pieces: &[&str], output: Option<u64>) -> Vec<u8> {
    let said: Vec<u8> = pieces.iter().flat_map(|piece| content(Dialect::Bedrock, piece)).collect();
    [opening(Dialect::Bedrock), said, bedrock_closing(output)].concat()
}

pub(super) fn streamed(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => bedrock_stream(&["Hello", " there"], Some(7)),
        _ => words::streamed(dialect).into_bytes(),
    }
}

pub(super) fn malformed(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::Anthropic => b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",bad}\n\n".to_vec(),
        Dialect::Bedrock => event("contentBlockDelta", r#"{"contentBlockIndex":0,"del"#),
        _ => b"data: {\"type\":\"response.output_text.delta\",\"choices\":[{\"delta\":{\"text\":bad}}]}\n\n".to_vec(),
    }
}

/// An error inside a stream: the provider is overloaded.
pub(super) fn stream_error(dialect: Dialect, message: &str) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => {
            let headers = [(":exception-type", "serviceUnavailableException"), (":content-type", JSON), (":message-type", "exception")];
            write_aws_message(&headers, format!(r#"{{"message":"{message}"}}"#).as_bytes())
        }
        _ => words::stream_error(dialect, message).into_bytes(),
    }
}
