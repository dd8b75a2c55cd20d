//! JSON that a model wrote and that is none, put right: text or a fence around it, commas and brackets that are missing or too many,
//! quotes of another kind or none.
//!
//! Nothing is made up: what was cut off ends where it was cut, a name without a value goes. What is JSON stays as it is, to the byte,
//! and so does whatever cannot be told.

mod mender;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::Dialect;

/// So many brackets of a text are tried as the beginning of what it means.
const LOOKS: usize = 16;

/// The object or list that a text means; `None`: it is JSON as it is, or means none.
pub fn text(text: &str) -> Option<String> {
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return None;
    }
    let (mut from, mut longest) = (0, None::<(usize, String)>);
    for _ in 0..LOOKS {
        let Some(at) = text[from..].find(['{', '[']).map(|at| from + at) else { break };
        match mender::mended(&text[at..]) {
            Ok((length, json)) => {
                if longest.as_ref().is_none_or(|(known, _)| *known < length) {
                    longest = Some((length, json));
                }
                from = at + length;
            }
            // A bracket of the text around.
            Err(mender::Lost { begun: false }) => from = at + 1,
            // What is within it is a part of what is meant.
            Err(mender::Lost { begun: true }) => return None,
        }
    }
    longest.map(|(_, json)| json).filter(|json| serde_json::from_str::<Value>(json).is_ok())
}

/// A whole answer in that dialect with its texts put right; `None`: it stays as it is. What was cut at a limit is left alone: it would
/// only look whole.
pub fn whole(dialect: Dialect, body: &Bytes) -> Option<Bytes> {
    let texts = match dialect {
        Dialect::OpenAiChat => serde_json::from_slice::<Chat>(body).ok()?.texts(),
        Dialect::OpenAiResponses => serde_json::from_slice::<Response>(body).ok()?.texts(),
        _ => return None,
    };
    let (mut out, mut copied) = (Vec::new(), 0);
    for raw in texts {
        let Some(json) = serde_json::from_str::<String>(raw.get()).ok().and_then(|said| text(&said)) else { continue };
        let at = raw.get().as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        out.extend_from_slice(body.get(copied..at)?);
        out.extend_from_slice(Value::from(json).to_string().as_bytes());
        copied = at + raw.get().len();
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(body.get(copied..)?);
    Some(out.into())
}

/// What of a chat completion is looked at.
#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl<'a> Chat<'a> {
    fn texts(self) -> Vec<&'a RawValue> {
        let whole = self.choices.into_iter().filter(|choice| choice.finish_reason.as_deref() != Some("length"));
        whole.filter_map(|choice| choice.message.content).collect()
    }
}

/// What of a response is looked at.
#[derive(Deserialize)]
struct Response<'a> {
    status: Option<String>,
    #[serde(borrow)]
    output: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<Said<'a>>>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl<'a> Response<'a> {
    fn texts(self) -> Vec<&'a RawValue> {
        let whole = self.status.as_deref() != Some("incomplete");
        let messages = self.output.into_iter().filter(|item| whole && item.r#type.as_deref() == Some("message"));
        messages.flat_map(|item| item.content.unwrap_or_default()).filter_map(|said| said.text).collect()
    }
}

#[cfg(test)]
mod tests;
