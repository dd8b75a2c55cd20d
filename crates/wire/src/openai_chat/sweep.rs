//! One pass over a whole answer: whether it is JSON at all, and where what the meter wants stands.
//!
//! An answer that passes to the client as it came is nowhere else looked at. What is cut or garbled must be found here, or it passes
//! for whole. Strings, which most of an answer is, are read eight bytes at a time.

/// Where things stand in an answer, each just behind its key's colon.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The answer has choices.
    pub(super) choices: bool,
    /// What it took.
    pub(super) usage: Option<usize>,
    /// The tier that served it.
    pub(super) tier: Option<usize>,
    /// The model's name.
    pub(super) model: Option<usize>,
    /// Why each choice ended, in their order.
    pub(super) finishes: Finishes,
}

/// Why choices ended: nearly every answer has one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finishes {
    pub(super) first: Option<usize>,
    pub(super) further: Vec<usize>,
}

/// Deeper answers are left to the full reader, which has a bound of its own.
const DEEPEST: u32 = 100;
/// The root's own keys, and those of a choice.
const ROOT: u32 = 1;
const CHOICE: u32 = 3;

/// Where things stand; `None` where the body is no JSON object, or one whose keys are written unusually or twice.
pub(super) fn sweep(body: &[u8]) -> Option<Places> {
    if !body.starts_with(b"{") || simdutf8::basic::from_utf8(body).is_err() {
        return None;
    }
    let mut sweep = Sweep { body, at: 0, objects: 0, depth: 0, within_choices: false, places: Places::default() };
    sweep.document()?;
    Some(sweep.places)
}

struct Sweep<'a> {
    body: &'a [u8],
    at: usize,
    /// One bit a level, the innermost lowest: set for an object.
    objects: u128,
    depth: u32,
    /// Whether the value of the root's `choices` is being read.
    within_choices: bool,
    places: Places,
}

