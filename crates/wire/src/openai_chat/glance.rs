//! What the meter wants of an ordinary answer, in one pass and without making anything of the rest.
//!
//! The pass also says whether the answer is whole ([`places`]). Anything unusual (an unknown count, a finish reason of a provider's
//! own, choices that ended differently, no choices) is left to the full reader.

use bytes::Bytes;

use super::finish::read_finish;
use super::places::places;
use crate::half::{Glance, Memo};
use crate::reply::Usage;

/// Usage, finish reason and tier of an ordinary answer.
pub(super) fn glance(body: &Bytes) -> Option<Glance> {
    let blank = body.len() - body.trim_ascii_start().len();
    let body: &[u8] = body.trim_ascii();
    let places = places(body)?;
    let finish = Cursor::new(&body[places.finishes.first.filter(|_| places.choices)?..]).text()?;
    if places.finishes.further.iter().any(|at| Cursor::new(&body[*at..]).text() != Some(finish)) {
        return None;
    }
    let finish =
        std::str::from_utf8(finish).ok().filter(|finish| matches!(*finish, "stop" | "length" | "tool_calls" | "content_filter"))?;
    let usage = match places.usage {
        Some(at) => Some(counts(&mut Cursor::new(&body[at..]))?),
        None => None,
    };
    let tier = places.tier.and_then(|at| Cursor::new(&body[at..]).text());
    let service_tier = tier.filter(|tier| !tier.contains(&b'\\')).and_then(|tier| String::from_utf8(tier.to_vec()).ok());
    let finish = read_finish(Some(finish), None, finish == "tool_calls", &Memo::default());
    // A name that is written with escapes is looked for by whoever wants it.
    let model = places.model.and_then(|at| {
        let start = at + body[at..].len() - body[at..].trim_ascii_start().len();
        let name = Cursor::new(&body[start..]).text().filter(|name| !name.contains(&b'\\'))?;
        Some(blank + start..blank + start + name.len() + 2)
    });
    Some(Glance { usage, finish, service_tier, model })
}

/// The counts, where they are the usual ones, each of them once, and add up as OpenAI's do.
fn counts(cursor: &mut Cursor<'_>) -> Option<Usage> {
    let mut usage = Usage::default();
    let mut seen = Once::default();
    cursor.open()?;
    while let Some(key) = cursor.key()? {
        match key {
            b"prompt_tokens" => usage.input = seen.first(1).and_then(|()| cursor.number()),
            b"completion_tokens" => usage.output = seen.first(2).and_then(|()| cursor.number()),
            b"total_tokens" => usage.total = seen.first(4).and_then(|()| cursor.number()),
            b"prompt_tokens_details" => {
                seen.first(8)?;
                details(cursor, &mut [(b"cached_tokens", &mut usage.cache_read), (b"audio_tokens", &mut usage.input_audio)])?;
            }
            b"completion_tokens_details" => {
                seen.first(16)?;
                let places: &mut [(&[u8], &mut Option<u64>)] = &mut [
                    (b"reasoning_tokens", &mut usage.reasoning),
                    (b"audio_tokens", &mut usage.output_audio),
                    (b"accepted_prediction_tokens", &mut usage.accepted_prediction),
                    (b"rejected_prediction_tokens", &mut usage.rejected_prediction),
                ];
                details(cursor, places)?;
            }
            _ => return None,
        }
    }
    (usage.input?.checked_add(usage.output?) == Some(usage.total?)).then_some(usage)
}

/// The counts of an object inside the usage, each in its place; `null` says nothing.
fn details(cursor: &mut Cursor<'_>, places: &mut [(&[u8], &mut Option<u64>)]) -> Option<()> {
    if cursor.null() {
        return Some(());
    }
    let mut seen = Once::default();
    cursor.open()?;
    while let Some(key) = cursor.key()? {
        let at = places.iter().position(|(name, _)| *name == key)?;
        seen.first(1 << at)?;
        *places[at].1 = if cursor.null() { None } else { Some(cursor.number()?) };
    }
    Some(())
}

/// The keys of one object that have been seen, one bit each.
#[derive(Default)]
struct Once(u8);

impl Once {
    fn first(&mut self, key: u8) -> Option<()> {
        let new = self.0 & key == 0;
        self.0 |= key;
        new.then_some(())
    }
}

