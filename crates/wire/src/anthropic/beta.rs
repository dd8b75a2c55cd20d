//! Features that a request must opt into by a header, and its own tools, by what the body holds.

use std::borrow::Cow;
use std::sync::LazyLock;

use http::HeaderMap;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::BETA;
use crate::chat::Hosted;
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::half::Profile;
use crate::json;
use crate::outline::Outline;

/// Features to opt into, by the beginning of a tool's type.
const TOOLS: [(&str, &str); 9] = [
    ("code_execution_20250522", "code-execution-2025-05-22"),
    ("code_execution_20250825", "code-execution-2025-08-25"),
    ("computer_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("web_fetch_20250910", "web-fetch-2025-09-10"),
    ("tool_search_tool_", "advanced-tool-use-2025-11-20"),
    ("memory_20250818", "context-management-2025-06-27"),
    ("advisor_20260301", "advisor-tool-2026-03-01"),
];

static FINDERS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| TOOLS.iter().map(|(start, _)| Finder::new(start)).collect());

/// Fields that may need a feature.
const FIELDS: [&str; 6] = ["mcp_servers", "context_management", "output_format", "container", "safeguards", "speed"];

/// Whether what a field needs is read where it stands.
pub(super) fn is_read(key: &str) -> bool {
    FIELDS.contains(&key)
}

/// The feature that a tool of that type needs.
pub(crate) fn of_tool(kind: &str) -> Option<&'static str> {
    TOOLS.iter().find(|(start, _)| kind.starts_with(start)).map(|(_, beta)| *beta)
}

/// The features that a field of the body needs.
pub(crate) fn of_field(key: &str, value: &RawValue) -> Vec<&'static str> {
    match key {
        _ if value.get() == "null" => Vec::new(),
        "mcp_servers" => vec!["mcp-client-2025-11-20"],
        "output_format" => vec!["structured-outputs-2025-11-13"],
        "container" if value.get().contains("\"skills\"") => vec!["skills-2025-10-02"],
        "context_management" => of_edits(value),
        "safeguards" => vec!["dangerous-tool-use-2026-09-03"],
        "speed" if value.get() == "\"fast\"" => vec!["fast-mode-2026-02-01"],
        _ => Vec::new(),
    }
}

/// Compaction is a feature of its own.
fn of_edits(value: &RawValue) -> Vec<&'static str> {
    #[derive(Deserialize)]
    struct Management<'a> {
        #[serde(borrow, default)]
        edits: Vec<Kind<'a>>,
    }
    let edits = serde_json::from_str::<Management<'_>>(value.get()).map(|management| management.edits).unwrap_or_default();
    let is_compact = |edit: &Kind<'_>| edit.kind.starts_with("compact_");
    let mut betas = Vec::new();
    if edits.iter().any(is_compact) {
        betas.push("compact-2026-01-12");
    }
    if edits.is_empty() || !edits.iter().all(is_compact) {
        betas.push("context-management-2025-06-27");
    }
    betas
}

/// The type of an item.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Whether the provider refuses a feature that its client opted into.
pub(super) fn is_refused(name: &str, profile: &Profile) -> bool {
    profile.betas.contains_key("*") && profile.betas.get(name).is_none_or(String::is_empty)
}

/// The client's features that the provider refuses.
pub(super) fn refused(headers: Option<&HeaderMap>, profile: &Profile) -> Vec<String> {
    said(headers).filter(|name| is_refused(name, profile)).map(str::to_owned).collect()
}

/// The features that a client opted into by its header.
fn said(headers: Option<&HeaderMap>) -> impl Iterator<Item = &str> {
    let values = headers.into_iter().flat_map(|headers| headers.get_all(BETA)).filter_map(|value| value.to_str().ok());
    values.flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// Opts into a feature by the name that the provider has for it, unless a version of it is chosen.
pub(super) fn add(betas: &mut Vec<String>, name: &str, profile: &Profile) {
    if is_refused(name, profile) {
        return;
    }
    let name = profile.betas.get(name).map_or(name, String::as_str);
    let feature = &name[..name.len().saturating_sub("2025-01-01".len())];
    if !name.is_empty() && !betas.iter().any(|known| known.starts_with(feature)) {
        betas.push(name.to_owned());
    }
}

/// The header of a body that passes as it came, where it needs more features than its client opted into, or its provider refuses some.
pub(super) fn header(headers: Option<&HeaderMap>, profile: &Profile, (outline, body): (&Outline, &Frames)) -> Option<String> {
    let mut needed: Vec<&'static str> = Vec::new();
    for entry in outline.entries().iter().filter(|entry| is_read(&entry.key)) {
        let value = body.slice(entry.value.start, entry.value.end);
        if let Ok(value) = serde_json::from_slice::<&RawValue>(&value) {
            needed.extend(of_field(&entry.key, value));
        }
    }
    needed.extend(of_tools(outline, body));
    let before = said(headers).count();
    let mut betas: Vec<String> = said(headers).filter(|name| !is_refused(name, profile)).map(str::to_owned).collect();
    let kept = betas.len();
    needed.iter().for_each(|name| add(&mut betas, name, profile));
    (kept < before || betas.len() > kept).then(|| joined(betas))
}

fn of_tools(outline: &Outline, body: &Frames) -> Vec<&'static str> {
    let Some(tools) = outline.get("tools") else { return Vec::new() };
    let mut listed = Frames::new();
    body.slice_into(tools.value.start, tools.value.end, &mut listed);
    if !FINDERS.iter().any(|finder| listed.has(finder)) {
        return Vec::new();
    }
    let listed = listed.join();
    let tools: Vec<Kind<'_>> = serde_json::from_slice(&listed).unwrap_or_default();
    tools.iter().filter_map(|tool| of_tool(&tool.kind)).collect()
}

/// The value of the header.
pub(super) fn joined(mut betas: Vec<String>) -> String {
    betas.sort_unstable();
    betas.dedup();
    betas.join(",")
}

// === Anthropic's tools in the hands of others ===

/// Whether that is the type of a tool of Anthropic's: a name and a date.
pub(crate) fn is_own_tool(kind: &str) -> bool {
    let Some((name, date)) = kind.rsplit_once('_') else { return false };
    !name.is_empty() && date.len() == 8 && date.starts_with("20") && date.bytes().all(|letter| letter.is_ascii_digit())
}

/// The tool in Anthropic's form: clients of OpenAI's put its name and its fields into a `function`.
pub(crate) fn own_tool(hosted: &Hosted) -> String {
    let raw = || hosted.raw.get().to_owned();
    if hosted.from != Dialect::OpenAiChat {
        return raw();
    }
    let Ok(mut fields) = Fields::nested(&hosted.raw) else { return raw() };
    let Some(Ok(mut function)) = fields.take_raw("function").map(Fields::nested) else { return raw() };
    let parameters = function.take_raw("parameters").and_then(|raw| Fields::nested(raw).ok());
    let flat = json::object(|out| {
        out.extra(&fields.rest(Dialect::OpenAiChat), Dialect::OpenAiChat);
        out.extra(&function.rest(Dialect::OpenAiChat), Dialect::OpenAiChat);
        if let Some(parameters) = parameters {
            out.extra(&parameters.rest(Dialect::OpenAiChat), Dialect::OpenAiChat);
        }
    });
    String::from_utf8(flat).unwrap_or_else(|_| raw())
}
