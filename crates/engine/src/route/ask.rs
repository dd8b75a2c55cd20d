//! One request as planning sees it: what it needs of a deployment, read from its body only where a candidate makes it matter.

use std::cell::{Cell, OnceCell};
use std::time::Instant;

use switchboard_wire::Dialect;
use switchboard_wire::chat::{ChatRequest, Part, PartBody};

use crate::call::{Call, Content};
use crate::catalog::PicoUsd;
use crate::deployment::Deployment;
use crate::route::hooks::Advice;
use crate::route::name::Variant;
use crate::route::wishes::Wishes;

/// Bytes of a request's text that stand for one token, where tokens are not counted.
const BYTES_A_TOKEN: u64 = 4;
/// Tokens an answer is taken to have where the request sets no lower bound; used to compare prices, never to bill.
const ANSWER: u64 = 400;
/// Fields whose value is a bound on the answer, in the order in which they are looked for.
const BOUNDS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

/// A request and what is worked out of it on demand.
pub struct Ask<'a> {
    /// The call.
    pub call: &'a Call,
    /// What it asks for beside the model.
    pub wishes: &'a Wishes,
    /// What its model's name asks for.
    pub variant: Variant,
    /// What a classifier found.
    pub advice: Option<&'a Advice>,
    /// Now.
    pub now: Instant,
    answer: OnceCell<Option<u64>>,
    meaning: OnceCell<Option<Box<ChatRequest>>>,
    counted: Option<u64>,
    wanted: Cell<bool>,
    media: OnceCell<Media>,
}

/// Kinds of content beside text that a request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Pictures.
    pub image: bool,
    /// Sound.
    pub audio: bool,
    /// Moving pictures.
    pub video: bool,
    /// Documents.
    pub file: bool,
}

impl<'a> Ask<'a> {
    /// That call, with those wishes.
    pub fn new(call: &'a Call, wishes: &'a Wishes, variant: Variant, now: Instant) -> Self {
        let (answer, meaning, media) = Default::default();
        Self { call, wishes, variant, advice: None, now, answer, meaning, counted: None, wanted: Cell::new(false), media }
    }

    /// The same, with its tokens counted.
    #[must_use]
    pub fn with_tokens(mut self, counted: Option<u64>) -> Self {
        self.counted = counted;
        self
    }

    /// The bytes of its body: it has no more tokens than that.
    pub fn bytes(&self) -> u64 {
        self.call.body.len() as u64
    }

    /// The tokens it is taken to have: counted where they were, else by its length.
    pub fn input(&self) -> u64 {
        self.counted.unwrap_or_else(|| self.bytes().div_ceil(BYTES_A_TOKEN))
    }

    /// The most tokens its answer may have, where it says.
    pub fn bound(&self) -> Option<u64> {
        *self.answer.get_or_init(|| {
            let Content::Json(outline) = &self.call.content else { return None };
            BOUNDS.iter().find_map(|key| outline.read(&self.call.body, key).ok().flatten())
        })
    }

    /// The tokens its answer is taken to have.
    pub fn output(&self) -> u64 {
        self.bound().map_or(ANSWER, |bound| bound.min(ANSWER))
    }

    /// Its tokens, where they have been counted; where not, it is noted that they are wanted: counting is too slow to do here.
    pub fn counted(&self) -> Option<u64> {
        if self.counted.is_none() {
            self.wanted.set(true);
        }
        self.counted
    }

    /// Whether its tokens would have made a difference.
    pub fn wants_count(&self) -> bool {
        self.wanted.get()
    }

    /// What it would cost at that deployment; `None` where a price is not known.
    pub fn cost(&self, deployment: &Deployment) -> Option<PicoUsd> {
        let facts = &deployment.facts;
        if let Some(whole) = &facts.pico {
            let times = |price: u64, count: u64| u128::from(price) * u128::from(count);
            let tokens = times(whole.input, self.input()).checked_add(times(whole.output, self.output()))?;
            return i128::try_from(tokens.checked_add(u128::from(whole.request))?).ok().map(PicoUsd);
        }
        let input = facts.input?.times_exact(self.input())?;
        let output = facts.output?.times_exact(self.output())?;
        let request = facts.request.map_or(Some(PicoUsd(0)), |rate| rate.times_exact(1))?;
        Some(PicoUsd(input.0.checked_add(output.0)?.checked_add(request.0)?))
    }

    /// The kinds of content it holds beside text. Read only where its bytes say that there may be some.
    pub fn media(&self) -> Media {
        *self.media.get_or_init(|| {
            if !self.call.mentions().media() {
                return Media::default();
            }
            let mut media = Media::default();
            if let Some(request) = self.meaning() {
                media.see(&request.system);
                request.messages.iter().for_each(|message| media.see(&message.parts));
            }
            media
        })
    }

    /// The request as meant; `None` where it is no chat or cannot be read. Reading it is dear.
    pub fn meaning(&self) -> Option<&ChatRequest> {
        let read = || {
            let inbound = self.call.door.dialect.inbound().filter(|_| self.is_chat())?;
            inbound.read_request(&self.call.head(), &self.call.body.join()).ok().map(Box::new)
        };
        self.meaning.get_or_init(read).as_deref()
    }

    /// Whether it is a chat.
    pub fn is_chat(&self) -> bool {
        self.call.door.operation == switchboard_wire::Operation::Chat
    }

    /// Whether its body has that field, and what it holds is not nothing.
    pub fn has(&self, key: &str) -> bool {
        let Content::Json(outline) = &self.call.content else { return false };
        outline.get(key).is_some_and(|entry| {
            let length = entry.value.end - entry.value.start;
            length != 4 || self.call.body.slice(entry.value.start, entry.value.end) != "null"
        })
    }

    /// Whether that field holds just that.
    pub fn is_said(&self, key: &str, value: &str) -> bool {
        let Content::Json(outline) = &self.call.content else { return false };
        outline.get(key).is_some_and(|entry| self.call.body.slice(entry.value.start, entry.value.end) == value)
    }

    /// How its client writes.
    pub fn dialect(&self) -> Dialect {
        self.call.door.dialect
    }
}

impl Media {
    fn see(&mut self, parts: &[Part]) {
        for part in parts {
            match &part.body {
                PartBody::Image(_) => self.image = true,
                PartBody::Audio(_) => self.audio = true,
                PartBody::Video(_) => self.video = true,
                PartBody::File(_) => self.file = true,
                PartBody::ToolResult(result) => self.see(&result.parts),
                PartBody::Text { .. } | PartBody::Refusal(_) | PartBody::Reasoning(_) | PartBody::ToolCall(_) | PartBody::Hosted(_) => {}
            }
        }
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::fmt::Debug for Ask<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ask").field("model", &self.call.model).field("variant", &self.variant).finish_non_exhaustive()
    }
}
