//! Marks of what a provider should keep in its cache, put where an operator or a caller wants them (LiteLLM's
//! `cache_control_injection_points`).
//!
//! The request is edited as its client wrote it, so that what passes as it came and what is translated have the same marks. Nothing is
//! done for providers that take no marks, and nothing to a message that has one of its client's.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::control::is_steering;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::problem::Problem;
use switchboard_wire::seal::ANTHROPIC;

use crate::call::{Call, Content};
use crate::deployment::{CachePoint, Deployment};

/// The field of a request.
const NAME: &str = "cache_control_injection_points";
const MARK: &str = "cache_control";
/// Providers refuse more marks.
const MOST: usize = 4;

/// An object of which nothing is read that need not be.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The call with the marks that are wanted for that target; `None` where there is nothing to mark.
pub(crate) fn marked(call: &Call, target: &Deployment, spoken: Dialect) -> Result<Option<Call>, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    let door = call.door.dialect;
    let takes = matches!(spoken, Dialect::Anthropic | Dialect::Bedrock) || spoken == Dialect::OpenAiChat && target.gateway;
    let is_said = outline.get(NAME).is_some() && is_steering(door, NAME);
    let is_asked = is_said || !target.spec.cache_points.is_empty();
    let is_keys = !is_asked && call.principal.caches_prompts && target.profile.vendor.as_deref() == Some(ANTHROPIC);
    if !takes || !(is_asked || is_keys) || !matches!(door, Dialect::OpenAiChat | Dialect::Anthropic) {
        return Ok(None);
    }
    let own: Option<Vec<Value>> = if is_said { outline.read(&call.body, NAME)? } else { None };
    let mut points = own.map_or_else(|| target.spec.cache_points.clone(), |own| CachePoint::read_all(&own));
    let mut marking = Marking::read(call, outline)?;
    if is_keys {
        if marking.count > 0 || marking.is_errand() {
            return Ok(None);
        }
        points = CachePoint::usual();
    }
    points.iter().for_each(|point| marking.mark(point));
    Ok(match marking.edits() {
        edits if edits.is_empty() => None,
        edits => Some(call.clone().edited(&edits)?),
    })
}

/// A request while it is marked.
struct Marking {
    messages: Vec<Box<RawValue>>,
    roles: Vec<Option<String>>,
    system: Option<Box<RawValue>>,
    tools: Vec<Box<RawValue>>,
    /// Marks that are there.
    count: usize,
    /// What has been changed: messages, the system's text, tools.
    changed: [bool; 3],
}

impl Marking {
    fn read(call: &Call, outline: &Outline) -> Result<Self, Problem> {
        let list = |name: &str| outline.read::<Vec<Box<RawValue>>>(&call.body, name).map(Option::unwrap_or_default);
        let (messages, tools) = (list("messages")?, list("tools")?);
        let is_anthropic = call.door.dialect == Dialect::Anthropic;
        let system: Option<Box<RawValue>> = if is_anthropic { outline.read(&call.body, "system")? } else { None };
        let roles = messages.iter().map(|message| text(fields(message)?.get("role")?)).collect();
        let marks = |raw: &RawValue| marks_in(raw);
        let mut count = messages.iter().chain(&tools).map(|raw| marks(raw)).sum::<usize>();
        count += system.as_deref().map_or(0, marks) + usize::from(outline.get(MARK).is_some());
        Ok(Self { messages, roles, system, tools, count, changed: [false; 3] })
    }

    /// Whether a part of Claude Code asks that asks once: nothing comes back to what it would leave in the cache.
    fn is_errand(&self) -> bool {
        const SAYS: &[u8] = b"cc_is_subagent=true";
        let says = |system: &RawValue| memchr::memmem::find(system.get().as_bytes(), SAYS).is_some();
        self.messages.len() == 1 && self.tools.is_empty() && self.system.as_deref().is_some_and(says)
    }

