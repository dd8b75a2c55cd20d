//! What was said so far, and the next answer.

use std::io::Write;

use http_body_util::BodyExt;
use serde_json::{Number, Value, json};
use switchboard_engine::upstream::UpstreamReply;
use switchboard_engine::wire::framing::{Framer, Framing};

use super::super::client::ClientError;
use super::server::Server;

/// A conversation with one model, in OpenAI's chat format.
pub(super) struct Conversation {
    pub(super) model: String,
    pub(super) max_tokens: Option<u32>,
    pub(super) temperature: Option<Number>,
    messages: Vec<Value>,
    stream: bool,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is complete.
    Complete,
    /// The user had enough.
    Stopped,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Conversation {
    pub(super) fn new(model: String, system: Option<&str>, stream: bool) -> Self {
        let messages = system.map(|text| json!({"role": "system", "content": text})).into_iter().collect();
        Self { model, max_tokens: None, temperature: None, messages, stream }
    }

    /// Says something and prints the answer. What fails or is stopped is not part of the conversation.
    pub(super) async fn say(&mut self, server: &Server, text: &str) -> Result<Turn, Error> {
        self.messages.push(json!({"role": "user", "content": text}));
        let heard = tokio::select! {
            heard = self.answer(server) => heard.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        };
        println!();
        match heard {
            Ok(Some(answer)) => {
                self.messages.push(json!({"role": "assistant", "content": answer}));
                Ok(Turn::Complete)
            }
            Ok(None) => {
                self.messages.pop();
                Ok(Turn::Stopped)
            }
            Err(error) => {
                self.messages.pop();
                Err(error)
            }
        }
    }

    async fn answer(&self, server: &Server) -> Result<String, Error> {
        let mut body = json!({"model": self.model, "messages": self.messages, "stream": self.stream});
        if let Some(count) = self.max_tokens {
            body["max_tokens"] = count.into();
        }
        if let Some(temperature) = &self.temperature {
            body["temperature"] = Value::Number(temperature.clone());
        }
        let reply = server.client.ask("/v1/chat/completions", Some(&body)).await?;
        if self.stream { streamed(reply).await } else { whole(reply).await }
    }
}

async fn whole(reply: UpstreamReply) -> Result<String, Error> {
    let body = reply.body.collect().await?;
    let value: Value = serde_json::from_slice(&body).map_err(|error| ClientError::Answer(error.to_string()))?;
    let message = &value["choices"][0]["message"];
    let text = message["content"].as_str().or_else(|| message["refusal"].as_str()).unwrap_or_default();
    show(text)?;
    Ok(text.to_owned())
}

async fn streamed(reply: UpstreamReply) -> Result<String, Error> {
    let (mut body, mut framer, mut answer) = (reply.body, Framer::new(Framing::Sse), String::new());
    let (mut more, mut done) = (true, false);
    while more {
        match BodyExt::frame(&mut body).await {
            Some(frame) => {
                if let Ok(chunk) = frame?.into_data() {
                    framer.push(chunk);
                }
            }
            None => {
                framer.end();
                more = false;
            }
        }
        while let Some(piece) = framer.next_piece() {
            done |= heard(&piece?.payload, &mut answer)?;
        }
    }
    if done { Ok(answer) } else { Err("the answer broke off".into()) }
}

/// Prints what one event says; true for the last.
fn heard(payload: &[u8], answer: &mut String) -> Result<bool, Error> {
    if payload == b"[DONE]" {
        return Ok(true);
    }
    if payload.is_empty() {
        return Ok(false);
    }
    let value: Value = serde_json::from_slice(payload).map_err(|error| ClientError::Answer(error.to_string()))?;
    if let Some(message) = value["error"]["message"].as_str() {
        return Err(message.to_owned().into());
    }
    if let Some(text) = value["choices"][0]["delta"]["content"].as_str() {
        show(text)?;
        answer.push_str(text);
    }
    Ok(false)
}

fn show(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
