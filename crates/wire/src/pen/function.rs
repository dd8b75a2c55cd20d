//! The functions that are offered to a model, for APIs that took over OpenAI's form of them but not all that may be said of them.

use super::{Refusal, knob};
use crate::chat::{ChatRequest, Function, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::json::Array;
use crate::loss::{Losses, Why};

/// The functions to offer: all, or those that may be called, where the API cannot say otherwise which they are.
pub(crate) fn offered<'a>(losses: &mut Losses, refused: &mut Refusal, request: &'a ChatRequest, here: Dialect) -> Vec<&'a Function> {
    let is_chosen = |name: &String| match &request.tool_choice {
        Some(ToolChoice::Tool(chosen)) => name == chosen,
        Some(ToolChoice::Among(chosen, _)) => chosen.contains(name),
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => true,
    };
    let mut functions = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if is_chosen(&function.name) => functions.push(function),
            Tool::Function(_) => losses.add("tools", Why::Approximated),
            Tool::Custom { .. } => refused.add(&format!("tools.{at}"), "this provider knows no tools that take free text"),
            Tool::Hosted(hosted) => refused.add(&format!("tools.{at}"), &format!("this provider does not run the tool `{}`", hosted.kind)),
        }
    }
    for function in &functions {
        knob::lose_foreign(losses, &function.extra, here);
    }
    functions
}

/// Writes a function; one without parameters takes an empty object.
pub(crate) fn write(out: &mut Array<'_>, function: &Function) {
    out.object(|out| {
        out.text("type", "function");
        out.object("function", |out| {
            out.field("name", &function.name);
            out.option("description", function.description.as_ref());
            let schema = function.parameters.as_ref().map(|raw| raw.get()).filter(|schema| *schema != "null");
            out.raw("parameters", schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
        });
    });
}
