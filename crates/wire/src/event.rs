//! The meaning of a stream, event by event.

use bytes::BytesMut;
use serde_json::value::RawValue;

use crate::chat::{Citation, Hosted, Media};
use crate::problem::{Fault, Malformed};
use crate::reply::{Finish, Likelihood, Usage};
use crate::seal::Sealed;

/// One step of an answer under way: `Start`, then blocks, then exactly one of `End` and `Fault`; `Usage`, `Likely` and `Tier` anywhere
/// after `Start`.
///
/// Blocks may overlap; ids tell them apart and are not used twice. Further answers to the same request stand within the first one:
/// each has blocks and an `End` of its own, and all of them end before it.
#[derive(Clone, Debug)]
pub enum Event {
    /// The answer begins. No content yet.
    Start {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that answers, in the provider's words.
        model: Option<String>,
        /// When, in Unix seconds.
        created: Option<u64>,
    },
    /// A block begins.
    BlockStart {
        /// Its id.
        block: u32,
        /// What it is.
        kind: BlockKind,
    },
    /// A block goes on.
    BlockDelta {
        /// Its id.
        block: u32,
        /// What comes.
        delta: Delta,
    },
    /// A block is complete.
    BlockEnd {
        /// Its id.
        block: u32,
    },
    /// What it took so far. A later report replaces the counts it names.
    Usage(Box<Usage>),
    /// How likely the tokens of the text that comes next were.
    Likely(Vec<Likelihood>),
    /// The tier that serves it, where that is told before the end.
    Tier(String),
    /// A step of a further answer, where several were asked for: of its blocks, its likelihoods, its end.
    Further {
        /// Which; the first is none of them.
        answer: u64,
        /// The step.
        event: Box<Event>,
    },
    /// The answer is complete.
    End {
        /// Why.
        finish: Finish,
        /// The tier that served it.
        service_tier: Option<String>,
    },
    /// The answer broke off.
    Fault(Box<Fault>),
    /// Something this dialect does not define; never interpreted.
    Unknown(Box<RawValue>),
}

impl Event {
    /// The step itself, whichever answer it is of.
    pub fn step(&self) -> &Event {
        if let Self::Further { event, .. } = self { event } else { self }
    }

    /// Those steps, as ones of that further answer.
    pub(crate) fn further(answer: u64, events: Vec<Event>) -> impl Iterator<Item = Event> {
        events.into_iter().map(move |event| Self::Further { answer, event: Box::new(event) })
    }
}

/// The most blocks that an answer may have, those of its further answers among them: whoever reads or writes it keeps something of each.
pub const MOST_BLOCKS: usize = 1024;

/// The most bytes that a reader or a writer may keep of one answer.
pub const MOST_HELD: usize = 8 * 1024 * 1024;

/// What a block is.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockKind {
    /// Text.
    Text,
    /// The model declines.
    Refusal,
    /// A thought.
    Reasoning {
        /// The provider's id of the item.
        id: Option<String>,
        /// Whether it is a summary.
        summary: bool,
    },
    /// A call of a tool of the client's.
    ToolCall {
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// Whether it takes free text.
        custom: bool,
        /// The group of tools it is one of, where the client's format has such groups.
        namespace: Option<String>,
    },
    /// An image, whole.
    Image(Box<Media>),
    /// Sound; its data and transcript may follow in pieces.
    Audio(Box<Media>),
    /// An item of a tool that the provider runs, whole.
    Hosted(Box<Hosted>),
}

/// What comes in a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// More text (of text, refusal and reasoning blocks).
    Text(String),
    /// More of a call's arguments.
    Arguments(String),
    /// The provider's seal on the block. A later one replaces it.
    Seal(Sealed),
    /// A source for the block's text.
    Citation(Box<Citation>),
    /// More base64 of an audio block.
    AudioData(String),
    /// More of what is said in an audio block.
    Transcript(String),
}

impl Delta {
    /// The bytes of what comes in pieces, of which there may be any number.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Text(text) | Self::Arguments(text) | Self::AudioData(text) | Self::Transcript(text) => text.len(),
            Self::Seal(seal) => seal.bytes.len(),
            Self::Citation(citation) => {
                let said = [&citation.url, &citation.title, &citation.cited_text, &citation.document];
                size_of::<Citation>() + said.into_iter().flatten().map(String::len).sum::<usize>()
            }
        }
    }
}

/// Reads a provider's stream, frame by frame. Pure: no socket, no clock, no policy.
pub trait EventReader: Send {
    /// Reads one frame: the payload of an SSE event, a JSON line, an AWS event.
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed>;

    /// The stream ended. Emits `End`, or a `Fault` where the provider never said that it was complete.
    fn eof(&mut self, out: &mut Vec<Event>);

    /// Whether the frame may pass to a client of the same dialect unread: it holds neither usage nor an end nor an error, nor the
    /// first content. A substring search, not a parse; `false` when in doubt.
    fn skim(&self, _frame: Frame<'_>) -> bool {
        false
    }

    /// Whether the provider has said why the answer ends: all that may follow is what it took.
    fn has_finished(&self) -> bool {
        false
    }

    /// How many bytes of the answer it has kept that came in pieces; see [`MOST_HELD`].
    fn held(&self) -> usize {
        0
    }
}

/// One frame of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The event's name (SSE `event:`, AWS `:event-type` or `:exception-type`), empty where there is none.
    pub name: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame without a name.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { name: "", payload }
    }
}

/// Writes a stream in a client's dialect.
pub trait EventWriter: Send {
    /// Writes what that event means in this dialect: none, one or several wire events. After `End` or `Fault` nothing may follow.
    fn write(&mut self, event: &Event, out: &mut BytesMut);

    /// How many bytes of the answer it has kept that came in pieces; see [`MOST_HELD`].
    fn held(&self) -> usize {
        0
    }
}
