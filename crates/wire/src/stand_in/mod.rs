//! Tools that only one API knows, as functions for those that know functions alone.
//!
//! Whatever the *client* runs can be told as a function, and a call of that function is a call of the tool: [`read_reply`] and
//! [`event_reader`] turn it back. A tool that takes free text becomes a function with one text, its grammar told in its description; the
//! tools of a namespace become functions whose names begin with it, and Anthropic's shell, editor and memory the functions they are. What
//! only its own *provider* runs is left out and told, where other tools remain and nobody insists on it; all the rest is for the target's
//! writer to say or to refuse.

mod back;

use serde_json::json;
use serde_json::value::RawValue;

pub use back::{event_reader, read_reply};

use crate::anthropic::client_tool;
use crate::chat::{ChatRequest, Function, Hosted, PartBody, Tool, ToolCall, ToolChoice};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Profile, StandIn};
use crate::json;
use crate::loss::{Losses, Why};
use crate::openai_responses::read_tool;
use crate::problem::{Malformed, Problem};
use crate::seal::OPENAI;

const RESPONSES: Dialect = Dialect::OpenAiResponses;
/// The one field of a function that stands for a tool with free text.
const INPUT: &str = "input";
/// The longest name that every API takes.
const LONGEST: usize = 64;

/// What a provider of the responses API runs itself, or does for its own client alone, and answers can do without.
const LEFT_OUT: [&str; 5] = ["computer_use", "image_generation", "local_shell", "shell", "tool_search"];
/// Anthropic's searches among tools: where all tools are offered there is nothing to search.
const SEARCHES_OF_TOOLS: &str = "tool_search_tool_";

/// A request in which functions stand for the tools that its target does not know.
pub(crate) struct Told {
    /// The request.
    pub(crate) request: ChatRequest,
    /// What stands for what.
    pub(crate) stand_ins: Vec<StandIn>,
    /// What was left out.
    pub(crate) losses: Losses,
}

/// The request as it can be told in another dialect; `None`: as it is.
pub(crate) fn told(request: &ChatRequest, to: Dialect, profile: &Profile) -> Result<Option<Told>, Problem> {
    let target = Target { to, profile };
    let is_told = |tool: &Tool| match tool {
        Tool::Function(_) => false,
        Tool::Custom { .. } => !target.takes_text(),
        Tool::Hosted(hosted) => target.is_told(hosted) || target.may_leave_out(hosted, true) || target.function(hosted).is_some(),
    };
    let is_foreign = |call: &ToolCall| call.custom && !target.takes_text() || call.namespace.is_some() && to != RESPONSES;
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let in_turns = parts.any(|part| match &part.body {
        PartBody::ToolCall(call) => is_foreign(call),
        PartBody::Hosted(hosted) => target.is_told(hosted),
        _ => false,
    });
    if !in_turns && !request.tools.iter().any(is_told) {
        return Ok(None);
    }
    let mut teller = Teller { target, stand_ins: Vec::new(), losses: Losses::new(), tools: Vec::new() };
    let mut request = request.clone();
    teller.offer(std::mem::take(&mut request.tools), None)?;
    teller.turns(&mut request)?;
    teller.choice(&mut request);
    request.tools = teller.remaining(&request);
    Ok(Some(Told { request, stand_ins: teller.stand_ins, losses: teller.losses }))
}

/// Where the request goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    to: Dialect,
    profile: &'a Profile,
}

impl Target<'_> {
    /// Whether tools may take free text there: of chat completions, OpenAI's own know such tools.
    fn takes_text(self) -> bool {
        match self.to {
            Dialect::OpenAiResponses => true,
            Dialect::OpenAiChat => self.profile.vendor.as_deref() == Some(OPENAI),
            _ => false,
        }
    }

    /// Whether it holds tools that are told as functions.
    fn is_told(self, hosted: &Hosted) -> bool {
        let kinds = ["namespace", "tool_search_call", "tool_search_output", "additional_tools"];
        hosted.from == RESPONSES && self.to != RESPONSES && kinds.contains(&hosted.kind.as_str())
    }

    /// The function that a tool of the client's is there. Bedrock's writer knows which of its models have such tools themselves.
    fn function(self, hosted: &Hosted) -> Option<Function> {
        if matches!(self.to, Dialect::Anthropic | Dialect::Bedrock) { None } else { client_tool::function(hosted) }
    }

    /// Whether an answer can do without that tool; `beside`: beside functions.
    fn may_leave_out(self, hosted: &Hosted, beside: bool) -> bool {
        if hosted.from == self.to {
            return false;
        }
        match hosted.from {
            Dialect::OpenAiResponses if LEFT_OUT.contains(&hosted.kind.as_str()) => return beside,
            Dialect::OpenAiResponses if is_offline(hosted) => return true,
            Dialect::Anthropic if hosted.kind.starts_with(SEARCHES_OF_TOOLS) => return self.to != Dialect::Bedrock,
            _ => {}
        }
        match self.to {
            // Google refuses its own tools beside functions.
            Dialect::Gemini => beside && (is_search(&hosted.kind) || is_run_by_google(&hosted.kind)),
            Dialect::OpenAiChat => beside && is_search(&hosted.kind) && self.profile.web_search == Some(false),
            _ => false,
        }
    }
}

