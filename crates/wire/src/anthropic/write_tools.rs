//! Tools and the choice among them.

use serde_json::value::RawValue;

use super::pen::Pen;
use super::write_blocks::write_cache;
use super::{HERE, beta, schema};
use crate::chat::{BESIDE_FUNCTION, ChatRequest, Function, Hosted, JsonSchema, OutputFormat, Tool, ToolChoice};
use crate::fields::Fields;
use crate::json::{Array, Object};
use crate::loss::Why;

/// Writes `tools` and `tool_choice`.
pub(super) fn write(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest) {
    let offered = offered(pen, request);
    if !offered.is_empty() || pen.json_tool.is_some() {
        out.array("tools", |out| {
            for tool in &offered {
                write_tool(out, pen, tool);
            }
            if let (Some(name), OutputFormat::JsonSchema(schema)) = (&pen.json_tool, &request.output) {
                out.object(|out| write_json_tool(out, name, schema));
            }
        });
    }
    write_choice(out, pen, request, offered.is_empty());
}

/// The tools that may be called: a choice among some is sent as those alone.
fn offered<'a>(pen: &mut Pen<'_>, request: &'a ChatRequest) -> Vec<&'a Tool> {
    let Some(ToolChoice::Among(names, _)) = &request.tool_choice else { return request.tools.iter().collect() };
    pen.losses.add("tool_choice", Why::Approximated);
    let is_among = |tool: &&Tool| match tool {
        Tool::Function(function) => names.contains(&function.name),
        Tool::Custom { name, .. } => names.contains(name),
        Tool::Hosted(hosted) => names.contains(&hosted.kind),
    };
    request.tools.iter().filter(is_among).collect()
}

fn write_tool(out: &mut Array<'_>, pen: &mut Pen<'_>, tool: &Tool) {
    match tool {
        Tool::Function(function) => out.object(|out| write_function(out, pen, function)),
        Tool::Custom { name, .. } => {
            pen.refused.add("tools", &format!("`{name}` takes free text, and this provider's tools take JSON alone"));
        }
        Tool::Hosted(hosted) if hosted.from == HERE || beta::is_own_tool(&hosted.kind) => {
            if let Some(beta) = beta::of_tool(&hosted.kind) {
                pen.beta(beta);
            }
            out.raw(&beta::own_tool(hosted));
        }
        Tool::Hosted(hosted) if is_web_search(&hosted.kind) => {
            pen.losses.add(hosted.kind.clone(), Why::Approximated);
            out.object(|out| write_web_search(out, &hosted.raw));
        }
        Tool::Hosted(Hosted { kind, .. }) => {
            pen.refused.add("tools", &format!("`{kind}` is a tool that another provider runs"));
        }
    }
}

fn write_function(out: &mut Object<'_>, pen: &mut Pen<'_>, function: &Function) {
    out.field("name", &pen.names.tool(&function.name));
    out.option("description", function.description.as_ref());
    schema::write_input(out, function.parameters.as_deref());
    match function.strict {
        Some(strict) if pen.native => out.field("strict", &strict),
        // Other formats ask it of tools by the dozen and of any schema; this API takes few, of schemas in its own part of the language.
        Some(true) => pen.losses.dropped("tools.strict"),
        Some(false) | None => {}
    }
    write_cache(out, function.cache.as_ref());
    for (key, value) in function.extra.fields() {
        let is_known = BESIDE_FUNCTION.contains(&key.as_str()) && !is_openais(key, value);
        if function.extra.from() == Some(HERE) || is_known {
            out.raw(key, value.get());
        } else {
            pen.losses.dropped(key.clone());
        }
    }
}

/// Whether that says in OpenAI's words by whom the function may be called; the field is of one name in both vendors' APIs.
fn is_openais(key: &str, value: &RawValue) -> bool {
    key == "allowed_callers" && value.get().contains("\"programmatic\"")
}

fn write_json_tool(out: &mut Object<'_>, name: &str, schema: &JsonSchema) {
    let purpose = schema.description.as_deref().unwrap_or("Gives the answer. Call this tool, once, to answer.");
    out.field("name", name);
    out.field("description", purpose);
    schema::write_input(out, Some(&schema.schema));
}

fn is_web_search(kind: &str) -> bool {
    kind.contains("web_search") || matches!(kind, "googleSearch" | "google_search" | "google_search_retrieval")
}

/// Writes a web search of another vendor's. Where the user is and which sites count is said alike or nearly so.
fn write_web_search(out: &mut Object<'_>, raw: &RawValue) {
    out.text("type", "web_search_20250305");
    out.text("name", "web_search");
    let Ok(mut fields) = Fields::nested(raw) else { return };
    let options = fields.take_raw("web_search_options").and_then(|raw| Fields::nested(raw).ok());
    let mut fields = options.unwrap_or(fields);
    if let Some(sites) = fields
        .take_raw("filters")
        .and_then(|raw| Fields::nested(raw).ok()?.take_raw("allowed_domains"))
        .filter(|sites| sites.get() != "null")
    {
        out.raw("allowed_domains", sites.get());
    }
    let Some(Ok(mut place)) = fields.take_raw("user_location").map(Fields::nested) else { return };
    if let Some(Ok(inner)) = place.take_raw("approximate").map(Fields::nested) {
        place = inner;
    }
    out.object("user_location", |out| {
        out.text("type", "approximate");
        for key in ["city", "region", "country", "timezone"] {
            if let Some(value) = place.take_raw(key).filter(|raw| raw.get() != "null") {
                out.raw(key, value.get());
            }
        }
    });
}

fn write_choice(out: &mut Object<'_>, pen: &mut Pen<'_>, request: &ChatRequest, no_tools: bool) {
    if request.extra.of(HERE).iter().any(|(key, _)| key == "tool_choice") {
        return;
    }
    let serial = request.parallel_tools.map(|parallel| !parallel);
    if let Some(json_tool) = &pen.json_tool {
        let free = no_tools || request.tool_choice == Some(ToolChoice::None);
        out.object("tool_choice", |out| match free {
            true => {
                out.text("type", "tool");
                out.field("name", json_tool);
            }
            false => {
                out.text("type", "any");
                out.option("disable_parallel_tool_use", serial.filter(|serial| *serial));
            }
        });
        return;
    }
    if no_tools && !pen.native {
        return;
    }
    let choice = match &request.tool_choice {
        Some(choice) => choice,
        None if serial == Some(true) => &ToolChoice::Auto,
        None => return,
    };
    out.object("tool_choice", |out| {
        let kind = match choice {
            ToolChoice::Auto | ToolChoice::Among(_, false) => "auto",
            ToolChoice::None => "none",
            ToolChoice::Required | ToolChoice::Among(_, true) => "any",
            ToolChoice::Tool(_) => "tool",
        };
        out.field("type", kind);
        if let ToolChoice::Tool(name) = choice {
            out.field("name", &pen.names.tool(name));
        }
        if kind != "none" {
            out.option("disable_parallel_tool_use", serial.filter(|serial| *serial || pen.native));
        }
    });
}
