//! Messages for providers that refuse what OpenAI's own messages have not: marks for caches, and, with some, thoughts in Anthropic's form.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{HERE, accent};
use crate::chat::{ChatRequest, Part, PartBody, Tool};
use crate::frames::Frames;
use crate::half::{Accent, Profile};
use crate::loss::Losses;
use crate::openai::{self, BREAKPOINT, MARK};

const BLOCKS: &str = "thinking_blocks";
const OWN: &str = "provider_specific_fields";

/// A mark as it stands in JSON: the word alone may be what is talked about.
static MARKS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"cache_control\"").into_owned());
static FOREIGN: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| [MARK, BLOCKS, OWN].map(|name| Finder::new(name).into_owned()));

/// Whether the provider may refuse what stands in those messages.
pub(super) fn is_refused(body: &Frames, profile: &Profile) -> bool {
    profile.plain_messages == Some(true) && FOREIGN.iter().any(|name| body.has(name))
        || profile.cache_marks == Some(false) && body.has(&MARKS)
}

/// The request as such a provider takes it; `None` where it takes any.
pub(super) fn of(request: &ChatRequest, profile: &Profile, losses: &mut Losses) -> Option<ChatRequest> {
    let plain = profile.plain_messages == Some(true);
    if !(plain || profile.cache_marks == Some(false) || profile.accent != Accent::default()) {
        return None;
    }
    let mut request = request.clone();
    accent::fit(&mut request, profile, losses);
    if !(plain || profile.cache_marks == Some(false)) {
        return Some(request);
    }
    let mut lost = Lost { marks: request.extra.remove(MARK), ..Lost::default() };
    for tool in &mut request.tools {
        if let Tool::Function(function) = tool {
            lost.marks |= function.cache.take().is_some();
        }
    }
    let parts = std::iter::once(&mut request.system).chain(request.messages.iter_mut().map(|message| &mut message.parts));
    parts.for_each(|parts| unmark(parts, profile, &mut lost));
    if plain {
        request.messages.iter_mut().for_each(|message| lost.fields |= message.extra.remove(OWN));
        let parts = std::iter::once(&mut request.system).chain(request.messages.iter_mut().map(|message| &mut message.parts));
        parts.for_each(|parts| strip(parts, &mut lost));
    }
    let names = [(MARK, lost.marks), (BREAKPOINT, lost.breakpoints), (BLOCKS, lost.blocks), (OWN, lost.fields)];
    names.into_iter().filter(|(_, lost)| *lost).for_each(|(name, _)| losses.dropped(format!("messages.{name}")));
    Some(request)
}

/// What was there and is left out.
#[derive(Default)]
struct Lost {
    marks: bool,
    breakpoints: bool,
    blocks: bool,
    fields: bool,
}

fn unmark(parts: &mut [Part], profile: &Profile, lost: &mut Lost) {
    for part in parts {
        let (marked, worded) = (part.cache.take().is_some(), openai::breakpoint(&part.extra).is_some());
        lost.marks |= marked && (!worded || openai::mark_beside(&part.extra).is_some());
        lost.breakpoints |= worded && openai::taken_breakpoint(&part.extra, (HERE, profile)).is_none();
        part.extra.forget(MARK);
        if let PartBody::ToolResult(result) = &mut part.body {
            unmark(&mut result.parts, profile, lost);
        }
    }
}

fn strip(parts: &mut Vec<Part>, lost: &mut Lost) {
    for part in &mut *parts {
        lost.fields |= part.extra.remove(OWN);
        if let PartBody::ToolResult(result) = &mut part.body {
            strip(&mut result.parts, lost);
        }
    }
    parts.retain_mut(|part| {
        let PartBody::Reasoning(_) = &part.body else { return true };
        let Some(fields) = part.extra.noted(HERE, "fields").map(str::to_owned) else { return true };
        let kept: Vec<&str> = fields.split(',').filter(|field| *field != BLOCKS).collect();
        lost.blocks |= kept.len() < fields.split(',').count();
        part.extra.note("fields", kept.join(","));
        !kept.is_empty()
    });
}
