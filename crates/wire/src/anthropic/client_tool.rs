//! Tools of Anthropic's that the client runs, as the functions they are: a call of one is a call like any other.

use serde_json::{Value, json};

use super::HERE;
use super::read_blocks::take_cache;
use crate::chat::{Function, Hosted};
use crate::fields::Fields;
use crate::json;

/// The function that such a tool is; `None` for any other.
pub(crate) fn function(hosted: &Hosted) -> Option<Function> {
    let (kind, version) = hosted.kind.rsplit_once('_').filter(|_| hosted.from == HERE)?;
    let (description, schema) = match kind {
        "bash" => ("Runs a command in a shell, whose state stays between calls.", bash()),
        "text_editor" => ("Shows, makes and changes files.", editor(version)),
        "memory" => ("Shows, makes and changes files in the directory /memories, which stay between conversations.", memory()),
        _ => return None,
    };
    let mut fields = Fields::nested(&hosted.raw).ok()?;
    fields.take_raw("type");
    let most = fields.take_count("max_characters").ok().flatten();
    let most = most.map(|most| format!(" What is shown of a file is cut after {most} characters.")).unwrap_or_default();
    Some(Function {
        name: fields.take("name").ok().flatten()?,
        description: Some(format!("{description}{most}")),
        parameters: json::raw(&schema.to_string()),
        strict: fields.take("strict").ok().flatten(),
        cache: take_cache(&mut fields).ok().flatten(),
        extra: fields.rest(HERE),
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn bash() -> Value {
    let restart = json!({"type": "boolean", "description": "Whether to start the shell anew instead."});
    object(json!({"command": text("The command to run."), "restart": restart}), &[])
}

/// What both tools on files can do: `inserted` is what they call the text that is put in.
fn files(commands: &[&str], inserted: &str) -> serde_json::Map<String, Value> {
    let line = json!({"type": "integer", "description": "For `insert`: the line after which the text goes, 0 for the beginning."});
    let range = json!({
        "type": "array", "items": {"type": "integer"},
        "description": "For `view` of a file: the first and the last line, from 1 on; -1 is the end.",
    });
    let said = match inserted {
        "new_str" => "For `str_replace` and `insert`: the new text.",
        _ => "For `insert`: the new text.",
    };
    let mut properties = serde_json::Map::new();
    properties.insert("command".to_owned(), json!({"type": "string", "enum": commands, "description": "What to do."}));
    properties.insert("path".to_owned(), text("The absolute path of the file or directory."));
    properties.insert("file_text".to_owned(), text("For `create`: what the file holds."));
    properties.insert("old_str".to_owned(), text("For `str_replace`: the text to replace, which must occur once."));
    properties.insert("new_str".to_owned(), text("For `str_replace`: what takes its place."));
    properties.insert("insert_line".to_owned(), line);
    properties.insert("view_range".to_owned(), range);
    properties.insert(inserted.to_owned(), text(said));
    properties
}

/// The versions before that of Claude 4 undo changes, and say `new_str` for whatever is new.
fn editor(version: &str) -> Value {
    let properties = match version {
        "20241022" | "20250124" => files(&["view", "create", "str_replace", "insert", "undo_edit"], "new_str"),
        _ => files(&["view", "create", "str_replace", "insert"], "insert_text"),
    };
    object(properties.into(), &["command", "path"])
}

fn memory() -> Value {
    let mut properties = files(&["view", "create", "str_replace", "insert", "delete", "rename"], "insert_text");
    properties.insert("old_path".to_owned(), text("For `rename`: where it is."));
    properties.insert("new_path".to_owned(), text("For `rename`: where it goes."));
    object(properties.into(), &["command"])
}
