//! A search of the web by the provider, asked for in OpenRouter's words: `model:online`, the plugin `web`, or the tool
//! `openrouter:web_search`, which says the same as the plugin.
//!
//! The gateway searches nothing itself. It writes the search into the request as the client's own format says it, and that goes to
//! every provider that has one, in that provider's words. A deployment whose model is not known to search is no candidate
//! ([`crate::route::Reason::Search`]): an answer that only looks as if it had been looked up is worse than none.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use switchboard_wire::control::is_steering;
use switchboard_wire::outline::Edits;
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::Deployment;

/// What ends the name of a model that is to search.
const VARIANT: &str = ":online";
const PLUGINS: &str = "plugins";
const WEB: &str = "web";
/// What begins the types of tools that OpenRouter runs itself, and the search among them.
const OURS: &str = "openrouter:";
const SEARCH: &str = "openrouter:web_search";
/// What the tool and the plugin call the same.
const PARAMETERS: [(&str, &str); 6] = [
    ("engine", "engine"),
    ("max_uses", "max_uses"),
    ("allowed_domains", "include_domains"),
    ("excluded_domains", "exclude_domains"),
    ("search_context_size", "search_context_size"),
    ("user_location", "user_location"),
];
const TOOLS: &str = "tools";
const CHOICE: &str = "tool_choice";
/// Engines that are the provider's own search, or may be.
const ENGINES: [&str; 2] = ["native", "auto"];
/// Anthropic's tool for it.
const TOOL: &str = "web_search_20250305";

/// The plugin as clients write it. How many results a provider reads, and in which words it is shown them, is its own affair.
#[derive(Debug, Default, Deserialize)]
struct Plugin {
    id: String,
    enabled: Option<bool>,
    engine: Option<String>,
    max_uses: Option<u64>,
    search_context_size: Option<String>,
    include_domains: Option<Vec<String>>,
    exclude_domains: Option<Vec<String>>,
    user_location: Option<Map<String, Value>>,
}

/// Whether the call asks for a search.
pub fn is_wanted(call: &Call) -> bool {
    call.model.ends_with(VARIANT) || matches!(plugin(call), Ok(Some(_))) || !tools(call).iter().all(Tool::is_others)
}

/// A tool of the call's, as written, and what it says of itself.
struct Tool {
    raw: Box<RawValue>,
    kind: String,
}

impl Tool {
    fn is_others(&self) -> bool {
        !self.kind.starts_with(OURS)
    }
}

/// The call's tools, if one of them may be OpenRouter's.
fn tools(call: &Call) -> Vec<Tool> {
    #[derive(Deserialize)]
    struct Kind {
        r#type: Option<String>,
    }
    let Content::Json(outline) = &call.content else { return Vec::new() };
    let Some(entry) = outline.get(TOOLS).filter(|_| is_steering(call.door.dialect, PLUGINS)) else { return Vec::new() };
    let raw = call.body.slice(entry.value.start, entry.value.end);
    if memchr::memmem::find(&raw, OURS.as_bytes()).is_none() {
        return Vec::new();
    }
    let list: Vec<Box<RawValue>> = serde_json::from_slice(&raw).unwrap_or_default();
    let kind = |raw: &RawValue| serde_json::from_str::<Kind>(raw.get()).ok()?.r#type;
    list.into_iter().map(|raw| Tool { kind: kind(&raw).unwrap_or_default(), raw }).collect()
}

/// The call with its tool for searches said as the plugin.
fn as_plugin(call: Call) -> Result<Call, Problem> {
    let tools = tools(&call);
    let ours: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_others()).collect();
    let Some(first) = ours.first() else { return Ok(call) };
    if let Some(tool) = ours.iter().find(|tool| tool.kind != SEARCH) {
        let message = format!("this gateway does not run the tool `{}`; of OpenRouter's it has `{SEARCH}`", tool.kind);
        return Err(Problem::new(Kind::Unsupported, message).with_param(TOOLS));
    }
    let Content::Json(outline) = &call.content else { return Ok(call) };
    let mut plugins: Vec<Value> = outline.read(&call.body, PLUGINS)?.unwrap_or_default();
    plugins.retain(|plugin| plugin["id"] != WEB);
    plugins.push(plugin_of(&first.raw));
    let rest: Vec<&str> = tools.iter().filter(|tool| tool.is_others()).map(|tool| tool.raw.get()).collect();
    let chosen = outline.read::<Value>(&call.body, CHOICE)?.is_some_and(|choice| choice["type"] == SEARCH);
    let mut edits = Edits { set: vec![(PLUGINS.to_owned(), Value::Array(plugins).to_string())], ..Edits::default() };
    if rest.is_empty() {
        edits.remove.push(TOOLS.to_owned());
    } else {
        edits.set.push((TOOLS.to_owned(), format!("[{}]", rest.join(","))));
    }
    if chosen || rest.is_empty() {
        edits.remove.push(CHOICE.to_owned());
    }
    Ok(call.edited(&edits)?)
}

