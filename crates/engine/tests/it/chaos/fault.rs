//! The faults a provider may show, as bytes.

use switchboard_wire::Dialect;

use super::words::{JSON, closing, content, malformed, opening, sse, stream_error, streamed, whole};

/// One way in which a provider fails, or nearly does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    RateLimited,
    RateLimitedForAWhile,
    Quota,
    Overloaded529,
    Overloaded503,
    Server500,
    Server502,
    Server504,
    HangUp,
    HeadThenGone,
    Silent,
    HeadThenSilent,
    Malformed,
    ErrorEvent,
    Empty,
    ErrorBody,
    Null,
    Html,
    HtmlError,
    UnknownCoding,
    BadChunk,
    BothLengths,
    ShortBody,
    LongBody,
    Unauthorized,
    Forbidden,
    NotFound,
    BadRequest,
    Unprocessable,
    TimeoutStatus,
    Conflict,
    TooEarly,
    Redirect,
    BadStatusLine,
    NoUsage,
    /// After the first content.
    Stall,
    Cut,
    CutWithinFrame,
    MalformedLate,
    ErrorEventLate,
    /// More than anybody wants to read.
    Endless,
    /// A piece comes twice.
    Doubled,
}

/// What the provider does on the connection.
pub(crate) enum Act {
    /// Sends these bytes; the connection is kept.
    Say(Vec<u8>),
    /// Sends these bytes and closes.
    SayAndClose(Vec<u8>),
    /// Sends these bytes and says no more.
    SayAndHold(Vec<u8>),
    /// Sends the first bytes, then the others for as long as somebody reads them.
    Flood(Vec<u8>, Vec<u8>),
}

fn head(status: &str, kind: &str, length: usize, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}\r\n")
}

fn reply(status: &str, kind: &str, more: &str, body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    Act::Say([head(status, kind, body.len(), more).as_bytes(), body].concat())
}

fn error(dialect: Dialect, status: &str, kind: &str, code: &str) -> Act {
    error_with(dialect, status, (kind, code), "")
}

fn error_with(dialect: Dialect, status: &str, (kind, code): (&str, &str), more: &str) -> Act {
    let number: u16 = status[..3].parse().unwrap();
    let body = match dialect {
        Dialect::Anthropic => format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"it failed: {code}"}}}}"#),
        Dialect::Gemini => format!(r#"{{"error":{{"code":{number},"message":"it failed: {code}","status":"{kind}"}}}}"#),
        Dialect::Bedrock if kind.is_empty() => r#"{"message":"it failed"}"#.to_owned(),
        Dialect::Bedrock => format!(r#"{{"__type":"{kind}","message":"it failed"}}"#),
        _ => format!(r#"{{"error":{{"message":"it failed","type":"{kind}","param":null,"code":"{code}"}}}}"#),
    };
    reply(status, JSON, more, &body)
}

/// A chunked head and one chunk, without the end.
fn chunked(kind: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = if body.is_empty() { Vec::new() } else { [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat() };
    [head.into_bytes(), chunk].concat()
}

/// The answer when all is well; `nonce` is its text.
pub(crate) fn good(dialect: Dialect, stream: bool, nonce: &str) -> Act {
    match stream {
        true => reply("200 OK", sse(dialect), "", [opening(dialect), content(dialect, nonce), closing(dialect, nonce)].concat()),
        false => reply("200 OK", JSON, "", whole(dialect).replace("Hello there", nonce)),
    }
}

/// An answer that ends well and says nothing.
fn empty(dialect: Dialect, stream: bool) -> Act {
    let zero = |text: &str| {
        text.replace("Hello there", "")
            .replace("\"output_tokens\":7", "\"output_tokens\":0")
            .replace("\"completion_tokens\":7", "\"completion_tokens\":0")
            .replace("\"candidatesTokenCount\":7", "\"candidatesTokenCount\":0")
            .replace("\"outputTokens\":7", "\"outputTokens\":0")
    };
    match stream {
        // Its frames have lengths and checksums: they are made as they are to be.
        true if dialect == Dialect::Bedrock => reply("200 OK", sse(dialect), "", super::words::bedrock_stream(&[], Some(0))),
        true => {
            let text = String::from_utf8([opening(dialect), closing(dialect, "Hello there")].concat()).unwrap();
            reply("200 OK", sse(dialect), "", zero(&text))
        }
        false => reply("200 OK", JSON, "", zero(whole(dialect))),
    }
}

fn auth(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Anthropic => ("authentication_error", "invalid x-api-key"),
        Dialect::Gemini => ("UNAUTHENTICATED", "no"),
        Dialect::Bedrock => ("UnrecognizedClientException", "no"),
        _ => ("invalid_request_error", "invalid_api_key"),
    }
}

/// What a provider of that dialect does.
pub(crate) fn act(fault: Fault, dialect: Dialect, stream: bool) -> Act {
    refusal(fault, dialect).unwrap_or_else(|| answer(fault, dialect, stream))
}

/// Amazon's name for Google's.
fn exception(status: &str) -> &'static str {
    match status {
        "RESOURCE_EXHAUSTED" => "ThrottlingException",
        "UNAVAILABLE" => "ServiceUnavailableException",
        "INTERNAL" => "InternalServerException",
        "PERMISSION_DENIED" => "AccessDeniedException",
        "NOT_FOUND" => "ResourceNotFoundException",
        "INVALID_ARGUMENT" => "ValidationException",
        // It has no name for them: the status says it.
        _ => "",
    }
}

