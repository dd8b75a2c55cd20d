//! OpenRouter's plugin `context-compression`, and `transforms: ["middle-out"]`, its name of before: a prompt that is too long for a
//! model loses what stands in its middle.
//!
//! Models look least at the middle. Turns stay from the beginning and from the end, in turn, as long as they fit; the last one that
//! does not loses the middle of its texts. A call of a tool goes with its result. Instructions and tools stay. Tokens are an
//! estimate, so what must be shortened at all is shortened to less than there is room for.

use switchboard_wire::chat::{ChatRequest, Message, Part, PartBody, Role};
use switchboard_wire::control::is_steering;
use switchboard_wire::half::Profile;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{self, Source};
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::estimate;
use crate::plugins;

/// The plugin.
pub(super) const COMPRESSION: &str = "context-compression";
/// Its name of before.
pub(super) const TRANSFORMS: &str = "transforms";
pub(super) const MIDDLE_OUT: &str = "middle-out";
/// What loses something, as callers are told.
pub(crate) const MESSAGES: &str = "messages";

/// What is shortened fills so many per cent of the room.
const FILLED_PERCENT: u64 = 90;
/// A turn of which less would be left is left out.
const LEAST: u64 = 32;
/// Stands where something is left out.
const GAP: &str = "\n…\n";

/// The transforms that the call names.
pub(super) fn transforms(call: &Call) -> Vec<String> {
    let Content::Json(outline) = &call.content else { return Vec::new() };
    if outline.get(TRANSFORMS).is_none() || !is_steering(call.door.dialect, TRANSFORMS) {
        return Vec::new();
    }
    outline.read(&call.body, TRANSFORMS).ok().flatten().unwrap_or_default()
}

/// Whether the call wants a prompt shortened that is too long.
pub(crate) fn is_wanted(call: &Call) -> bool {
    call.door.operation == Operation::Chat
        && (plugins::is_wanted(call, COMPRESSION) || transforms(call).iter().any(|name| name == MIDDLE_OUT))
}

/// Whether that is done for a target: another gateway does it itself, and somebody must know how much the model reads.
pub(super) fn is_done(call: &Call, target: &Deployment) -> bool {
    !target.gateway && target.facts.max_input.is_some() && !places(call.door.dialect).is_empty() && is_wanted(call)
}

/// The call with a prompt that fits the target; `None`: it fits as it is, or nothing is to be done.
pub(crate) async fn fitted(call: &Call, target: &Deployment) -> Option<Call> {
    let longest = target.facts.max_input.filter(|_| is_done(call, target))?;
    let answer = ["max_completion_tokens", "max_output_tokens", "max_tokens"].iter().find_map(|key| call.amount(key)).unwrap_or(0);
    let room = longest.saturating_sub(answer.min(longest / 2));
    // No prompt has more tokens than bytes.
    if call.body.len() as u64 <= room {
        return None;
    }
    let request = prepare::read(call.door.dialect, &call.head(), &call.body).ok()?;
    let shorter = tokio::task::spawn_blocking(move || middle_out(request, room)).await.ok()??;
    written(call, &shorter)
}

/// The fields of a request in which its conversation stands.
fn places(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::OpenAiChat | Dialect::Anthropic => &["messages"],
        Dialect::OpenAiResponses => &["instructions", "input"],
        Dialect::Gemini => &["contents"],
        _ => &[],
    }
}

/// The call with the conversation of that request.
fn written(call: &Call, request: &ChatRequest) -> Option<Call> {
    let (dialect, profile, none) = (call.door.dialect, Profile::default(), Edits::default());
    let route = prepare::Route { from: dialect, to: dialect, profile: &profile, edits: &none, laid: &[], fitted: false, lenient: false };
    let body = prepare::prepare(&route, &call.head(), &Source::Rewritten(request)).ok()?.body;
    let outline = Outline::scan(&body).ok()?;
    let mut edits = Edits::default();
    for key in places(dialect) {
        let Some(entry) = outline.get(key) else { continue };
        let json = String::from_utf8(body.slice(entry.value.start, entry.value.end).to_vec()).ok()?;
        edits.set.push(((*key).to_owned(), json));
    }
    call.clone().edited(&edits).ok()
}

