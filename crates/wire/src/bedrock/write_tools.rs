//! `toolConfig`: what the model may call.

use super::HERE;
use super::pen::{Family, Pen};
use crate::anthropic::beta::own_tool;
use crate::anthropic::client_tool;
use crate::chat::{ChatRequest, Function, Hosted, OutputFormat, PartBody, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::json;
use crate::json::Object;
use crate::loss::Why;

/// Anthropic's own tools that the client runs, and the feature each needs; Converse passes them on in the model's own words.
const CLAUDE_TOOLS: [(&str, &str); 9] = [
    ("computer_20241022", "computer-use-2024-10-22"),
    ("bash_20241022", "computer-use-2024-10-22"),
    ("text_editor_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("bash_20250124", "computer-use-2025-01-24"),
    ("text_editor_20250124", "computer-use-2025-01-24"),
    ("text_editor_20250728", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("memory_20250818", "context-management-2025-06-27"),
];

/// Writes the tools and whether one must be called.
pub(super) fn write(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let used = names_used(request);
    let mut specs = offered(pen, request, !used.is_empty());
    if let (Some(name), OutputFormat::JsonSchema(schema)) = (pen.json_tool.clone(), &request.output) {
        let description = schema.description.clone().unwrap_or_else(|| "Gives the answer. Must be called.".to_owned());
        specs.push(write_spec(&name, Some(&description), schema.schema.get(), None));
    }
    let only_json_tool = pen.json_tool.is_some() && specs.len() == 1;
    if specs.is_empty() && !used.is_empty() && !pen.additional.iter().any(|(key, _)| key == "tools") {
        // The API refuses calls in the conversation without tools beside it.
        pen.losses.add("tools", Why::Approximated);
        for name in used {
            let name = pen.names.tools.tool(name).into_owned();
            specs.push(write_spec(&name, None, EMPTY, None));
        }
    }
    if specs.is_empty() {
        return;
    }
    let choice = write_choice(pen, request, only_json_tool);
    out.object("toolConfig", |out| {
        out.array("tools", |out| specs.iter().for_each(|spec| out.raw(std::str::from_utf8(spec).unwrap_or("null"))));
        if let Some(choice) = choice.as_deref().and_then(|choice| std::str::from_utf8(choice).ok()) {
            out.raw("toolChoice", choice);
        }
    });
}

const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// The tools whose calls or results are in the conversation.
fn names_used(request: &ChatRequest) -> Vec<&str> {
    let mut names = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let name = match &part.body {
            PartBody::ToolCall(call) => call.name.as_str(),
            PartBody::ToolResult(result) => result.name.as_deref().unwrap_or("tool"),
            _ => continue,
        };
        names.push(name);
    }
    // A result says less of its tool than the call does.
    if names.iter().any(|name| *name != "tool") {
        names.retain(|name| *name != "tool");
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn offered(pen: &mut Pen<'_>, request: &ChatRequest, in_use: bool) -> Vec<Vec<u8>> {
    if request.tool_choice == Some(ToolChoice::None) {
        if !in_use {
            return Vec::new();
        }
        pen.losses.add("tool_choice", Why::Approximated);
    }
    let mut specs = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if is_among(request, &function.name) => write_function(&mut specs, pen, function),
            // There are no words for a choice among some.
            Tool::Function(_) => pen.losses.add(format!("tools.{at}"), Why::Approximated),
            Tool::Custom { .. } => pen.refused.add(&format!("tools.{at}"), "this provider knows no tools that take free text"),
            // An answer can do without a search beside functions, unless it is the one tool that must be called.
            Tool::Hosted(hosted) if is_search(hosted) && pen.family != Family::Nova && !is_wanted(request, hosted) => {
                pen.losses.dropped(format!("tools.{}", hosted.kind));
            }
            Tool::Hosted(hosted) => write_hosted(&mut specs, pen, hosted, at),
        }
    }
    specs
}

/// Whether it is another format's search of the web.
fn is_search(hosted: &Hosted) -> bool {
    hosted.from != HERE && (hosted.kind.starts_with("web_search") || hosted.kind.starts_with("googleSearch"))
}

/// Whether a request insists on that tool: it offers no other, or chooses none that it offers.
fn is_wanted(request: &ChatRequest, hosted: &Hosted) -> bool {
    let functions =
        || request.tools.iter().filter_map(|tool| if let Tool::Function(function) = tool { Some(&function.name) } else { None });
    let chosen = match &request.tool_choice {
        Some(ToolChoice::Tool(name)) => !functions().any(|known| known == name),
        _ => false,
    };
    let named =
        request.extra.of(Dialect::OpenAiResponses).iter().any(|(key, raw)| key == "tool_choice" && raw.get().contains(&hosted.kind));
    functions().next().is_none() || chosen || named
}

fn is_among(request: &ChatRequest, name: &str) -> bool {
    match &request.tool_choice {
        Some(ToolChoice::Among(names, _)) => names.iter().any(|known| known == name),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Tool(_)) | None => true,
    }
}

fn write_function(specs: &mut Vec<Vec<u8>>, pen: &mut Pen<'_>, function: &Function) {
    pen.lose(&function.extra);
    let name = pen.names.tools.tool(&function.name).into_owned();
    let schema = function.parameters.as_ref().map(|raw| raw.get().trim()).filter(|schema| !matches!(*schema, "null" | "{}"));
    let mut strict = function.strict.filter(|strict| *strict);
    // Other formats than those of these models ask it of any schema, and these take it of few.
    let fits = matches!(function.extra.from(), Some(HERE | Dialect::Anthropic));
    if strict.is_some() && (pen.profile.json_schema != Some(true) || !fits) {
        strict = None;
        pen.losses.add("tools.strict", Why::NoEquivalent);
    }
    specs.push(write_spec(&name, function.description.as_deref(), schema.unwrap_or(EMPTY), strict));
    specs.extend(function.cache.as_ref().and_then(|mark| pen.cache_point(mark, true)));
}

fn write_spec(name: &str, description: Option<&str>, schema: &str, strict: Option<bool>) -> Vec<u8> {
    json::object(|out| {
        out.object("toolSpec", |out| {
            out.field("name", name);
            out.option("description", description.filter(|text| !text.trim().is_empty()));
            out.object("inputSchema", |out| out.raw("json", schema));
            out.option("strict", strict);
        });
    })
}

fn write_hosted(specs: &mut Vec<Vec<u8>>, pen: &mut Pen<'_>, hosted: &Hosted, at: usize) {
    if hosted.from == HERE {
        specs.push(hosted.raw.get().as_bytes().to_vec());
    } else if pen.family == Family::Nova && hosted.kind.starts_with("web_search") {
        // Nova's grounding is its search of the web; it has no knobs.
        pen.losses.add(format!("tools.{at}"), Why::Approximated);
        specs.push(br#"{"systemTool":{"name":"nova_grounding"}}"#.to_vec());
    } else if let Some((_, beta)) = CLAUDE_TOOLS.iter().find(|(kind, _)| *kind == hosted.kind).filter(|_| pen.family == Family::Claude) {
        pen.beta(beta);
        add_claude_tool(pen, &own_tool(hosted));
    } else if pen.family == Family::Claude && hosted.kind.starts_with("tool_search_tool_") {
        // Converse has no search among tools; without it all are offered.
        pen.losses.dropped(format!("tools.{at}"));
    } else if let Some(function) = client_tool::function(hosted) {
        write_function(specs, pen, &function);
    } else {
        pen.refused.add(&format!("tools.{at}"), &format!("this provider does not run the tool `{}`", hosted.kind));
    }
}

fn add_claude_tool(pen: &mut Pen<'_>, tool: &str) {
    let earlier = pen.additional.iter().find(|(key, _)| key == "tools").map(|(_, list)| list.clone());
    let mut list = earlier.unwrap_or_else(|| b"[]".to_vec());
    list.pop();
    if list.len() > 1 {
        list.push(b',');
    }
    list.extend_from_slice(tool.as_bytes());
    list.push(b']');
    pen.add_raw("tools", list);
}

fn write_choice(pen: &mut Pen<'_>, request: &ChatRequest, only_json_tool: bool) -> Option<Vec<u8>> {
    let any = || Some(br#"{"any":{}}"#.to_vec());
    let tool = |name: &str| Some(json::object(|out| out.object("tool", |out| out.field("name", name))));
    let choice = match (&pen.json_tool, &request.tool_choice) {
        (Some(name), _) if only_json_tool => tool(name),
        (_, Some(ToolChoice::Tool(name))) => {
            let name = pen.names.tools.tool(name).into_owned();
            tool(&name)
        }
        (Some(_), _) | (None, Some(ToolChoice::Required | ToolChoice::Among(_, true))) => any(),
        (None, Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Among(_, false)) | None) => None,
    };
    if request.parallel_tools == Some(false) && !only_json_tool {
        if choice.is_none() && pen.family == Family::Claude {
            pen.add_object("tool_choice", |out| {
                out.text("type", "auto");
                out.field("disable_parallel_tool_use", &true);
            });
        } else {
            pen.losses.dropped("parallel_tool_calls");
        }
    }
    choice
}
