//! `credential_list`: values that deployments refer to by name.

use std::collections::BTreeMap;

use crate::config::diagnostic::closest;
use crate::config::fields::Reader;
use crate::config::keys::{self, Section};
use crate::config::secret::Secret;
use crate::config::yaml::{Map, Node, Value};

/// What of a named credential may stand in for a deployment's own.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// The key.
    pub key: Secret,
    /// Another address than the deployment's.
    pub base: Option<String>,
    /// Another version of the API than the deployment's.
    pub version: Option<String>,
}

/// The named credentials of a configuration.
pub(in crate::config) struct Credentials {
    named: Vec<(String, Map)>,
}

impl Credentials {
    pub(in crate::config) fn read(reader: &mut Reader<'_>, items: &[Node]) -> Credentials {
        let mut named: Vec<(String, Map)> = Vec::new();
        for item in items {
            let fields = reader.section(Section::Credential, Some(item));
            let Some(name) = fields.text("credential_name") else {
                reader.found.error(&item.at, "this credential has no `credential_name`", "add `credential_name: ...`");
                continue;
            };
            if named.iter().any(|(present, _)| *present == name) {
                let message = format!("the credential `{name}` is listed twice; the first one counts");
                reader.found.warn(&item.at, message, "remove one of them");
                continue;
            }
            named.push((name, fields.map("credential_values").cloned().unwrap_or_default()));
        }
        Credentials { named }
    }

    /// Names, in the order of the file.
    pub(in crate::config) fn names(&self) -> Vec<String> {
        self.named.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Those that have a key, by name.
    pub(in crate::config) fn stand_ins(&self) -> BTreeMap<String, StandIn> {
        let stand_in = |values: &Map| {
            let text = |name: &str| values.get(name).and_then(keys::text).filter(|text| !text.is_empty()).map(str::to_owned);
            let variable = values.get("api_key").and_then(|node| node.variable.clone());
            let key = Secret::new(text("api_key")?).through(variable);
            Some(StandIn { key, base: text("api_base").or_else(|| text("base_url")), version: text("api_version") })
        };
        self.named.iter().filter_map(|(name, values)| Some((name.clone(), stand_in(values)?))).collect()
    }

    /// The parameters with what the credential adds. What is written beside the reference wins.
    pub(super) fn apply(&self, reader: &mut Reader<'_>, params: &Node, may_be_elsewhere: bool) -> Node {
        let reference = params.as_map().and_then(|map| map.get("litellm_credential_name"));
        let (Some(reference), Some(own)) = (reference, params.as_map()) else {
            return params.clone();
        };
        let Some(name) = reference.as_text() else {
            return params.clone();
        };
        let Some((_, values)) = self.named.iter().find(|(present, _)| present == name) else {
            let guess = closest(name, self.named.iter().map(|(name, _)| name.as_str()));
            let hint = guess.map_or_else(|| "add it to `credential_list`".to_owned(), |guess| format!("did you mean `{guess}`?"));
            let message = format!("there is no credential `{name}`");
            match may_be_elsewhere {
                true => reader.found.warn(&reference.at, message, hint),
                false => reader.found.error(&reference.at, message, hint),
            }
            return params.clone();
        };
        let mut joined = own.clone();
        for entry in &values.entries {
            if own.get(&entry.name).is_none() {
                joined.insert(entry.clone());
            }
        }
        Node { value: Value::Map(joined), ..params.clone() }
    }
}