    fn mark(&mut self, point: &CachePoint) {
        let mark = point.mark();
        if point.location == "tool_config" {
            let tool = self.tools.last_mut().filter(|tool| self.count < MOST && marks_in(tool) == 0);
            self.changed[2] |= take(tool, &mut self.count, |tool| with_mark(tool, &mark));
        }
        if point.location != "message" {
            return;
        }
        if point.role.as_deref() == Some("system") && point.index.is_none() {
            let system = self.system.as_mut().filter(|system| self.count < MOST && marks_in(system) == 0);
            self.changed[1] |= take(system, &mut self.count, |system| content_with(system, &mark));
        }
        for at in point.targets(&self.roles) {
            let message = Some(&mut self.messages[at]).filter(|message| self.count < MOST && marks_in(message) == 0);
            let heard = self.roles[at].as_deref() == Some("tool");
            // What a tool said is marked as a whole: its parts become one.
            let marked = |message: &RawValue| if heard { with_mark(message, &mark) } else { message_with(message, &mark) };
            self.changed[0] |= take(message, &mut self.count, marked);
        }
    }

    fn edits(self) -> Edits {
        let list = |list: &[Box<RawValue>]| raw(&list).map(|raw| raw.get().to_owned());
        let [messages, system, tools] = self.changed;
        let told = [
            ("messages", messages.then(|| list(&self.messages)).flatten()),
            ("system", self.system.as_ref().filter(|_| system).map(|system| system.get().to_owned())),
            ("tools", tools.then(|| list(&self.tools)).flatten()),
        ];
        Edits { set: told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(), ..Edits::default() }
    }
}

/// Puts what becomes of it in its place, where anything does.
fn take(place: Option<&mut Box<RawValue>>, count: &mut usize, made: impl Fn(&RawValue) -> Option<Box<RawValue>>) -> bool {
    let Some((place, made)) = place.and_then(|place| made(place).map(|made| (place, made))) else { return false };
    *place = made;
    *count += 1;
    true
}

/// The message with a mark on the last block of its content that can have one.
fn message_with(message: &RawValue, mark: &Value) -> Option<Box<RawValue>> {
    let mut message = fields(message)?;
    let content = content_with(message.get("content")?, mark)?;
    message.insert("content".to_owned(), content);
    raw(&message)
}

fn content_with(content: &RawValue, mark: &Value) -> Option<Box<RawValue>> {
    if let Some(text) = text(content) {
        return if text.is_empty() { None } else { raw(&json!([{"type": "text", "text": text, MARK: mark}])) };
    }
    let mut blocks: Vec<Box<RawValue>> = serde_json::from_str(content.get()).ok()?;
    let can = |block: &RawValue| {
        let fields = fields(block)?;
        let blank = fields.get("text").and_then(|said| text(said)).is_some_and(|text| text.is_empty());
        let thought = fields.get("type").and_then(|kind| text(kind)).is_some_and(|kind| kind.ends_with("thinking"));
        (!blank && !thought).then_some(())
    };
    let last = blocks.iter().rposition(|block| can(block).is_some())?;
    blocks[last] = with_mark(&blocks[last], mark)?;
    raw(&blocks)
}

fn with_mark(block: &RawValue, mark: &Value) -> Option<Box<RawValue>> {
    let mut fields = fields(block)?;
    fields.insert(MARK.to_owned(), raw(mark)?);
    raw(&fields)
}

/// How many marks there are in a message, a tool or the system's text.
fn marks_in(value: &RawValue) -> usize {
    if memchr::memmem::find(value.get().as_bytes(), MARK.as_bytes()).is_none() {
        return 0;
    }
    let own = |value: &Value| usize::from(value.get(MARK).is_some_and(|mark| !mark.is_null()));
    let all = |list: &Value| list.as_array().into_iter().flatten().map(own).sum::<usize>();
    let Ok(value) = serde_json::from_str::<Value>(value.get()) else { return 0 };
    own(&value)
        + all(&value)
        + ["content", "tool_calls"].iter().filter_map(|list| value.get(list)).map(all).sum::<usize>()
        + value.get("function").map_or(0, own)
}

fn fields(value: &RawValue) -> Option<Fields> {
    serde_json::from_str(value.get()).ok()
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn raw(value: &impl serde::Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}
