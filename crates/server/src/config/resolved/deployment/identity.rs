//! The identity of a deployment that does not say its own.

use std::fmt::Write;

use ring::digest;

use crate::config::yaml::{Node, Value};

/// SHA-256 of the name and the parameters as written. References to variables count by name, so the identity outlives a
/// change of key; `copy` tells apart deployments that are written alike.
pub(super) fn identity(model_name: &str, params: &Node, copy: usize) -> String {
    let mut text = String::new();
    write_text(model_name, &mut text);
    canonical(params, &mut text);
    if copy > 0 {
        let _ = write!(text, "#{copy}");
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hex::encode(digest)
}

/// One text per value, whatever the order of keys.
fn canonical(node: &Node, out: &mut String) {
    if let Some(variable) = &node.variable {
        out.push('$');
        return write_text(variable, out);
    }
    match &node.value {
        Value::Null | Value::Unset => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number),
        Value::Text(text) => write_text(text, out),
        Value::List(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.entries.iter().collect();
            entries.sort_by(|left, right| left.name.cmp(&right.name));
            out.push('{');
            for entry in entries {
                write_text(&entry.name, out);
                out.push(':');
                canonical(&entry.node, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// With its length in front, so that no two values share a text.
fn write_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}\"{text}\"", text.len());
}
