//! The built-in model `demo/echo`: a provider on loopback that needs no key.
//!
//! It speaks OpenAI's chat format like any other provider, so that a request to it goes the whole way. It says what it was told,
//! calls the first tool it is given, and counts a token for every word.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::{Value, json};

use crate::clock::unix_seconds;
use crate::edge::{Edge, LastWords, RequestBody, Running, Settings, StartError};

/// The pause between two words of a stream.
const PAUSE: Duration = Duration::from_millis(15);

/// Starts the provider on a free port of the loopback interface.
pub fn start() -> Result<Running, StartError> {
    let settings = Settings { listen: vec![crate::edge::Address::Tcp(([127, 0, 0, 1], 0).into())], workers: 1, ..Settings::default() };
    Edge::run(settings, |_| Ok(|request: Request<RequestBody>| answer(request)))
}

async fn answer(request: Request<RequestBody>) -> Response<Words> {
    let path = request.uri().path().to_owned();
    let Ok(frames) = request.into_body().collect().await else {
        return whole(StatusCode::BAD_REQUEST, &problem("the body could not be read"));
    };
    let Ok(body) = serde_json::from_slice::<Value>(&frames.into_bytes()) else {
        return whole(StatusCode::BAD_REQUEST, &problem("the body is not JSON"));
    };
    match path.as_str() {
        "/v1/chat/completions" => chat(&body),
        "/v1/embeddings" => embed(&body),
        _ => whole(StatusCode::NOT_FOUND, &problem("the demo model chats and embeds, nothing else")),
    }
}

fn problem(message: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}})
}

/// What there is to say to a request.
struct Speech {
    text: String,
    call: Option<(String, String)>,
    prompt_tokens: usize,
}

impl Speech {
    fn of(body: &Value) -> Option<Self> {
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty())?;
        let last = messages.last()?;
        let said: Vec<String> = messages.iter().map(|message| words_of(&message["content"])).collect();
        let prompt_tokens = said.iter().map(|text| text.split_whitespace().count()).sum();
        let heard = said.last().cloned().unwrap_or_default();
        let wanted = body["tool_choice"] != "none" && last["role"] != "tool";
        let tool = body["tools"].as_array().and_then(|tools| tools.first()).filter(|_| wanted);
        let call = tool.map(|tool| {
            let function = &tool["function"];
            (function["name"].as_str().unwrap_or_default().to_owned(), arguments_for(&function["parameters"], &heard).to_string())
        });
        let json_wanted = body["response_format"]["type"].as_str().is_some_and(|kind| kind != "text");
        let schema = &body["response_format"]["json_schema"]["schema"];
        let text = match last["role"].as_str() {
            _ if json_wanted && schema.is_object() => arguments_for(schema, &heard).to_string(),
            _ if json_wanted => json!({"echo": heard}).to_string(),
            Some("tool") => format!("The tool said: {heard}"),
            _ => format!("You said: {heard}"),
        };
        Some(Self { text, call, prompt_tokens })
    }

    fn answer_tokens(&self) -> usize {
        let call = self.call.as_ref().map(|(_, arguments)| arguments.as_str());
        call.unwrap_or(&self.text).split_whitespace().count().max(1)
    }

    fn usage(&self) -> Value {
        let (prompt, answer) = (self.prompt_tokens, self.answer_tokens());
        json!({"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer})
    }
}

/// The text of a message's content, whatever its form.
fn words_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| match part["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!("[{}]", part["type"].as_str().unwrap_or("part")),
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// The simplest value that a JSON schema allows; texts echo what was heard.
fn arguments_for(schema: &Value, heard: &str) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => heard.into(),
        Some("integer" | "number") => 1.into(),
        Some("boolean") => true.into(),
        Some("array") => json!([arguments_for(&schema["items"], heard)]),
        Some("null") => Value::Null,
        _ => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, property)| (name.clone(), arguments_for(property, heard))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}