/// The request without what stands in the middle of it, so that it has at most so many tokens; `None`: it has no more.
fn middle_out(mut request: ChatRequest, room: u64) -> Option<ChatRequest> {
    if estimate::tokens(&request)? <= room {
        return None;
    }
    let mut turns = turns(std::mem::take(&mut request.messages));
    let sizes: Vec<u64> = turns.iter().map(|turn| estimate::messages(turn)).collect::<Option<_>>()?;
    let mut left = (room.saturating_mul(FILLED_PERCENT) / 100).saturating_sub(estimate::tokens(&request)?);
    let (mut head, mut tail) = (0, turns.len());
    // What was asked last keeps half of the room, should it need all of it.
    let kept = sizes.last().filter(|last| **last > left).map_or(0, |_| left / 2);
    left -= kept;
    let mut takes = |at: usize| {
        let fits = sizes[at] <= left;
        left -= if fits { sizes[at] } else { 0 };
        fits
    };
    let (mut is_head_open, mut is_tail_open) = (true, true);
    while head < tail && (is_head_open || is_tail_open) {
        is_tail_open = is_tail_open && takes(tail - 1);
        tail -= usize::from(is_tail_open);
        is_head_open = is_head_open && head < tail && takes(head);
        head += usize::from(is_head_open);
    }
    let (is_last, left) = (tail == turns.len(), left + kept);
    if head < tail && (left >= LEAST || is_last) && shorten(&mut turns[tail - 1], left).is_some() {
        tail -= 1;
    }
    // What was asked last is not left out: better the provider says that it is too long.
    let tail = tail.min(turns.len().saturating_sub(1));
    turns.drain(head.min(tail)..tail);
    request.messages = turns.into_iter().flatten().collect();
    Some(request)
}

/// The conversation in parts that belong together: calls of tools and their results, and what the model said before.
fn turns(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let is_result = |part: &Part| matches!(part.body, PartBody::ToolResult(_));
    let mut turns: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        let goes_on = |turn: &Vec<Message>| {
            let both = message.role == Role::Assistant && turn.last().is_some_and(|last| last.role == Role::Assistant);
            both || message.parts.iter().any(is_result)
        };
        match turns.last_mut().filter(|turn| goes_on(turn)) {
            Some(turn) => turn.push(message),
            None => turns.push(vec![message]),
        }
    }
    turns
}

/// Takes the middle out of a turn's texts, so that it has at most so many tokens; `None`: they are not what makes it long.
fn shorten(turn: &mut [Message], room: u64) -> Option<()> {
    let whole = estimate::messages(turn)?;
    let mut texts = Vec::new();
    turn.iter_mut().for_each(|message| gather(&mut message.parts, &mut texts));
    let sizes: Vec<u64> = texts.iter().map(|text| estimate::text(text)).collect::<Option<_>>()?;
    let sum: u64 = sizes.iter().sum();
    let left = room.checked_sub(whole.checked_sub(sum)?)?;
    for (text, size) in texts.into_iter().zip(sizes) {
        let share = u64::try_from(u128::from(size) * u128::from(left) / u128::from(sum.max(1))).ok()?;
        cut_middle(text, (size, share))?;
    }
    Some(())
}

/// The texts of those parts.
fn gather<'a>(parts: &'a mut [Part], texts: &mut Vec<&'a mut String>) {
    for part in parts {
        match &mut part.body {
            PartBody::Text { text, .. } => texts.push(text),
            PartBody::ToolResult(result) => gather(&mut result.parts, texts),
            _ => {}
        }
    }
}

/// Takes the middle out of a text of `size` tokens, so that it has at most `room`.
fn cut_middle(text: &mut String, (size, room): (u64, u64)) -> Option<()> {
    if size <= room {
        return Some(());
    }
    let mut kept = usize::try_from(text.len() as u128 * u128::from(room) / u128::from(size.max(1))).ok()?;
    loop {
        let (head, tail) = (text.floor_char_boundary(kept / 2), text.ceil_char_boundary(text.len() - kept / 2));
        let shorter = if kept == 0 { String::new() } else { [&text[..head], GAP, &text[tail..]].concat() };
        if estimate::text(&shorter)? <= room {
            *text = shorter;
            return Some(());
        }
        kept = kept * 9 / 10;
    }
}
