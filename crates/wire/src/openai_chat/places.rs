//! Where what the meter wants stands in a whole answer.

use crate::sweep::{self, Listener};

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
    /// Whether the value of the root's `choices` is being read.
    within_choices: bool,
}

/// Why choices ended: nearly every answer has one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finishes {
    pub(super) first: Option<usize>,
    pub(super) further: Vec<usize>,
}

/// The root's own keys, and those of a choice.
const ROOT: u32 = 1;
const CHOICE: u32 = 3;

/// Where things stand; `None` where the body is no JSON object, or one whose keys are written unusually or twice.
pub(super) fn places(body: &[u8]) -> Option<Places> {
    sweep::sweep(body, Places::default())
}

impl Listener for Places {
    fn key(&mut self, depth: u32, key: &[u8], plain: bool, at: usize) -> Option<()> {
        let known = depth == ROOT || depth == CHOICE && self.within_choices;
        if !known {
            return Some(());
        }
        // A key that is written with escapes may be any.
        plain.then_some(())?;
        let once = |place: &mut Option<usize>| place.replace(at).is_none().then_some(());
        if depth == CHOICE {
            if key == b"finish_reason" {
                match self.finishes.first {
                    None => self.finishes.first = Some(at),
                    Some(_) => self.finishes.further.push(at),
                }
            }
            return Some(());
        }
        self.within_choices = key == b"choices";
        match key {
            b"choices" => (!std::mem::replace(&mut self.choices, true)).then_some(()),
            b"usage" => once(&mut self.usage),
            b"service_tier" => once(&mut self.tier),
            b"model" => once(&mut self.model),
            _ => Some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::OpenAiChat;
    use super::places;
    use crate::half::{Memo, Outbound};

    const ANSWER: &str = r#"{"id":"a","object":"chat.completion","created":1764000000,"model":"m","choices":[{"index":0,"message":{"role":
        "assistant","content":"h\u00e9 \ud83d\ude00 \"x\"\n","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":
        "{\"a\":[1,-2.5e3,{}],\"b\":\"}]\"}"}}]},"logprobs":{"content":[{"token":"h","logprob":-0.25,"bytes":[104],"top_logprobs":[]}]},
        "finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12},"service_tier":"default","x":[true,false,
        null,0,1.5E-7]}"#;

    /// Nothing passes that the full reader would not take.
    fn holds(body: &[u8]) -> Result<(), TestCaseError> {
        if places(body).is_some() {
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
        let found = places(ANSWER.as_bytes()).expect("whole");
        assert!(found.choices && found.usage.is_some() && found.tier.is_some() && found.finishes.first.is_some());
        for end in 0..ANSWER.len() {
            assert_eq!(places(&ANSWER.as_bytes()[..end]), None, "{end}");
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
            prop_assert!(large || places(text.as_bytes()).is_some(), "{text}");
            holds(text.as_bytes())?;
        }

        #[test]
        fn bytes_do_not_pass(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            holds(&[b"{", &body[..], b"}"].concat())?;
        }
    }
}
