//! The calls of a stream: which piece belongs to which call.

use super::chunk::{CallDelta, FunctionDelta};
use super::read_messages::call_seal;
use super::text::{arguments, count, word};
use crate::event::{BlockKind, Delta, Event, MOST_BLOCKS};
use crate::problem::Malformed;
use crate::seal::Sealed;

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    custom: bool,
    /// Its block, once it has a name.
    block: Option<u32>,
    /// What came before its name.
    held: String,
    seal: Option<Sealed>,
    /// How far its arguments have come; only looked at where pieces do not say whose they are.
    arguments: Value,
    closed: bool,
}

/// A JSON value that comes in pieces.
#[derive(Debug, Default)]
struct Value {
    depth: u32,
    quoted: bool,
    escaped: bool,
    begun: bool,
}

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
    /// The first of those that began in the last chunk in which any did.
    together: usize,
    spare: String,
    /// The bytes that waited for a name.
    held: usize,
}

impl Calls {
    /// What ids begin with that are made up.
    pub(super) fn name_after(&mut self, id: String) {
        self.spare = id;
    }

    /// Those of a further answer, whose ids are made up as others.
    pub(super) fn of_further(&self, answer: u64) -> Self {
        Self { spare: format!("{}_{answer}", self.spare), ..Self::default() }
    }

    /// How many bytes have been kept.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// The open block of the call of that id.
    pub(super) fn block_of(&self, id: &str) -> Option<u32> {
        self.list.iter().find(|call| !call.closed && call.id.as_deref() == Some(id)).and_then(|call| call.block)
    }