/// The faults that are statuses.
fn refusal(fault: Fault, dialect: Dialect) -> Option<Act> {
    let refused = |kind: &'static str, gemini: &'static str| match dialect {
        Dialect::Gemini => gemini,
        Dialect::Bedrock => exception(gemini),
        _ => kind,
    };
    Some(match fault {
        Fault::RateLimited => {
            let kind = refused("rate_limit_error", "RESOURCE_EXHAUSTED");
            error_with(dialect, "429 Too Many Requests", (kind, "rate_limit_exceeded"), "retry-after: 20\r\n")
        }
        Fault::RateLimitedForAWhile => {
            let kind = refused("rate_limit_error", "RESOURCE_EXHAUSTED");
            error_with(dialect, "429 Too Many Requests", (kind, "rate_limit_exceeded"), "retry-after-ms: 5\r\n")
        }
        Fault::Quota => error(dialect, "402 Payment Required", if dialect == Dialect::Bedrock { "" } else { "billing_error" }, "x"),
        Fault::Overloaded529 => error(dialect, "529 Overloaded", refused("overloaded_error", "UNAVAILABLE"), "x"),
        Fault::Overloaded503 => error(dialect, "503 Service Unavailable", refused("overloaded_error", "UNAVAILABLE"), "x"),
        Fault::Server500 => error(dialect, "500 Internal Server Error", refused("api_error", "INTERNAL"), "x"),
        Fault::Server502 => error(dialect, "502 Bad Gateway", refused("api_error", "INTERNAL"), "x"),
        Fault::Server504 => error(dialect, "504 Gateway Timeout", refused("timeout_error", "DEADLINE_EXCEEDED"), "x"),
        Fault::Unauthorized => error(dialect, "401 Unauthorized", auth(dialect).0, auth(dialect).1),
        Fault::Forbidden => error(dialect, "403 Forbidden", refused("permission_error", "PERMISSION_DENIED"), "x"),
        Fault::NotFound => error(dialect, "404 Not Found", refused("not_found_error", "NOT_FOUND"), "model_not_found"),
        Fault::BadRequest => error(dialect, "400 Bad Request", refused("invalid_request_error", "INVALID_ARGUMENT"), "x"),
        Fault::Unprocessable => error(dialect, "422 Unprocessable Entity", refused("invalid_request_error", "INVALID_ARGUMENT"), "x"),
        Fault::TimeoutStatus => error(dialect, "408 Request Timeout", refused("timeout_error", "DEADLINE_EXCEEDED"), "x"),
        Fault::Conflict => error(dialect, "409 Conflict", refused("conflict", "ABORTED"), "x"),
        Fault::TooEarly => error(dialect, "425 Too Early", refused("too_early", "ABORTED"), "x"),
        _ => return None,
    })
}