fn chat(body: &Value) -> Response<Words> {
    let Some(speech) = Speech::of(body) else {
        return whole(StatusCode::BAD_REQUEST, &problem("`messages` must hold at least one message"));
    };
    let id = format!("chatcmpl-{}", crate::id::mint());
    if body["stream"] == true {
        return stream(&speech, &id, body["stream_options"]["include_usage"] == true);
    }
    let call_id = format!("call_{}", &id[id.len() - 12..]);
    let (message, finish) = match &speech.call {
        Some((name, arguments)) => {
            let call = json!({"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}});
            (json!({"role": "assistant", "content": null, "tool_calls": [call], "refusal": null}), "tool_calls")
        }
        None => (json!({"role": "assistant", "content": speech.text, "refusal": null}), "stop"),
    };
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish});
    let reply = json!({"id": id, "object": "chat.completion", "created": unix_seconds(), "model": "echo", "choices": [choice], "usage": speech.usage()});
    whole(StatusCode::OK, &reply)
}

fn stream(speech: &Speech, id: &str, usage: bool) -> Response<Words> {
    let created = unix_seconds();
    let chunk = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({"id": id, "object": "chat.completion.chunk", "created": created, "model": "echo", "choices": choices});
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value, finish: Option<&str>| chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), None);
    let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    let finish = match &speech.call {
        Some((name, arguments)) => {
            let call_id = format!("call_{}", &id[id.len() - 12..]);
            let head = json!({"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}});
            chunks.push(delta(json!({"tool_calls": [head]}), None));
            chunks.extend(
                pieces(arguments).map(|piece| delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), None)),
            );
            "tool_calls"
        }
        None => {
            chunks.extend(pieces(&speech.text).map(|piece| delta(json!({"content": piece}), None)));
            "stop"
        }
    };
    chunks.push(delta(json!({}), Some(finish)));
    if usage {
        chunks.push(chunk(json!([]), Some(speech.usage())));
    }
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    let mut response = Response::new(Words::paced(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A text word by word, spaces kept.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// A vector for a text: how often each of eight letter classes occurs. The same text, the same vector.
fn embed(body: &Value) -> Response<Words> {
    let inputs: Vec<String> = match &body["input"] {
        Value::Array(inputs) => inputs.iter().map(|input| input.as_str().map_or_else(|| input.to_string(), str::to_owned)).collect(),
        Value::String(input) => vec![input.clone()],
        _ => return whole(StatusCode::BAD_REQUEST, &problem("`input` must be a text or an array of texts")),
    };
    let tokens: usize = inputs.iter().map(|input| input.split_whitespace().count()).sum();
    let base64 = body["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| json!({"object": "embedding", "index": index, "embedding": vector(input, base64)}))
        .collect();
    whole(
        StatusCode::OK,
        &json!({"object": "list", "data": data, "model": "echo", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}),
    )
}

fn vector(text: &str, base64: bool) -> Value {
    use base64::Engine;
    let mut counts = [0_f32; 8];
    for byte in text.bytes() {
        counts[usize::from(byte % 8)] += 1.0;
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt().max(1.0);
    let unit: Vec<f32> = counts.iter().map(|count| count / length).collect();
    if base64 {
        let bytes: Vec<u8> = unit.iter().flat_map(|value| value.to_le_bytes()).collect();
        return base64::engine::general_purpose::STANDARD.encode(bytes).into();
    }
    unit.into()
}

fn whole(status: StatusCode, value: &Value) -> Response<Words> {
    let mut response = Response::new(Words::at_once(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body that comes at once, or word by word.
struct Words {
    chunks: std::vec::IntoIter<Bytes>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    paced: bool,
}

impl Words {
    fn at_once(body: Bytes) -> Self {
        Self { chunks: vec![body].into_iter(), pause: None, paced: false }
    }

    fn paced(chunks: Vec<Bytes>) -> Self {
        Self { chunks: chunks.into_iter(), pause: None, paced: true }
    }
}

impl LastWords for Words {
    /// Whoever reads it is the gateway itself, which has ended by then.
    fn stop(self: Pin<&mut Self>) {}
}

impl Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            if pause.as_mut().poll(ctx).is_pending() {
                return Poll::Pending;
            }
            this.pause = None;
        }
        let chunk = this.chunks.next();
        if this.paced && chunk.is_some() {
            this.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