impl Sweep<'_> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.body.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    fn document(&mut self) -> Option<()> {
        loop {
            if self.value()? {
                continue;
            }
            if !self.next()? {
                return self.peek().is_none().then_some(());
            }
        }
    }

    /// Reads a scalar or an empty container, or goes into a container; then there is another value to be read.
    fn value(&mut self) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'"' => self.string().map(|_| false),
            b'{' | b'[' => {
                let (is_object, close) = (byte == b'{', byte + 2);
                if self.peek()? == close {
                    self.at += 1;
                    return Some(false);
                }
                self.depth += 1;
                if self.depth > DEEPEST {
                    return None;
                }
                self.objects = (self.objects << 1) | u128::from(is_object);
                if is_object {
                    self.key()?;
                }
                Some(true)
            }
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            b'-' | b'0'..=b'9' => {
                self.at -= 1;
                self.number().map(|()| false)
            }
            _ => None,
        }
    }

    /// Goes on behind a value: whether there is another.
    fn next(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let is_object = self.objects & 1 == 1;
            let byte = self.peek()?;
            self.at += 1;
            match (byte, is_object) {
                (b',', true) => return self.key().map(|()| true),
                (b',', false) => return Some(true),
                (b'}', true) | (b']', false) => {
                    self.objects >>= 1;
                    self.depth -= 1;
                }
                _ => return None,
            }
        }
        Some(false)
    }

    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        self.at = start;
        let plain = self.string()?;
        let end = self.at - 1;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        let known = self.depth == ROOT || self.depth == CHOICE && self.within_choices;
        if !known {
            return Some(());
        }
        // A key that is written with escapes may be any.
        plain.then_some(())?;
        let body = self.body;
        self.note(&body[start..end])
    }

    fn note(&mut self, key: &[u8]) -> Option<()> {
        let at = self.at;
        let once = |place: &mut Option<usize>| place.replace(at).is_none().then_some(());
        if self.depth == CHOICE {
            if key == b"finish_reason" {
                match self.places.finishes.first {
                    None => self.places.finishes.first = Some(at),
                    Some(_) => self.places.finishes.further.push(at),
                }
            }
            return Some(());
        }
        self.within_choices = key == b"choices";
        match key {
            b"choices" => (!std::mem::replace(&mut self.places.choices, true)).then_some(()),
            b"usage" => once(&mut self.places.usage),
            b"service_tier" => once(&mut self.places.tier),
            b"model" => once(&mut self.places.model),
            _ => Some(()),
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<bool> {
        let is_it = self.body[self.at..].starts_with(rest);
        self.at += rest.len();
        is_it.then_some(false)
    }

    /// A string from behind its first quote to behind its last. Whether it is written without escapes.
    fn string(&mut self) -> Option<bool> {
        let mut plain = true;
        loop {
            self.at += special(&self.body[self.at..]);
            match *self.body.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(plain);
                }
                b'\\' => {
                    plain = false;
                    self.escape()?;
                }
                // A control character must be escaped.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.body.get(self.at + 1)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                // Half a character, and the other half.
                0xd800..=0xdbff => {
                    let follows = self.body[self.at..].starts_with(b"\\u");
                    self.at += 2;
                    (follows && matches!(self.unit()?, 0xdc00..=0xdfff)).then_some(())
                }
                0xdc00..=0xdfff => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.body.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    fn digits(&mut self) -> usize {
        let count = self.body[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Option<()> {
        if self.body[self.at] == b'-' {
            self.at += 1;
        }
        let first = *self.body.get(self.at)?;
        let whole = self.digits();
        if whole == 0 || whole > 1 && first == b'0' {
            return None;
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.body.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.body.get(self.at) {
                self.at += 1;
            }
            // Larger ones no reader here takes, nor longer numbers with an exponent.
            matches!(self.digits(), 1 | 2).then_some(())?;
        }
        // What is longer than any number that means something is left to the full reader.
        (whole <= 200).then_some(())
    }
}

/// Where the first byte stands that may not simply be passed over in a string: a quote, a backslash, a control character.
fn special(rest: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of the first byte that is zero, and perhaps of some behind it.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, tail) = rest.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return at * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let seen = words.len() * 8;
    seen + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::OpenAiChat;
    use super::{special, sweep};
    use crate::half::{Memo, Outbound};

    const ANSWER: &str = r#"{"id":"a","object":"chat.completion","created":1764000000,"model":"m","choices":[{"index":0,"message":{"role":
        "assistant","content":"h\u00e9 \ud83d\ude00 \"x\"\n","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":
        "{\"a\":[1,-2.5e3,{}],\"b\":\"}]\"}"}}]},"logprobs":{"content":[{"token":"h","logprob":-0.25,"bytes":[104],"top_logprobs":[]}]},
        "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12},"service_tier":"default","x":[true,false,
        null,0,1.5E-7]}"#;

    #[test]
    fn strings_end_where_they_end() {
        for length in 0..40 {
            for filler in [b'a', 0xff, 0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0x80, 0x9f, 0xa2, 0xdc] {
                for mark in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut text = vec![filler; length];
                    assert_eq!(special(&text), length);
                    for at in (0..length).rev() {
                        text[at] = mark;
                        assert_eq!(special(&text), at, "{text:?}");
                    }
                }
            }
        }
    }

    /// Nothing passes that the full reader would not take.
    fn holds(body: &[u8]) -> Result<(), TestCaseError> {
        if sweep(body).is_some() {
            let parsed = serde_json::from_slice::<Value>(body);
            prop_assert!(parsed.is_ok(), "{:?}: {}", parsed.err(), String::from_utf8_lossy(body));
        }
        if let Some(glance) = OpenAiChat.glance(&bytes::Bytes::copy_from_slice(body)) {
            prop_assert!(serde_json::from_slice::<Value>(body).is_ok(), "{}", String::from_utf8_lossy(body));
            // Values of other types than they should have are the client's to judge, as they came.
            if let Ok(reply) = OpenAiChat.read_reply(&Memo::default(), body) {
                prop_assert_eq!(glance.usage, reply.usage);
                prop_assert_eq!(glance.finish.reason, reply.finish.reason);
            }
        }
        Ok(())
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[a-z\"\\\\\u{e9}]{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn the_answer_itself_passes_and_no_part_of_it_does() {
        let places = sweep(ANSWER.as_bytes()).expect("whole");
        assert!(places.choices && places.usage.is_some() && places.tier.is_some() && places.finishes.first.is_some());
        for end in 0..ANSWER.len() {
            assert_eq!(sweep(&ANSWER.as_bytes()[..end]), None, "{end}");
            assert!(OpenAiChat.glance(&ANSWER[..end].to_owned().into()).is_none());
        }
    }

    proptest! {
        #[test]
        fn a_broken_answer_does_not_pass(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4)) {
            let mut body = ANSWER.as_bytes().to_vec();
            for (at, byte, change) in changes {
                let at = at.index(body.len());
                match change {
                    0 => body[at] = byte,
                    1 => { body.remove(at); }
                    _ => body.insert(at, byte),
                }
            }
            holds(&body)?;
        }

        #[test]
        fn structure_that_is_swapped_does_not_pass(at in any::<prop::sample::Index>(), with in prop::sample::select(b"{}[]\",:\\e-.0 \n".to_vec())) {
            let mut body = ANSWER.as_bytes().to_vec();
            let at = at.index(body.len());
            body[at] = with;
            holds(&body)?;
        }

        #[test]
        fn a_hole_does_not_pass(from in any::<prop::sample::Index>(), length in 1..200_usize) {
            let body = ANSWER.as_bytes();
            let from = from.index(body.len());
            holds(&[&body[..from], &body[body.len().min(from + length)..]].concat())?;
        }

        #[test]
        fn whatever_is_json_passes(value in any_json()) {
            let text = serde_json::json!({"v": value}).to_string();
            // Floats of a large exponent are left to the full reader.
            let large = text.contains("e-1") || text.contains("e-2") || text.contains("e-3") || text.contains("e1")
                || text.contains("e2") || text.contains("e3") || text.contains("e+");
            prop_assert!(large || sweep(text.as_bytes()).is_some(), "{text}");
            holds(text.as_bytes())?;
        }

        #[test]
        fn bytes_do_not_pass(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            holds(&[b"{", &body[..], b"}"].concat())?;
        }
    }
}
