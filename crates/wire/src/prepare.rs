//! A request for its target: the client's own bytes where the formats agree, a translation where they do not.

use crate::chat::{ChatRequest, Message, Part, PartBody, Role};
use crate::control::is_steering;
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::half::{Head, Memo, Profile, StandIn, Written};
use crate::loss::{Losses, Why};
use crate::outline::{Edits, Outline};
use crate::pen;
use crate::problem::{Kind, Problem, Unsupported};
use crate::stand_in;

/// What a request is made from.
#[derive(Debug)]
pub enum Source<'a> {
    /// The client's own bytes and where their keys stand.
    Bytes(&'a Frames, &'a Outline),
    /// A meaning that something has changed on the way.
    Rewritten(&'a ChatRequest),
}

/// A request in its target's bytes.
#[derive(Debug)]
pub struct Prepared {
    /// The body, edits applied.
    pub body: Frames,
    /// Headers the body needs.
    pub headers: Vec<(&'static str, String)>,
    /// What could not be carried.
    pub losses: Losses,
    /// What the reader of the reply must remember.
    pub memo: Memo,
}

/// Where a request goes.
#[derive(Debug)]
pub struct Route<'a> {
    /// The client's dialect.
    pub from: Dialect,
    /// The provider's dialect.
    pub to: Dialect,
    /// What the model can do.
    pub profile: &'a Profile,
    /// What must change on the wire for this target.
    pub edits: &'a Edits,
    /// Fields, with their JSON values, that the client wants in the provider's own body where it has them and no translation has.
    pub laid: &'a [(String, String)],
    /// Whether the client speaks to another API than the provider's, although both are of one dialect (OpenRouter's).
    pub fitted: bool,
    /// Whether it is written without what it asks for beside one answer (`n`, `logprobs`) where the target has none of that.
    pub lenient: bool,
}

/// Writes the request for its target. The fast path is a step not taken: where the formats agree nothing is read but the outline.
pub fn prepare(route: &Route<'_>, head: &Head<'_>, source: &Source<'_>) -> Result<Prepared, Problem> {
    // What this gateway named or sealed for the client no provider knows, and what the model refuses it must not get: such a request
    // is read even where the formats agree.
    let is_refused = |body: &Frames, outline: &Outline| route.to.outbound().is_some_and(|to| to.is_refused(outline, body, route.profile));
    let is_worded =
        |body: &Frames, outline: &Outline| route.fitted && route.from.inbound().is_some_and(|from| from.is_worded(outline, body));
    let passes = |body: &Frames, outline: &Outline| !(outline.holds_ours() || is_refused(body, outline) || is_worded(body, outline));
    let written = match source {
        Source::Bytes(body, outline) if route.from == route.to && passes(body, outline) => {
            let headers = route.to.outbound().map(|to| to.needed_headers(head, route.profile, (outline, body))).unwrap_or_default();
            let body = outline.apply(body, route.edits);
            let memo = Memo { vendor: route.profile.vendor.clone(), ..Memo::default() };
            let mut losses = lost(route.edits, outline);
            losses.extend(route.to.outbound().map(|to| to.refused_headers(head, route.profile)).unwrap_or_default());
            return Ok(Prepared { body, headers, losses, memo });
        }
        Source::Bytes(body, _) => write(route, &read(route.from, head, body)?)?,
        Source::Rewritten(request) => write(route, request)?,
    };
    let (mut body, mut losses) = (Frames::from(written.body), written.losses);
    let mut own = laid(route.laid, &mut losses);
    for (key, json) in &mut own.lay {
        // What is the model's own word may have a place of its own.
        if let Some(place) = route.to.outbound().and_then(|to| to.below(key)) {
            *json = format!("{{{}:{json}}}", serde_json::Value::from(key.as_str()));
            place.clone_into(key);
        }
    }
    if !own.is_empty() {
        body = Outline::scan(&body)?.apply(&body, &own);
    }
    if !route.edits.is_empty() {
        let outline = Outline::scan(&body)?;
        losses.extend(lost(route.edits, &outline));
        body = outline.apply(&body, route.edits);
    }
    Ok(Prepared { body, headers: written.headers, losses, memo: written.memo })
}