/// The tool's parameters in the plugin's words.
fn plugin_of(tool: &RawValue) -> Value {
    let tool: Value = serde_json::from_str(tool.get()).unwrap_or_default();
    let mut plugin = json!({"id": WEB});
    for (said, known) in PARAMETERS {
        let value = tool["parameters"].get(said).filter(|value| !value.is_null());
        value.into_iter().for_each(|value| plugin[known] = value.clone());
    }
    plugin
}

/// The plugin, where the call has it.
fn plugin(call: &Call) -> Result<Option<Plugin>, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    if outline.get(PLUGINS).is_none() || !is_steering(call.door.dialect, PLUGINS) {
        return Ok(None);
    }
    let plugins: Vec<Plugin> = outline.read(&call.body, PLUGINS)?.unwrap_or_default();
    Ok(plugins.into_iter().find(|plugin| plugin.id == WEB && plugin.enabled != Some(false)))
}

/// The call with the search written into it, if it asks for one. `target` is a deployment that may answer it.
pub fn applied(call: Call, target: Option<&Deployment>) -> Result<Call, Problem> {
    if call.door.operation != Operation::Chat {
        return Ok(call);
    }
    // Another gateway gets the words as they are, and knows what they mean.
    let passes = target.is_some_and(|target| target.gateway);
    let call = if passes { call } else { as_plugin(call)? };
    let plugin = match plugin(&call)? {
        Some(plugin) => plugin,
        None if call.model.ends_with(VARIANT) => Plugin::default(),
        None => return Ok(call),
    };
    if passes {
        return Ok(call);
    }
    if let Some(engine) = plugin.engine.as_deref().filter(|engine| !ENGINES.contains(engine)) {
        let message = format!("this gateway searches by the providers' own means: `{engine}` is not among them, `native` is");
        return Err(Problem::new(Kind::Unsupported, message).with_param(PLUGINS));
    }
    let edits = match call.door.dialect {
        Dialect::OpenAiChat => options(&plugin),
        Dialect::OpenAiResponses => with_tool(&call, in_responses(&plugin))?,
        Dialect::Anthropic => with_tool(&call, in_messages(&plugin))?,
        dialect => {
            let message = format!("a search of the web cannot be asked for in a request of the form `{dialect}`");
            return Err(Problem::new(Kind::Unsupported, message).with_param(PLUGINS));
        }
    };
    Ok(call.edited(&edits)?)
}

/// As a chat says it.
fn options(plugin: &Plugin) -> Edits {
    let mut options = Map::new();
    if let Some(size) = &plugin.search_context_size {
        options.insert("search_context_size".to_owned(), json!(size));
    }
    if let Some(place) = &plugin.user_location {
        options.insert("user_location".to_owned(), json!({"type": "approximate", "approximate": inner(place)}));
    }
    if let Some(filters) = filters(plugin) {
        options.insert("filters".to_owned(), filters);
    }
    // What the client says of its search itself stands.
    Edits { default: vec![("web_search_options".to_owned(), Value::Object(options).to_string())], ..Edits::default() }
}

fn in_responses(plugin: &Plugin) -> Value {
    let mut tool = json!({"type": "web_search"});
    if let Some(size) = &plugin.search_context_size {
        tool["search_context_size"] = json!(size);
    }
    if let Some(place) = &plugin.user_location {
        tool["user_location"] = located(place);
    }
    if let Some(filters) = filters(plugin) {
        tool["filters"] = filters;
    }
    tool
}

fn in_messages(plugin: &Plugin) -> Value {
    let mut tool = json!({"type": TOOL, "name": "web_search"});
    if let Some(most) = plugin.max_uses {
        tool["max_uses"] = json!(most);
    }
    if let Some(place) = &plugin.user_location {
        tool["user_location"] = located(place);
    }
    for (name, domains) in [("allowed_domains", &plugin.include_domains), ("blocked_domains", &plugin.exclude_domains)] {
        if let Some(domains) = domains {
            tool[name] = json!(domains);
        }
    }
    tool
}

/// A place is written around once more in chats than elsewhere; clients write either.
fn inner(place: &Map<String, Value>) -> Map<String, Value> {
    let mut inner = place.get("approximate").and_then(Value::as_object).unwrap_or(place).clone();
    inner.remove("type");
    inner
}

fn located(place: &Map<String, Value>) -> Value {
    let mut place = inner(place);
    place.insert("type".to_owned(), json!("approximate"));
    Value::Object(place)
}

fn filters(plugin: &Plugin) -> Option<Value> {
    let mut filters = Map::new();
    for (name, domains) in [("allowed_domains", &plugin.include_domains), ("blocked_domains", &plugin.exclude_domains)] {
        filters.extend(domains.as_ref().map(|domains| (name.to_owned(), json!(domains))));
    }
    (!filters.is_empty()).then_some(Value::Object(filters))
}

