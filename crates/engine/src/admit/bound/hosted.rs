//! Tools that the provider runs itself: what they bring in, the model reads, and nobody sees it before.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::call::{Call, Content, amount};
use crate::catalog::Component;
use crate::deployment::Deployment;

/// How often such tools are used in one answer, where nobody says.
const USES: u64 = 20;
/// Tokens that one use brings in.
const BROUGHT: u64 = 10_000;
/// Pictures that are drawn for one answer, and tokens of the largest of the best.
const DRAWINGS: u64 = 4;
const DRAWN: u64 = 6_600;
/// Tools that the client runs, by their types, and by how those begin.
const CLIENTS: [&str; 5] = ["function", "custom", "namespace", "local_shell", "apply_patch"];
const CLIENTS_BEGIN: [&str; 5] = ["bash_", "text_editor_", "computer", "memory_", "tool_search"];
/// Parts of a list of tools that are no tools of the provider's, where tools have no types.
const DECLARED: [&str; 6] = ["functionDeclarations", "function_declarations", "computerUse", "computer_use", "toolSpec", "cachePoint"];
/// The words by which a tool is known that looks something up.
const LOOKING: [&str; 4] = ["search", "fetch", "maps", "retrieval"];
/// The word by which maps are.
const MAPS: &str = "maps";
/// Fields in which a search may be asked for.
const SEARCHING: [&str; 5] = ["web_search_options", "plugins", "search_parameters", "enable_search", "connectors"];
/// Fields in which other such tools are.
const RUNNING: [&str; 2] = ["mcp_servers", "container"];

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// What the provider may do beside answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hosted {
    /// Tokens that its tools bring in.
    pub(super) brought: u64,
    /// Searches.
    pub(super) searches: u64,
    /// Look-ups in maps.
    pub(super) maps: u64,
    /// Pictures that another model draws.
    pub(super) drawings: u64,
    /// Containers in which code runs.
    pub(super) containers: u64,
}

/// The list of tools, or the one there is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tools {
    Many(Vec<Value>),
    One(Value),
}

/// What tools without a limit of their own share, and what those with one may do.
#[derive(Default)]
struct Tally {
    limited: Hosted,
    runs: bool,
    searches: bool,
    maps: bool,
    draws: bool,
    codes: bool,
    /// The most that one use of those without a limit brings in.
    brings: u64,
}

impl Hosted {
    /// What that call asks for, or its deployment for it.
    pub(super) fn of(call: &Call, target: &Deployment) -> Self {
        let mut tally = Tally::default();
        let own = target.spec.set.iter().chain(&target.spec.defaults);
        for (key, json) in own {
            tally.see(key, json.as_bytes());
        }
        if let Content::Json(outline) = &call.content {
            for entry in outline.entries() {
                if is_of_interest(&entry.key) {
                    tally.see(&entry.key, &call.body.slice(entry.value.start, entry.value.end));
                }
            }
        }
        if call.model.ends_with(":online") {
            tally.unlimited(true, 0);
        }
        tally.total()
    }

    /// Whether it does what may have a price of its own.
    pub(super) fn is_paid(&self) -> bool {
        [self.searches, self.maps, self.drawings, self.containers].into_iter().any(|count| count > 0)
    }

    /// What is paid for it beside what it brings in, for a prompt of so many tokens.
    pub(super) fn cost(&self, prompt: u64, cost: impl Fn(Component, u64) -> i128) -> i128 {
        use Component as C;
        if !self.is_paid() {
            return 0;
        }
        let searches = [C::SearchHigh, C::SearchMedium, C::SearchLow, C::FileSearch].map(|search| cost(search, self.searches));
        let read = self.drawings.saturating_mul(prompt);
        let parts = [
            searches.into_iter().max().unwrap_or(0),
            cost(C::MapsQuery, self.maps),
            cost(C::CodeSession, self.containers),
            cost(C::DrawingText, read).max(cost(C::DrawingImage, read)),
            cost(C::DrawingOutput, self.drawings.saturating_mul(DRAWN)),
        ];
        parts.into_iter().fold(0, i128::saturating_add)
    }