/// What of the fields that the client wants in the provider's own body no translation has: they are sent as they are, and not lost.
pub fn laid(fields: &[(String, String)], losses: &mut Losses) -> Edits {
    // Whatever asks for thoughts is told by one name.
    let is_of = |key: &str, field: &str| field == key || field == "reasoning" && matches!(key, "reasoning_effort" | "thinking");
    let left = |key: &str| losses.list().iter().any(|loss| is_of(key, &loss.field) && loss.why == Why::NoEquivalent);
    let lay: Vec<_> = fields.iter().filter(|(key, _)| left(key)).cloned().collect();
    *losses = std::mem::take(losses).without(|field| lay.iter().any(|(key, _)| is_of(key, field)));
    Edits { lay, ..Edits::default() }
}

/// What the target does not take of what was sent.
fn lost(edits: &Edits, outline: &Outline) -> Losses {
    let mut losses = Losses::new();
    for key in edits.lose.iter().filter(|key| outline.get(key).is_some()) {
        losses.dropped(key.clone());
    }
    losses
}

/// Reads a client's request.
pub fn read(from: Dialect, head: &Head<'_>, body: &Frames) -> Result<ChatRequest, Problem> {
    let inbound = from.inbound().ok_or_else(|| Problem::new(Kind::Internal, format!("no client speaks `{from}`")))?;
    let mut request = inbound.read_request(head, &body.join())?;
    if from != Dialect::Anthropic {
        request.betas = betas(head, &request);
    }
    Ok(request)
}

