//! The model's name in answers that pass as they came: the one that was asked for, in place of the provider's own.
//!
//! Clients look up what they asked for, and a gateway's names for models are not its providers'. Nothing is parsed for it: in a whole
//! answer the place is known from the one pass that is made anyway, or found among the top-level keys; in a stream the first frame
//! that has a name tells its bytes, and these are looked for in the others.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::outline::Outline;

const KEY: &str = "model";
/// Frames after which a stream is taken to name no model.
const LOOKS: u32 = 8;

/// Puts a name into the frames of a stream.
#[derive(Debug)]
pub struct Renamer {
    dialect: Dialect,
    /// The name as JSON writes it.
    name: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting(u32),
    Known(Box<Finder<'static>>),
    Over,
}

impl Renamer {
    /// For streams of that dialect; `None`: they name no model that clients know by another name.
    pub fn new(dialect: Dialect, name: &str) -> Option<Self> {
        within(dialect)?;
        Some(Self { dialect, name: quoted(name), stage: Stage::Waiting(0) })
    }

    /// The name that is put in.
    pub fn told(&self) -> String {
        serde_json::from_str(&self.name).unwrap_or_default()
    }

    /// The frame in three parts, the middle one new; `None`: it stays as it is.
    pub fn frame(&mut self, raw: &Bytes, payload: &[u8]) -> Option<[Bytes; 3]> {
        if let Stage::Waiting(looks) = self.stage {
            self.stage = match place(self.dialect, payload) {
                Some(place) if payload[place.clone()].ends_with(self.name.as_bytes()) => Stage::Over,
                Some(place) => Stage::Known(Box::new(Finder::new(&payload[place]).into_owned())),
                None if looks < LOOKS => Stage::Waiting(looks + 1),
                None => Stage::Over,
            };
        }
        let Stage::Known(finder) = &self.stage else { return None };
        let at = finder.find(raw)?;
        let behind = at + finder.needle().len();
        if self.dialect == Dialect::Anthropic {
            self.stage = Stage::Over;
        }
        Some([raw.slice(..at), format!("\"{KEY}\":{}", self.name).into(), raw.slice(behind..)])
    }
}

/// A whole answer with that name, whose own stands at `place` where that is known.
pub fn whole(dialect: Dialect, body: &Bytes, name: &str, place: Option<Range<usize>>) -> Bytes {
    if within(dialect).is_none() {
        return body.clone();
    }
    let found = || {
        let frames = Frames::from(body.clone());
        let value = Outline::scan(&frames).ok()?.get(KEY)?.value;
        Some(value.start..value.end)
    };
    let Some(place) = place.or_else(found) else { return body.clone() };
    let (name, old) = (quoted(name), &body[place.clone()]);
    // What is no text is not a name.
    if old == name.as_bytes() || !old.starts_with(b"\"") {
        return body.clone();
    }
    [&body[..place.start], name.as_bytes(), &body[place.end..]].concat().into()
}

/// The object in which frames of that dialect have the name; empty: the frame itself. `None`: nowhere.
fn within(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiCompletions => Some(""),
        Dialect::OpenAiResponses => Some("response"),
        Dialect::Anthropic => Some("message"),
        _ => None,
    }
}

/// Where the name stands in a frame, its key with it.
fn place(dialect: Dialect, payload: &[u8]) -> Option<Range<usize>> {
    let object = within(dialect)?;
    let outline = |from: usize, to: usize| Outline::scan(&Frames::from(Bytes::copy_from_slice(&payload[from..to]))).ok();
    let whole = outline(0, payload.len())?;
    let (from, outline) = match object {
        "" => (0, whole),
        key => {
            let value = whole.get(key)?.value;
            (value.start, outline(value.start, value.end)?)
        }
    };
    let entry = outline.get(KEY)?;
    let is_text = payload.get(from + entry.value.start) == Some(&b'"');
    is_text.then_some(from + entry.key_span.start..from + entry.value.end)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(dialect: Dialect, frames: &[&str]) -> String {
        let mut renamer = Renamer::new(dialect, "asked \"so\"").expect("a dialect with names");
        let mut out = String::new();
        for frame in frames {
            let raw = Bytes::from(format!("data: {frame}\n\n"));
            let parts = renamer.frame(&raw, frame.as_bytes()).map_or(vec![raw], Vec::from);
            out.extend(parts.iter().map(|part| std::str::from_utf8(part).expect("text")));
        }
        out
    }

    #[test]
    fn every_frame_that_has_the_name_gets_the_other_and_no_text_does() {
        let chat = [
            r#"{"id":"1","choices":[]}"#,
            r#"{"id":"1","model": "gpt-x-2026","choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"id":"1","choices":[{"delta":{"content":"say \"model\": \"gpt-x-2026\""}}],"model": "gpt-x-2026"}"#,
            "[DONE]",
        ];
        let out = streamed(Dialect::OpenAiChat, &chat);
        assert_eq!(out.matches(r#""model":"asked \"so\"""#).count(), 2, "{out}");
        assert!(out.contains(r#"say \"model\": \"gpt-x-2026\""#), "{out}");
        let messages = [
            r#"{"type":"message_start","message":{"id":"m","model":"claude-x","usage":{}}}"#,
            r#"{"type":"content_block_delta","delta":{"text":"claude-x"}}"#,
        ];
        let out = streamed(Dialect::Anthropic, &messages);
        assert!(out.contains(r#"{"id":"m","model":"asked \"so\"","usage":{}}"#) && out.contains(r#"{"text":"claude-x"}"#), "{out}");
        let responses = [
            r#"{"type":"response.created","response":{"model":"gpt-x","output":[]}}"#,
            r#"{"type":"response.output_text.delta","delta":"x"}"#,
            r#"{"type":"response.completed","response":{"output":[],"model":"gpt-x"}}"#,
        ];
        let out = streamed(Dialect::OpenAiResponses, &responses);
        assert_eq!(out.matches("asked").count(), 2, "{out}");
    }

    #[test]
    fn what_has_the_name_already_or_none_stays() {
        let same = r#"{"model":"asked \"so\"","choices":[]}"#;
        assert_eq!(streamed(Dialect::OpenAiChat, &[same]), format!("data: {same}\n\n"));
        let none = vec![r#"{"choices":[]}"#; 20];
        assert_eq!(streamed(Dialect::OpenAiChat, &none).matches("asked").count(), 0);
        assert!(Renamer::new(Dialect::Gemini, "m").is_none());
        for body in ["{\"id\":1}", "{\"model\":null}", "[1]", "{\"model\":\"m\"}"] {
            let body = Bytes::from_static(body.as_bytes());
            assert_eq!(whole(Dialect::OpenAiChat, &body, "m", None), body);
        }
        let body = Bytes::from_static(b"{\"model\": \"other\" ,\"x\":1}");
        assert_eq!(whole(Dialect::Anthropic, &body, "m", None), "{\"model\": \"m\" ,\"x\":1}");
    }
}
