//! Whether the tool calls of an answer could be carried out: by models and providers that is a different matter from answering at all.
//!
//! A call is at fault when its arguments are no JSON, or it names no tool of the request's. That a name stands in the request is told
//! by its bytes: reading every request's tools to be exact would cost more than it tells.

use serde::de::IgnoredAny;
use switchboard_wire::event::{BlockKind, Delta, Event};
use switchboard_wire::frames::Frames;

use crate::call::{Call, Content};

/// Of so many streams that pass as they came, one is read for its tool calls.
const SAMPLED: u8 = 8;
/// Longer arguments are not judged.
const LONGEST: usize = 1024 * 1024;

/// Watches the tool calls of one answer.
#[derive(Debug)]
pub(crate) struct ToolCalls {
    request: Frames,
    /// Those under way, by answer and block.
    open: Vec<((u64, u32), String)>,
    seen: bool,
    faulty: bool,
}

impl ToolCalls {
    /// For an answer to that call; `None`: it offers no tools.
    pub(crate) fn of(call: &Call) -> Option<Box<Self>> {
        let Content::Json(outline) = &call.content else { return None };
        let offers = ["tools", "functions"].into_iter().any(|key| outline.get(key).is_some());
        offers.then(|| Box::new(Self { request: call.body.clone(), open: Vec::new(), seen: false, faulty: false }))
    }

    /// Whether a stream that would pass unread is to be read for them.
    pub(crate) fn is_sampled() -> bool {
        fastrand::u8(..SAMPLED) == 0
    }

    /// Takes note of an event.
    pub(crate) fn see(&mut self, event: &Event) {
        let answer = if let Event::Further { answer, .. } = event { *answer } else { 0 };
        match event.step() {
            Event::BlockStart { block, kind: BlockKind::ToolCall { name, custom, .. } } => {
                self.seen = true;
                self.faulty |= !self.request.contains(format!("\"{name}\"").as_bytes());
                if !custom {
                    self.open.push(((answer, *block), String::new()));
                }
            }
            Event::BlockDelta { block, delta: Delta::Arguments(more) } => {
                let open = self.open.iter_mut().find(|(open, _)| *open == (answer, *block));
                if let Some((_, arguments)) = open.filter(|(_, arguments)| arguments.len() + more.len() <= LONGEST) {
                    arguments.push_str(more);
                }
            }
            Event::BlockEnd { block } => {
                if let Some(at) = self.open.iter().position(|(open, _)| *open == (answer, *block)) {
                    let (_, arguments) = self.open.swap_remove(at);
                    // A tool without parameters may be called without a word.
                    let sound = arguments.is_empty() || serde_json::from_str::<IgnoredAny>(&arguments).is_ok();
                    self.faulty |= !sound && arguments.len() < LONGEST / 2;
                }
            }
            _ => {}
        }
    }

    /// Whether any call of the answer was at fault; `None`: it called no tool.
    pub(crate) fn verdict(&self) -> Option<bool> {
        self.seen.then_some(self.faulty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_wire::Dialect;

    fn verdict(calls: &[(&str, &str)]) -> Option<bool> {
        let body = r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"get_weather"}}]}"#;
        let mut watch = ToolCalls::of(&Call::chat(Dialect::OpenAiChat, body).expect("a call")).expect("tools");
        for (block, (name, arguments)) in (0..).zip(calls) {
            let kind = BlockKind::ToolCall { id: "c".to_owned(), name: (*name).to_owned(), custom: false, namespace: None };
            watch.see(&Event::BlockStart { block, kind });
            for piece in arguments.as_bytes().chunks(3) {
                let piece = String::from_utf8(piece.to_vec()).expect("text");
                watch.see(&Event::BlockDelta { block, delta: Delta::Arguments(piece) });
            }
            watch.see(&Event::BlockEnd { block });
        }
        watch.verdict()
    }

    #[test]
    fn broken_arguments_and_unknown_names_are_faults() {
        assert_eq!(verdict(&[]), None);
        assert_eq!(verdict(&[("get_weather", r#"{"city":"Paris"}"#), ("get_weather", "")]), Some(false));
        assert_eq!(verdict(&[("get_weather", r#"{"city":"Paris"}"#), ("get_weather", r#"{"city":"Pa"#)]), Some(true));
        assert_eq!(verdict(&[("weather", "{}")]), Some(true));
    }

    #[test]
    fn a_request_without_tools_is_not_watched() {
        let call = Call::chat(Dialect::OpenAiChat, r#"{"model":"m","messages":[]}"#).expect("a call");
        assert!(ToolCalls::of(&call).is_none());
    }
}
