//! Messages for providers that refuse what OpenAI's own messages have not: marks for caches, and thoughts in Anthropic's form.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::chat::{ChatRequest, Part, PartBody, Tool};
use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::half::Profile;
use crate::loss::Losses;

const HERE: Dialect = Dialect::OpenAiChat;
const MARK: &str = "cache_control";
const BLOCKS: &str = "thinking_blocks";
const OWN: &str = "provider_specific_fields";

static FOREIGN: LazyLock<[Finder<'static>; 3]> = LazyLock::new(|| [MARK, BLOCKS, OWN].map(|name| Finder::new(name).into_owned()));

/// Whether the provider may refuse what stands in those messages.
pub(super) fn is_refused(body: &Frames, profile: &Profile) -> bool {
    profile.plain_messages == Some(true) && FOREIGN.iter().any(|name| body.has(name))
}

/// The request as such a provider takes it.
pub(super) fn of(request: &ChatRequest, losses: &mut Losses) -> ChatRequest {
    let mut plain = request.clone();
    let mut lost = [false; 3];
    for tool in &mut plain.tools {
        if let Tool::Function(function) = tool {
            lost[0] |= function.cache.take().is_some();
        }
    }
    unmark(&mut plain.system, &mut lost);
    for message in &mut plain.messages {
        unmark(&mut message.parts, &mut lost);
        lost[2] |= message.extra.remove(OWN);
    }
    let names = [MARK, BLOCKS, OWN].into_iter().zip(lost);
    names.filter(|(_, lost)| *lost).for_each(|(name, _)| losses.dropped(format!("messages.{name}")));
    plain
}

fn unmark(parts: &mut Vec<Part>, lost: &mut [bool; 3]) {
    for part in &mut *parts {
        lost[0] |= part.cache.take().is_some();
        lost[2] |= part.extra.remove(OWN);
        if let PartBody::ToolResult(result) = &mut part.body {
            unmark(&mut result.parts, lost);
        }
    }
    parts.retain_mut(|part| {
        let PartBody::Reasoning(_) = &part.body else { return true };
        let Some(fields) = part.extra.noted(HERE, "fields").map(str::to_owned) else { return true };
        let kept: Vec<&str> = fields.split(',').filter(|field| *field != BLOCKS).collect();
        lost[1] |= kept.len() < fields.split(',').count();
        part.extra.note("fields", kept.join(","));
        !kept.is_empty()
    });
}