/// The faults of answers.
fn answer(fault: Fault, dialect: Dialect, stream: bool) -> Act {
    let begun = [opening(dialect), content(dialect, "Hello")].concat();
    let after = |more: Vec<u8>| [begun.clone(), more].concat();
    let kind = if stream { sse(dialect) } else { JSON };
    let first = if stream { opening(dialect) } else { b"{".to_vec() };
    match fault {
        Fault::HangUp => Act::SayAndClose(Vec::new()),
        Fault::HeadThenGone => Act::SayAndClose(chunked(kind, first)),
        Fault::Silent => Act::SayAndHold(Vec::new()),
        Fault::HeadThenSilent => Act::SayAndHold(chunked(kind, first)),
        Fault::Malformed if stream => reply("200 OK", kind, "", [first, malformed(dialect)].concat()),
        Fault::Malformed => reply("200 OK", JSON, "", r#"{"id":"x","choices":"#),
        Fault::ErrorEvent if stream => reply("200 OK", kind, "", [first, stream_error(dialect, "too many at once")].concat()),
        Fault::Empty => empty(dialect, stream),
        Fault::ErrorBody => {
            let name = match dialect {
                Dialect::Gemini => "INTERNAL",
                Dialect::Bedrock => "InternalServerException",
                _ => "api_error",
            };
            error(dialect, "200 OK", name, "x")
        }
        Fault::Null => reply("200 OK", JSON, "", "null"),
        Fault::Html => reply("200 OK", "text/html", "", "<html>oops</html>"),
        Fault::HtmlError => reply("503 Service Unavailable", "text/html", "", "<html>oops</html>"),
        Fault::UnknownCoding => reply("200 OK", JSON, "content-encoding: rot13\r\n", whole(dialect)),
        Fault::BadChunk => {
            Act::SayAndClose(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").into_bytes())
        }
        Fault::BothLengths => {
            let body = if stream { streamed(dialect) } else { whole(dialect).as_bytes().to_vec() };
            let said = chunked(kind, &body);
            let both = format!("content-length: {}\r\ntransfer-encoding", body.len());
            Act::Say([String::from_utf8_lossy(&said).replacen("transfer-encoding", &both, 1).as_bytes(), b"0\r\n\r\n"].concat())
        }
        Fault::ShortBody => Act::SayAndClose([head("200 OK", kind, 9000, "").into_bytes(), opening(dialect)].concat()),
        Fault::LongBody => {
            let body = if stream { streamed(dialect) } else { whole(dialect).as_bytes().to_vec() };
            Act::SayAndClose([head("200 OK", kind, body.len(), "").into_bytes(), body, b"and more".to_vec()].concat())
        }
        Fault::Redirect => reply("302 Found", JSON, "location: http://127.0.0.1:1/elsewhere\r\n", "moved"),
        Fault::BadStatusLine => Act::SayAndClose(b"nonsense\r\n\r\n".to_vec()),
        Fault::NoUsage => without_usage(dialect, stream),
        Fault::Stall => Act::SayAndHold(chunked(kind, &begun)),
        Fault::Cut => Act::SayAndClose(chunked(kind, &begun)),
        Fault::CutWithinFrame => {
            let more = content(dialect, " there");
            Act::SayAndClose(chunked(kind, after(more[..more.len() - 12].to_vec())))
        }
        Fault::MalformedLate => reply("200 OK", kind, "", after(malformed(dialect))),
        Fault::ErrorEventLate => reply("200 OK", kind, "", after(stream_error(dialect, "too many at once"))),
        Fault::Endless => Act::Flood(
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n").into_bytes(),
            if stream { vec![b'x'; 64 << 10] } else { vec![b' '; 64 << 10] },
        ),
        Fault::Doubled => {
            // The same piece twice, to the letter.
            let twice = [begun.clone(), content(dialect, "Hello"), closing(dialect, "Hello")].concat();
            reply("200 OK", kind, "", twice)
        }
        _ => panic!("there is no such cell"),
    }
}

/// All is well, but nobody says what it took.
fn without_usage(dialect: Dialect, stream: bool) -> Act {
    if stream && dialect == Dialect::Bedrock {
        return reply("200 OK", sse(dialect), "", super::words::bedrock_stream(&["Hello", " there"], None));
    }
    let mut text = if stream { String::from_utf8(streamed(dialect)).unwrap() } else { whole(dialect).to_owned() };
    for key in ["\"usage\":{", "\"usageMetadata\":{"] {
        while let Some(at) = text.find(key) {
            let end = at + text[at..].find('}').unwrap() + 1;
            let begin = text[..at].rfind(',').filter(|comma| *comma + 1 == at).unwrap_or(at);
            text.replace_range(begin..end, "");
        }
    }
    reply("200 OK", if stream { sse(dialect) } else { JSON }, "", &text)
}