/// One more tool, unless the client has that one already.
fn with_tool(call: &Call, tool: Value) -> Result<Edits, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(Edits::default()) };
    let mut tools: Vec<Value> = outline.read(&call.body, TOOLS)?.unwrap_or_default();
    let searches = |tool: &Value| tool["type"].as_str().is_some_and(|kind| kind.starts_with("web_search"));
    if tools.iter().any(searches) {
        return Ok(Edits::default());
    }
    tools.push(tool);
    Ok(Edits { set: vec![(TOOLS.to_owned(), Value::Array(tools).to_string())], ..Edits::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied_to(dialect: Dialect, body: Value) -> Result<Value, String> {
        let call = Call::chat(dialect, body.to_string()).expect("a call");
        let call = applied(call, None).map_err(|problem| problem.message)?;
        Ok(serde_json::from_slice(&call.body.join()).expect("JSON"))
    }

    #[test]
    fn each_form_says_a_search_in_its_own_words() {
        let web = json!([{"id": "response-healing"}, {"id": "web", "max_uses": 2, "include_domains": ["a.example"]}]);
        let chat = applied_to(Dialect::OpenAiChat, json!({"model": "m", "messages": [], "plugins": web})).expect("applied");
        assert_eq!(chat["web_search_options"], json!({"filters": {"allowed_domains": ["a.example"]}}));
        let own = json!({"type": "function", "name": "f"});
        let responses = applied_to(Dialect::OpenAiResponses, json!({"model": "m", "input": "x", "tools": [own], "plugins": web}));
        let search = json!({"type": "web_search", "filters": {"allowed_domains": ["a.example"]}});
        assert_eq!(responses.expect("applied")["tools"], json!([own, search]));
        let messages = applied_to(Dialect::Anthropic, json!({"model": "m:online", "messages": []})).expect("applied");
        assert_eq!(messages["tools"], json!([{"type": TOOL, "name": "web_search"}]));
    }

    #[test]
    fn what_the_client_says_itself_stands() {
        let said = json!({"search_context_size": "low"});
        let chat = applied_to(Dialect::OpenAiChat, json!({"model": "m:online", "messages": [], "web_search_options": said}));
        assert_eq!(chat.expect("applied")["web_search_options"], said);
        let body = json!({"model": "m", "messages": [], "plugins": [{"id": "web", "enabled": false}]});
        assert_eq!(applied_to(Dialect::OpenAiChat, body.clone()), Ok(body));
        let tools = json!([{"type": "web_search_20260209", "name": "web_search"}]);
        let messages = applied_to(Dialect::Anthropic, json!({"model": "m:online", "messages": [], "tools": tools}));
        assert_eq!(messages.expect("applied")["tools"], tools);
    }

    #[test]
    fn the_tool_is_the_plugin() {
        let search = |parameters: Value| json!({"type": SEARCH, "parameters": parameters});
        let own = json!({"type": "function", "function": {"name": "f", "description": "openrouter:web_search"}});
        let asked = search(json!({"engine": "auto", "max_results": 3, "allowed_domains": ["a.example"]}));
        let body = json!({"model": "m", "messages": [], "tools": [own, asked], "tool_choice": {"type": SEARCH}});
        let chat = applied_to(Dialect::OpenAiChat, body).expect("applied");
        assert_eq!(chat["web_search_options"], json!({"filters": {"allowed_domains": ["a.example"]}}));
        assert_eq!((&chat["tools"], chat.get("tool_choice")), (&json!([own]), None));
        assert_eq!(chat["plugins"][0]["id"], "web", "what steers the way sees it, too");
        let alone = json!({"model": "m", "input": "x", "tools": [search(json!({"search_context_size": "low"}))]});
        let responses = applied_to(Dialect::OpenAiResponses, alone).expect("applied");
        assert_eq!(responses["tools"], json!([{"type": "web_search", "search_context_size": "low"}]));
        let talk = json!({"model": "m", "messages": [], "tools": [own]});
        let call = Call::chat(Dialect::OpenAiChat, talk.to_string()).expect("a call");
        assert!(!is_wanted(&call));
        for (tool, named) in [(json!({"type": "openrouter:datetime"}), "openrouter:datetime"), (search(json!({"engine": "exa"})), "exa")] {
            let body = json!({"model": "m", "messages": [], "tools": [tool]});
            assert!(applied_to(Dialect::OpenAiChat, body).is_err_and(|message| message.contains(named)), "{named}");
        }
    }

    #[test]
    fn engines_that_are_not_here_are_refused() {
        let body = json!({"model": "m", "messages": [], "plugins": [{"id": "web", "engine": "exa"}]});
        assert!(applied_to(Dialect::OpenAiChat, body).is_err_and(|message| message.contains("`exa`")));
    }
}