    /// One that searches whatever it is asked. What one search finds is in its price; who goes through many reads them.
    pub(super) fn searching(self, searches: u64) -> Self {
        let read = if searches > 1 { searches.saturating_mul(BROUGHT) } else { 0 };
        Self { brought: self.brought.max(read), searches: self.searches.max(searches), ..self }
    }
}

fn is_of_interest(key: &str) -> bool {
    matches!(key, "tools" | "toolConfig" | "tool_config") || SEARCHING.contains(&key) || RUNNING.contains(&key)
}

impl Tally {
    fn see(&mut self, key: &str, json: &[u8]) {
        match key {
            "tools" => self.tools(json),
            "toolConfig" | "tool_config" => {
                let config: Option<Fields<'_>> = serde_json::from_slice(json).ok();
                if let Some(tools) = config.as_ref().and_then(|config| config.get("tools")) {
                    self.tools(tools.get().as_bytes());
                }
            }
            _ if matches!(json, b"null" | b"false" | b"[]") => {}
            "search_parameters" if is_off(json) => {}
            _ if SEARCHING.contains(&key) => self.unlimited(true, 0),
            _ if RUNNING.contains(&key) => self.unlimited(false, 0),
            _ => {}
        }
    }

    fn tools(&mut self, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(Tools::Many(tools)) => tools.iter().for_each(|tool| self.tool(tool)),
            Ok(Tools::One(tool)) => self.tool(&tool),
            Err(_) => self.unlimited(true, 0),
        }
    }

    fn tool(&mut self, tool: &Value) {
        let Value::Object(tool) = tool else { return };
        let said: Vec<&str> = tool.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()).collect();
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_clients = CLIENTS.contains(&kind) || CLIENTS_BEGIN.iter().any(|begin| kind.starts_with(begin));
        let looks = |name: &str| LOOKING.iter().any(|word| name.to_ascii_lowercase().contains(word));
        let (runs, searches) = match kind {
            _ if is_clients => (false, false),
            "" if said.contains(&"name") || said.contains(&"function") => (false, false),
            "" => {
                let hosted = || said.iter().filter(|key| !DECLARED.contains(key));
                (hosted().next().is_some(), hosted().any(|key| looks(key)))
            }
            kind => (true, looks(kind)),
        };
        if !runs {
            return;
        }
        self.maps |= said.iter().any(|key| key.to_ascii_lowercase().contains(MAPS));
        self.draws |= kind == "image_generation";
        self.codes |= kind == "code_interpreter";
        let brings = tool.get("max_content_tokens").and_then(amount).unwrap_or(0).max(BROUGHT);
        match tool.get("max_uses").and_then(amount).filter(|uses| *uses > 0) {
            Some(uses) => {
                self.limited.brought = self.limited.brought.saturating_add(brings.saturating_mul(uses));
                self.limited.searches = self.limited.searches.saturating_add(if searches { uses } else { 0 });
            }
            None => self.unlimited(searches, brings),
        }
    }

    fn unlimited(&mut self, searches: bool, brings: u64) {
        self.runs = true;
        self.searches |= searches;
        self.brings = self.brings.max(brings).max(BROUGHT);
    }

    fn total(&self) -> Hosted {
        let brought = if self.runs { self.brings.saturating_mul(USES) } else { 0 };
        Hosted {
            brought: self.limited.brought.saturating_add(brought),
            searches: self.limited.searches.saturating_add(if self.searches { USES } else { 0 }),
            maps: if self.maps { USES } else { 0 },
            drawings: if self.draws { DRAWINGS } else { 0 },
            containers: u64::from(self.codes),
        }
    }
}

/// Whether a search is described that is not to be made.
fn is_off(json: &[u8]) -> bool {
    let fields: Option<Value> = serde_json::from_slice(json).ok();
    fields.is_some_and(|fields| fields["mode"] == "off")
}
