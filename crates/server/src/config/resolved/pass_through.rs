//! `general_settings.pass_through_endpoints`: routes that lead somewhere else as they are.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map as Json, Value};
use switchboard_engine::upstream::Origin;

use crate::config::environment::Environment;
use crate::config::fields::Reader;
use crate::config::keys;
use crate::config::laid::{PLACE, REFERENCE, may_name};
use crate::config::yaml::Node;

/// A route, and where it leads.
#[derive(Clone, Debug)]
pub struct PassThrough {
    /// Its id.
    pub id: String,
    /// The path below which it stands.
    pub path: String,
    /// Where it leads: an `http` or `https` URL.
    pub target: String,
    /// Headers that every request there has.
    pub headers: HeaderMap,
    /// Whether the client's own headers go along, but for its credentials.
    pub forwards_headers: bool,
    /// Values of the query that hold where the client says nothing.
    pub query: Vec<(String, String)>,
    /// Whether what stands behind the path is appended to the target.
    pub includes_subpath: bool,
    /// What a request costs, in USD, as written.
    pub cost: String,
    /// The longest time for an answer.
    pub timeout: Duration,
    /// Whether a key of the gateway's is asked for.
    pub auth: bool,
    /// The methods it takes; none means all.
    pub methods: Vec<Method>,
    /// The name under which everyone may see it, if they may.
    pub shown_as: Option<String>,
    /// Whether it was made over the API.
    pub is_stored: bool,
    /// All of it, as it is told to administrators.
    pub written: Json<String, Value>,
}

/// Existing installations wait as long.
const PATIENCE: Duration = Duration::from_secs(600);

impl PassThrough {
    /// What stands behind its path in that one, if it leads there.
    pub fn rest<'a>(&self, method: &Method, path: &'a str) -> Option<&'a str> {
        if !self.methods.is_empty() && !self.methods.contains(method) {
            return None;
        }
        let rest = path.strip_prefix(self.path.trim_end_matches('/'))?;
        match rest {
            "" | "/" => Some(""),
            rest if self.includes_subpath && rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }

    fn read(node: &Node, environment: &Environment) -> Result<Self, String> {
        let written = node.as_map().ok_or("is no map")?.to_json();
        let text = |name: &str| written.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let flag = |name: &str| written.get(name).and_then(Value::as_bool);
        let path = text("path").ok_or("has no `path`")?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let target = text("target").ok_or_else(|| format!("has no `target` for `{path}`"))?.to_owned();
        Origin::of(&target).map_err(|_| format!("leads from `{path}` to no `http` or `https` URL without user and password"))?;
        let methods = written.get("methods").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let methods = methods.map(|name| name.to_uppercase().parse().map_err(|_| format!("names `{name}`, which is no method")));
        let query = written.get("default_query_params").and_then(Value::as_object).into_iter().flatten();
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let listed = written.get("show_in_model_hub").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self {
            id: text("id").map_or_else(|| format!("config:{path}"), str::to_owned),
            forwards_headers: flag("forward_headers").unwrap_or(false),
            includes_subpath: flag("include_subpath").unwrap_or(false),
            auth: flag("auth").unwrap_or(true),
            headers: headers(&written, environment)?,
            query: query.map(|(name, value)| (name.clone(), plain(value))).collect(),
            cost: node
                .as_map()
                .and_then(|map| map.get("cost_per_request"))
                .and_then(keys::decimal)
                .map_or_else(|| "0".to_owned(), |cost| cost.to_string()),
            timeout: written
                .get("timeout")
                .and_then(Value::as_f64)
                .and_then(|time| Duration::try_from_secs_f64(time).ok())
                .unwrap_or(PATIENCE),
            methods: methods.collect::<Result<_, _>>()?,
            shown_as: listed.then(|| text("display_name").unwrap_or(&path).to_owned()),
            is_stored: &*node.at.file == PLACE,
            path,
            target,
            written,
        })
    }
}

/// Names that LiteLLM takes for the two halves of one credential: who asks, and how that is proven.
const HALVES: [&str; 2] = ["LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"];

/// The headers it adds. A value may name a variable, whole or as its last part (`bearer os.environ/KEY`).
fn headers(written: &Json<String, Value>, environment: &Environment) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut said: Vec<(&str, String)> = Vec::new();
    for (name, value) in written.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let Some(text) = value.as_str() else { continue };
        let text = match text.split_once(REFERENCE) {
            Some((before, variable)) if may_name(variable.trim()) => {
                format!("{before}{}", environment.get_non_empty(variable.trim()).unwrap_or_default())
            }
            _ => text.to_owned(),
        };
        said.push((name, text));
    }
    let half = |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone());
    if let [Some(who), Some(proof)] = HALVES.map(half) {
        said.retain(|(name, _)| !HALVES.contains(name));
        said.push(("authorization", format!("Basic {}", STANDARD.encode(format!("{who}:{proof}")))));
    }
    for (name, text) in said {
        let bad = || format!("has a header `{name}` that cannot be sent");
        let name: HeaderName = name.parse().map_err(|_| bad())?;
        let mut value = HeaderValue::try_from(text).map_err(|_| format!("has a value of `{name}` that cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// All of them; what is wrong is said.
pub(super) fn read_all(reader: &mut Reader<'_>, nodes: &[Node], environment: &Environment) -> Vec<Arc<PassThrough>> {
    let mut read = Vec::with_capacity(nodes.len());
    for node in nodes {
        match PassThrough::read(node, environment) {
            Ok(one) => read.push(Arc::new(one)),
            Err(why) => reader.found.error(&node.at, format!("an entry of `pass_through_endpoints` {why}"), "write `path` and `target`"),
        }
    }
    read
}
