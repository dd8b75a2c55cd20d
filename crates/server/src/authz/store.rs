//! Stores of vectors: where a key or a team lists those it may search (`object_permission.vector_stores`), it may use no other.

use serde_json::{Value, json};
use switchboard_engine::call::{Call, Content};

use crate::access::texts;
use crate::auth::Caller;
use crate::refused::Refused;

/// Refuses a call that searches other stores than its caller may: those it names itself, those of its tools, and the one in its path.
pub fn allowed(call: &Call, in_path: Option<String>, caller: &Caller) -> Result<(), Refused> {
    if caller.stores.is_empty() {
        return Ok(());
    }
    let read = |name: &str| match &call.content {
        Content::Json(outline) => outline.read::<Value>(&call.body, name).ok().flatten(),
        Content::Form(_) => None,
    };
    let tools = read("tools");
    let of_tools = tools.as_ref().and_then(Value::as_array).into_iter().flatten().flat_map(|tool| texts(tool.get("vector_store_ids")));
    let wanted: Vec<String> = texts(read("vector_store_ids").as_ref()).into_iter().chain(of_tools).chain(in_path).collect();
    for list in &caller.stores {
        if let Some(foreign) = wanted.iter().find(|id| !list.ids.contains(id)) {
            let known: Vec<String> = list.ids.iter().map(|id| format!("'{id}'")).collect();
            let message = format!(
                "User not allowed to access vector store. Tried to access {foreign}. Only allowed to access [{}]",
                known.join(", ")
            );
            let kind = format!("{}_vector_store_access_denied", list.whose);
            return Err(Refused::new(401, &kind, json!("vector_store"), message));
        }
    }
    Ok(())
}