/// Whether it is a search of the web in any format's words.
fn is_search(kind: &str) -> bool {
    kind.starts_with("web_search") || matches!(kind, "googleSearch" | "google_search" | "googleSearchRetrieval" | "google_search_retrieval")
}

/// What else Google runs of what other formats have.
fn is_run_by_google(kind: &str) -> bool {
    kind.starts_with("web_fetch") || kind.starts_with("code_execution") || kind == "code_interpreter"
}

/// Whether it is a search that must not leave its provider, which nobody else has.
fn is_offline(hosted: &Hosted) -> bool {
    let access = || Fields::nested(&hosted.raw).ok()?.take::<bool>("external_web_access").ok().flatten();
    is_search(&hosted.kind) && access() == Some(false)
}

/// Tells tools as functions, one after the other.
struct Teller<'a> {
    target: Target<'a>,
    stand_ins: Vec<StandIn>,
    losses: Losses,
    tools: Vec<Tool>,
}

impl Teller<'_> {
    fn offer(&mut self, tools: Vec<Tool>, namespace: Option<&str>) -> Result<(), Malformed> {
        for tool in tools {
            match tool {
                Tool::Function(mut function) => {
                    self.offer_at_once(&mut function.extra);
                    if let Some(namespace) = namespace {
                        function.name = self.stand_in(&function.name, Some(namespace), false);
                    }
                    self.tools.push(Tool::Function(function));
                }
                Tool::Custom { name, description, format, mut extra } if !self.target.takes_text() || namespace.is_some() => {
                    self.offer_at_once(&mut extra);
                    let name = self.stand_in(&name, namespace, true);
                    self.tools.push(Tool::Function(Function { extra, ..with_text(name, description, format.as_deref()) }));
                }
                Tool::Hosted(hosted) if self.target.is_told(&hosted) => self.offer_within(&hosted.raw)?,
                Tool::Hosted(hosted) => {
                    let function = self.target.function(&hosted).map(Tool::Function);
                    self.tools.push(function.unwrap_or(Tool::Hosted(hosted)));
                }
                tool @ Tool::Custom { .. } => self.tools.push(tool),
            }
        }
        Ok(())
    }

    /// A tool that waits to be found by a search among tools is offered like any other.
    fn offer_at_once(&mut self, extra: &mut Extra) {
        if extra.from() == Some(RESPONSES) && extra.remove("defer_loading") {
            self.losses.add("tools.defer_loading", Why::Approximated);
        }
    }

    /// Offers the tools that stand in an item: of a namespace, or found by a search among tools.
    fn offer_within(&mut self, raw: &RawValue) -> Result<(), Malformed> {
        let mut fields = Fields::nested(raw)?;
        let namespace: Option<String> = fields.take("name")?;
        let tools: Vec<&RawValue> = fields.take("tools")?.unwrap_or_default();
        let tools = tools.into_iter().map(read_tool).collect::<Result<Vec<Tool>, Malformed>>();
        let known = self.tools.len();
        self.offer(tools.map_err(|malformed| malformed.within("tools"))?, namespace.as_deref())?;
        if let Some(purpose) = fields.take::<String>("description")?.filter(|purpose| !purpose.is_empty()) {
            self.describe(known, &purpose);
        }
        Ok(())
    }

    /// What a namespace is for says of its tools what they do not say themselves.
    fn describe(&mut self, from: usize, purpose: &str) {
        for tool in &mut self.tools[from..] {
            let Tool::Function(function) = tool else { continue };
            match &function.description {
                None => function.description = Some(purpose.to_owned()),
                Some(_) => self.losses.add("tools.namespace.description", Why::Approximated),
            }
        }
    }

    /// The name of the function that stands for a tool.
    fn stand_in(&mut self, tool: &str, namespace: Option<&str>, custom: bool) -> String {
        let known = |one: &&StandIn| one.tool == tool && one.namespace.as_deref() == namespace;
        if let Some(known) = self.stand_ins.iter().find(known) {
            return known.name.clone();
        }
        let name = name_of(tool, namespace);
        let namespace = namespace.map(str::to_owned);
        self.stand_ins.push(StandIn { name: name.clone(), tool: tool.to_owned(), namespace, custom });
        name
    }

    /// Calls in the conversation are told as the tools are; what a search among tools found is offered.
    fn turns(&mut self, request: &mut ChatRequest) -> Result<(), Malformed> {
        let mut found = Vec::new();
        for message in &mut request.messages {
            message.parts.retain(|part| match &part.body {
                PartBody::Hosted(hosted) if self.target.is_told(hosted) => {
                    found.push(hosted.raw.clone());
                    false
                }
                _ => true,
            });
            for part in &mut message.parts {
                let PartBody::ToolCall(call) = &mut part.body else { continue };
                let namespace = if self.target.to == RESPONSES { None } else { call.namespace.take() };
                if call.custom && (!self.target.takes_text() || namespace.is_some()) {
                    call.custom = false;
                    call.arguments = json!({INPUT: call.arguments}).to_string();
                }
                if namespace.is_some() {
                    call.name = name_of(&call.name, namespace.as_deref());
                }
            }
        }
        request.messages.retain(|message| !message.parts.is_empty() || found.is_empty());
        if !found.is_empty() {
            self.losses.add("input.tool_search", Why::Approximated);
        }
        found.iter().try_for_each(|raw| self.offer_found(raw))
    }

    /// Offers what a search among tools found, once.
    fn offer_found(&mut self, raw: &RawValue) -> Result<(), Malformed> {
        let known = self.tools.len();
        self.offer_within(raw)?;
        for tool in self.tools.split_off(known) {
            let name = |tool: &Tool| if let Tool::Function(function) = tool { Some(function.name.clone()) } else { None };
            if !self.tools.iter().any(|known| name(known).is_some() && name(known) == name(&tool)) {
                self.tools.push(tool);
            }
        }
        Ok(())
    }

    /// The tools without those that only another provider runs.
    fn remaining(&mut self, request: &ChatRequest) -> Vec<Tool> {
        let wanted = wanted(request);
        let target = self.target;
        // One that must be called is for the writer to refuse, but for a search that nobody else has.
        let insisted = |hosted: &Hosted| wanted.as_deref() == Some(&hosted.kind) && !is_offline(hosted);
        let beside = self.tools.iter().any(|tool| !matches!(tool, Tool::Hosted(_)));
        let mut remaining = Vec::new();
        for tool in std::mem::take(&mut self.tools) {
            match tool {
                Tool::Hosted(hosted) if target.may_leave_out(&hosted, beside) && !insisted(&hosted) => {
                    self.losses.dropped(format!("tools.{}", hosted.kind));
                }
                tool => remaining.push(tool),
            }
        }
        remaining
    }

    /// A choice names functions, not what they stand for.
    fn choice(&self, request: &mut ChatRequest) {
        let offered = |name: &str| self.tools.iter().any(|tool| matches!(tool, Tool::Function(function) if function.name == name));
        let rename = |name: &mut String| {
            if !offered(name)
                && let Some(known) = self.stand_ins.iter().find(|known| known.tool == *name)
            {
                name.clone_from(&known.name);
            }
        };
        match &mut request.tool_choice {
            Some(ToolChoice::Tool(name)) => rename(name),
            Some(ToolChoice::Among(names, _)) => names.iter_mut().for_each(rename),
            Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => {}
        }
    }
}