    /// The pieces of one chunk. Of those `seals` that name their call, each is told before what is said of it.
    pub(super) fn pieces(
        &mut self,
        pieces: &[CallDelta<'_>],
        seals: &mut Vec<(String, Sealed)>,
        next: &mut u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let before = self.list.len();
        for (at, piece) in pieces.iter().enumerate() {
            // Where several come at once and do not say whose they are, they stand as their calls did.
            let place = (pieces.len() > 1).then_some(self.together + at);
            let named = seals.iter().position(|(id, _)| word(piece.id).as_ref() == Some(id));
            let seal = named.map(|at| seals.remove(at).1);
            self.piece(piece, (place, seal), next, out)?;
            if self.list.len() > before {
                self.together = before;
            }
        }
        Ok(())
    }

    /// A piece of a call. One that is of no call that began is not the piece of another.
    fn piece(
        &mut self,
        piece: &CallDelta<'_>,
        (place, seal): (Option<usize>, Option<Sealed>),
        next: &mut u32,
        out: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let (index, id) = (count(piece.index), word(piece.id));
        let function = piece.function.as_ref();
        let custom = piece.custom.as_ref();
        let name = custom.map_or_else(|| function.and_then(|function| function.name.as_ref()), |custom| custom.name.as_ref());
        let name = name.map_or("", |name| &*name.0);
        let text = match (custom, function) {
            (Some(custom), _) => custom.input.as_ref().map_or("".into(), |input| (*input.0).into()),
            (None, Some(function)) => arguments(function.arguments),
            (None, None) => "".into(),
        };
        let at = match self.find((index, place), id.as_deref(), name) {
            Some(at) => at,
            None if id.is_none() && name.is_empty() && text.is_empty() => return Ok(()),
            None if id.is_none() && name.is_empty() => return Err(Malformed::field("tool_calls", "a call goes on that never began")),
            None if self.list.len() == MOST_BLOCKS => return Err(Malformed::field("tool_calls", "has more calls than anybody makes")),
            None => {
                self.list.push(Call { index, custom: custom.is_some(), ..Call::default() });
                self.list.len() - 1
            }
        };
        let seal = piece.extra_content.or(piece.provider_specific_fields).and_then(call_seal).or(seal);
        self.extend(at, (id, name), (&text, seal), (next, out));
        Ok(())
    }

    /// A piece of a legacy `function_call`, of which there is one.
    pub(super) fn legacy(&mut self, function: &FunctionDelta<'_>, next: &mut u32, out: &mut Vec<Event>) {
        let name = function.name.as_ref().map_or("", |name| &*name.0);
        if self.list.is_empty() {
            if name.is_empty() {
                return;
            }
            self.list.push(Call::default());
        }
        self.extend(0, (None, name), (&arguments(function.arguments), None), (next, out));
    }

    fn extend(
        &mut self,
        at: usize,
        (id, name): (Option<String>, &str),
        (text, seal): (&str, Option<Sealed>),
        (next, out): (&mut u32, &mut Vec<Event>),
    ) {
        let spare = format!("call_{}_{at}", self.spare);
        let call = &mut self.list[at];
        if call.closed {
            return;
        }
        if call.id.is_none() {
            call.id = id;
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.go_on(text);
        match call.block {
            Some(block) => {
                out.extend(seal.map(|seal| Event::BlockDelta { block, delta: Delta::Seal(seal) }));
                if !text.is_empty() {
                    out.push(Event::BlockDelta { block, delta: Delta::Arguments(text.to_owned()) });
                }
            }
            None => {
                call.held.push_str(text);
                self.held += text.len();
                call.seal = seal.or(call.seal.take());
                if !call.name.is_empty() {
                    call.begin(spare, next, out);
                }
            }
        }
    }

    /// The call a new piece belongs to. An index is only as good as its provider: a new id with a name begins a new call under
    /// the same index, a new id without one does not.
    fn find(&self, (index, place): (Option<u64>, Option<usize>), id: Option<&str>, name: &str) -> Option<usize> {
        let differs = |call: &Call| id.is_some_and(|id| call.id.as_deref().is_some_and(|known| known != id));
        if index.is_some() {
            // Some tell the index only once the call has begun.
            let begun = || self.list.iter().rposition(|call| call.index.is_none() && !call.closed).filter(|_| name.is_empty());
            let at = self.list.iter().rposition(|call| call.index == index).or_else(begun)?;
            let call = &self.list[at];
            return (!differs(call) || name.is_empty()).then_some(at);
        }
        if let Some(id) = id {
            if let Some(at) = self.list.iter().position(|call| call.id.as_deref() == Some(id)) {
                return Some(at);
            }
            let last = self.list.last()?;
            return (name.is_empty() && last.index.is_none() || last.id.is_none() && last.name.is_empty()).then(|| self.list.len() - 1);
        }
        if let Some(at) = place.filter(|at| name.is_empty() && *at < self.list.len()) {
            return Some(at);
        }
        let last = self.list.last()?;
        (name.is_empty() || last.name == name && !last.arguments.is_whole()).then(|| self.list.len() - 1)
    }

    /// Ends all calls.
    pub(super) fn close(&mut self, out: &mut Vec<Event>) {
        for call in self.list.iter_mut().filter(|call| !call.closed) {
            call.closed = true;
            out.extend(call.block.map(|block| Event::BlockEnd { block }));
        }
    }
}

impl Call {
    fn begin(&mut self, spare: String, next: &mut u32, out: &mut Vec<Event>) {
        let block = *next;
        *next += 1;
        self.block = Some(block);
        let id = self.id.get_or_insert(spare).clone();
        out.push(Event::BlockStart {
            block,
            kind: BlockKind::ToolCall { id, name: self.name.clone(), custom: self.custom, namespace: None },
        });
        out.extend(self.seal.take().map(|seal| Event::BlockDelta { block, delta: Delta::Seal(seal) }));
        if !self.held.is_empty() {
            out.push(Event::BlockDelta { block, delta: Delta::Arguments(std::mem::take(&mut self.held)) });
        }
    }
}

impl Value {
    fn go_on(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                b'{' | b'[' if !self.quoted => self.depth += 1,
                b'}' | b']' if !self.quoted => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            self.begun = true;
        }
    }

    fn is_whole(&self) -> bool {
        self.begun && !self.quoted && self.depth == 0
    }
}