/// A reader of plain JSON: names, whole numbers, objects of them. `None` is anything else.
struct Cursor<'a> {
    rest: &'a [u8],
    fresh: bool,
}

impl<'a> Cursor<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest, fresh: false }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let (first, rest) = self.rest.split_first()?;
        (*first == byte).then(|| self.rest = rest)
    }

    fn open(&mut self) -> Option<()> {
        self.fresh = true;
        self.take(b'{')
    }

    /// The next key and its colon; `Some(None)` at the end of the object.
    fn key(&mut self) -> Option<Option<&'a [u8]>> {
        if self.take(b'}').is_some() {
            self.fresh = false;
            return Some(None);
        }
        if !std::mem::take(&mut self.fresh) {
            self.take(b',')?;
        }
        let key = self.text()?;
        self.take(b':')?;
        Some(Some(key))
    }

    /// A string up to its first quote: one with escapes comes out as no name that anybody knows.
    fn text(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let end = memchr::memchr(b'"', self.rest)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(text)
    }

    fn null(&mut self) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(b"null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn number(&mut self) -> Option<u64> {
        self.skip_space();
        let (mut value, mut digits) = (0_u64, 0);
        while let Some(digit) = self.rest.get(digits).filter(|digit| digit.is_ascii_digit()) {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            digits += 1;
        }
        let plain = digits > 0 && (digits == 1 || self.rest[0] != b'0');
        self.rest = &self.rest[digits..];
        (plain && !matches!(self.rest.first(), Some(b'.' | b'e' | b'E'))).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::OpenAiChat;
    use crate::half::{Memo, Outbound};

    const ORDINARY: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",
        "content":"hi","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,
        "total_tokens":12,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":1,
        "audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":null}"#;

    #[test]
    fn a_glance_sees_what_the_full_reader_sees() {
        let glance = OpenAiChat.glance(&ORDINARY.into()).expect("an ordinary answer");
        let reply = OpenAiChat.read_reply(&Memo::default(), ORDINARY.as_bytes()).expect("an answer");
        assert_eq!(glance.usage, reply.usage);
        assert_eq!(glance.finish, reply.finish);
        assert_eq!(glance.service_tier, reply.service_tier);
    }

    #[test]
    fn it_sees_so_wherever_things_stand() {
        let far = ORDINARY.replace("\"system_fingerprint\":null", &format!("\"padding\":\"{}\"", "x".repeat(4000)));
        let usage = ORDINARY.split_once("\"usage\":").and_then(|(_, rest)| rest.split_once(",\"service_tier\"")).expect("usage").0;
        let first = ORDINARY.replace(&format!(",\"usage\":{usage}"), "").replace("{\"id\"", &format!("{{\"usage\":{usage},\"id\""));
        let spaced = ORDINARY.replace("\":", "\": ").replace("\": ", "\":\n ").replace(",\"", " , \"");
        let null = ORDINARY.replace("{\"cached_tokens\":4,\"audio_tokens\":0}", "null");
        let none = ORDINARY.replace(&format!(",\"usage\":{usage}"), "");
        for body in [far, first, spaced, null, none] {
            let glance = OpenAiChat.glance(&body.clone().into()).expect("an ordinary answer");
            let reply = OpenAiChat.read_reply(&Memo::default(), body.as_bytes()).expect("an answer");
            assert_eq!(glance.usage, reply.usage, "{body}");
            assert_eq!(glance.finish, reply.finish, "{body}");
        }
    }

    #[test]
    fn anything_unusual_is_left_to_the_full_reader() {
        let unusual = [
            ORDINARY.replace("\"total_tokens\":12", "\"total_tokens\":13"),
            ORDINARY.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":\"error\""),
            ORDINARY.replace("choices", "answers"),
            ORDINARY.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":null"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":-4"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":4.5"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":04"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":4,"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":4,\"cached_tokens\":4"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":99999999999999999999"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cost\":4"),
            ORDINARY.replace("\"total_tokens\":12", "\"total\":12"),
            ORDINARY.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":\"st\\u006fp\""),
            "null".to_owned(),
            "<html>".to_owned(),
        ];
        for body in unusual {
            assert!(OpenAiChat.glance(&body.clone().into()).is_none(), "{body}");
        }
    }
}