/// The type of the provider's tool that must be called.
fn wanted(request: &ChatRequest) -> Option<String> {
    let (_, raw) = request.extra.of(RESPONSES).iter().find(|(key, _)| key == "tool_choice")?;
    Fields::nested(raw).ok()?.take("type").ok().flatten()
}

/// The name of a tool with its namespace before it. What is cut off is replaced by a checksum.
fn name_of(tool: &str, namespace: Option<&str>) -> String {
    let Some(namespace) = namespace else { return tool.to_owned() };
    let name = format!("{namespace}__{tool}");
    if name.len() <= LONGEST {
        return name;
    }
    let start: String = name.chars().take(LONGEST - 9).collect();
    format!("{start}_{:08x}", crc32fast::hash(name.as_bytes()))
}

/// A function with one text in place of a tool that takes free text.
fn with_text(name: String, description: Option<String>, format: Option<&str>) -> Function {
    let schema = json!({
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The text for the tool, and nothing else."}},
        "required": [INPUT],
        "additionalProperties": false,
    });
    let told = [description, format.and_then(grammar)].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    Function {
        name,
        description: Some(told).filter(|told| !told.is_empty()),
        parameters: json::raw(&schema.to_string()),
        ..Function::default()
    }
}

/// A grammar in words.
fn grammar(format: &str) -> Option<String> {
    let raw: &RawValue = serde_json::from_str(format).ok()?;
    let mut fields = Fields::nested(raw).ok()?;
    let definition: String = fields.take("definition").ok().flatten()?;
    let syntax: String = fields.take("syntax").ok().flatten().unwrap_or_default();
    Some(format!("`{INPUT}` must follow this grammar:\n```{syntax}\n{definition}\n```"))
}

#[cfg(test)]
mod tests;