/// Anthropic's features that a client of another dialect opted into, by a header or, as clients of OpenAI's format may, by one that its
/// body holds.
fn betas(head: &Head<'_>, request: &ChatRequest) -> Vec<String> {
    const FEATURES: &str = "anthropic-beta";
    /// The name by which OpenRouter's clients know it.
    const ROUTED: &str = "x-anthropic-beta";
    const HEADERS: &str = "extra_headers";
    let all = |headers| [FEATURES, ROUTED].map(|name| http::HeaderMap::get_all(headers, name)).into_iter().flatten();
    let said = head.headers.into_iter().flat_map(all).filter_map(|value| value.to_str().ok());
    let held = request.extra.of(Dialect::OpenAiChat).iter().find(|(key, _)| key == HEADERS);
    let held = held.and_then(|(_, raw)| Fields::nested(raw).ok()?.take::<String>(FEATURES).ok().flatten());
    let names = said.chain(held.as_deref()).flat_map(|names| names.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn write(route: &Route<'_>, request: &ChatRequest) -> Result<Written, Problem> {
    let outbound = route.to.outbound().ok_or_else(|| Problem::new(Kind::Internal, format!("no provider speaks `{}`", route.to)))?;
    let named = if route.from == Dialect::Anthropic && route.to != route.from { with_names(request) } else { None };
    let request = named.as_ref().unwrap_or(request);
    // Bedrock has a place for what is said of a document.
    let lacks_contexts = route.from == Dialect::Anthropic && !matches!(route.to, Dialect::Anthropic | Dialect::Bedrock);
    let summed_up = if route.from == Dialect::Anthropic && route.to != route.from { with_summary(request) } else { None };
    let request = summed_up.as_ref().unwrap_or(request);
    let introduced = if lacks_contexts { with_contexts(request) } else { None };
    let request = introduced.as_ref().unwrap_or(request);
    let told = if route.from == route.to { None } else { stand_in::told(request, route.to, route.profile)? };
    let request = told.as_ref().map_or(request, |told| &told.request);
    let renamed = outbound.longest_name().filter(|_| route.from != route.to).and_then(|longest| pen::renamed(request, longest));
    let request = renamed.as_ref().map_or(request, |(request, _)| request);
    if let Some(inbound) = route.from.inbound().filter(|_| route.from != route.to) {
        inbound.check_translation(request, route.to)?;
        check_content(request, route)?;
    }
    let mut lost = Losses::new();
    if summed_up.is_some() {
        lost.add("messages.content", Why::Approximated);
    }
    // Elsewhere what stands before the conversation has no speaker.
    if route.from != route.to && request.system.iter().any(|part| part.extra.noted(route.from, "name").is_some()) {
        lost.dropped("messages.name");
    }
    let fitted = route.from.inbound().filter(|_| route.fitted && route.from == route.to).map(|inbound| {
        let mut fitted = request.clone();
        inbound.fit(&mut fitted, route.profile, &mut lost);
        fitted
    });
    let request = fitted.as_ref().unwrap_or(request);
    let mut written = match outbound.write_request(request, route.profile) {
        Err(unsupported) if route.lenient => write_one_answer(route, request, unsupported, &mut lost)?,
        written => written?,
    };
    lost.extend(std::mem::take(&mut written.losses));
    if let Some(told) = told {
        written.memo.stand_ins = told.stand_ins;
        lost.extend(told.losses);
    }
    // An answer's calls go back by the same door as those of tools that the provider does not know.
    let own = renamed.into_iter().flat_map(|(_, names)| names);
    written.memo.stand_ins.extend(own.map(|(name, tool)| StandIn { name, tool, namespace: None, custom: false }));
    // What steers the gateway was never meant for the provider.
    let losses = lost.without(|field| is_steering(route.from, field));
    Ok(Written { losses, ..written })
}

/// The request without what it asks for beside one answer, of which the target lacks something.
fn write_one_answer(route: &Route<'_>, request: &ChatRequest, mut lacking: Unsupported, lost: &mut Losses) -> Result<Written, Unsupported> {
    let mut request = request.clone();
    let outbound = route.to.outbound().ok_or_else(|| lacking.clone())?;
    loop {
        let sampling = &mut request.sampling;
        match lacking.field.as_str() {
            "n" if sampling.n.is_some() => sampling.n = None,
            "logprobs" if sampling.logprobs.is_some() || sampling.top_logprobs.is_some() => {
                (sampling.logprobs, sampling.top_logprobs) = (None, None);
            }
            _ => return Err(lacking),
        }
        lost.dropped(lacking.field);
        match outbound.write_request(&request, route.profile) {
            Err(more) => lacking = more,
            written => return written,
        }
    }
}

/// The request with the names of the tools that a search for tools found, where the client runs that search itself: elsewhere there are
/// no references to tools, and all of them are offered.
fn with_names(request: &ChatRequest) -> Option<ChatRequest> {
    let name = |part: &Part| match &part.body {
        PartBody::Hosted(hosted) if hosted.kind == "tool_reference" => {
            Fields::nested(&hosted.raw).ok()?.take::<String>("tool_name").ok().flatten()
        }
        _ => None,
    };
    let results = |part: &Part| matches!(&part.body, PartBody::ToolResult(result) if result.parts.iter().any(|part| name(part).is_some()));
    if !request.messages.iter().any(|message| message.parts.iter().any(results)) {
        return None;
    }
    let mut named = request.clone();
    for part in named.messages.iter_mut().flat_map(|message| &mut message.parts) {
        let PartBody::ToolResult(result) = &mut part.body else { continue };
        for part in &mut result.parts {
            if let Some(name) = name(part) {
                *part = Part::text(name);
            }
        }
    }
    Some(named)
}

/// The request from its last summary on, which Anthropic reads in place of all that was said before it: elsewhere it is a text. `None`
/// where nothing was summed up.
fn with_summary(request: &ChatRequest) -> Option<ChatRequest> {
    let summary = |part: &Part| match &part.body {
        PartBody::Hosted(hosted) if hosted.kind == "compaction" => {
            Fields::nested(&hosted.raw).ok()?.take::<String>("content").ok().flatten()
        }
        _ => None,
    };
    let last = |message: &Message| message.parts.iter().enumerate().rev().find_map(|(at, part)| Some((at, summary(part)?)));
    let (turn, (at, text)) = request.messages.iter().enumerate().rev().find_map(|(turn, message)| Some((turn, last(message)?)))?;
    let mut shorter = request.clone();
    shorter.messages.drain(..turn);
    let first = shorter.messages.first_mut()?;
    first.parts.drain(..=at);
    if first.parts.is_empty() {
        shorter.messages.remove(0);
    }
    shorter.messages.insert(0, Message::new(Role::User, vec![Part::text(text)]));
    Some(shorter)
}

/// The request with what Anthropic's clients say of a document for the model to read as a text before it; `None` where they say nothing.
fn with_contexts(request: &ChatRequest) -> Option<ChatRequest> {
    const CONTEXT: &str = "context";
    let has_context = |part: &Part| {
        let is_document = matches!(part.body, PartBody::File(_));
        is_document && part.extra.of(Dialect::Anthropic).iter().any(|(key, value)| key == CONTEXT && value.get().starts_with('"'))
    };
    fn introduce(parts: &mut Vec<Part>, has_context: &dyn Fn(&Part) -> bool) {
        let mut said = Vec::with_capacity(parts.len());
        for mut part in std::mem::take(parts) {
            if let PartBody::ToolResult(result) = &mut part.body {
                introduce(&mut result.parts, has_context);
            }
            if has_context(&part) {
                let context = part.extra.fields().iter().find(|(key, _)| key == CONTEXT);
                let text = context.and_then(|(_, raw)| serde_json::from_str::<String>(raw.get()).ok());
                said.extend(text.filter(|text| !text.is_empty()).map(Part::text));
                part.extra.remove(CONTEXT);
            }
            said.push(part);
        }
        *parts = said;
    }
    fn any(parts: &[Part], holds: &dyn Fn(&Part) -> bool) -> bool {
        parts.iter().any(|part| holds(part) || matches!(&part.body, PartBody::ToolResult(result) if any(&result.parts, holds)))
    }
    if !request.messages.iter().any(|message| any(&message.parts, &has_context)) {
        return None;
    }
    let mut request = request.clone();
    request.messages.iter_mut().for_each(|message| introduce(&mut message.parts, &has_context));
    Some(request)
}

/// Refuses what the caller says in a form that only its own dialect has: content is never left out. What a provider's own tools left
/// in the model's turns is no content of the caller's.
fn check_content(request: &ChatRequest, route: &Route<'_>) -> Result<(), Unsupported> {
    let refuse = |field: String, kind: &str| {
        Err(Unsupported::new(field, route.to, format!("content of the type `{kind}` means something only at its own provider")))
    };
    for (turn, message) in request.messages.iter().enumerate().filter(|(_, message)| message.role != Role::Assistant) {
        for (at, part) in message.parts.iter().enumerate() {
            let Some(kind) = foreign_kind(part, route.to) else { continue };
            let field = match route.from {
                Dialect::Gemini => format!("contents[{turn}].parts[{at}]"),
                Dialect::Anthropic => format!("messages.{turn}.content.{at}"),
                _ => "messages.content".to_owned(),
            };
            return refuse(field, kind);
        }
    }
    if let Some(kind) = request.system.iter().find_map(|part| foreign_kind(part, route.to)) {
        return refuse(if route.from == Dialect::Gemini { "systemInstruction" } else { "system" }.to_owned(), kind);
    }
    Ok(())
}

/// The type of a part, or of one within a tool's result, that the target cannot read.
fn foreign_kind(part: &Part, target: Dialect) -> Option<&str> {
    match &part.body {
        PartBody::Hosted(hosted) if hosted.from != target => Some(&hosted.kind),
        PartBody::ToolResult(result) => result.parts.iter().find_map(|part| foreign_kind(part, target)),
        _ => None,
    }
}
