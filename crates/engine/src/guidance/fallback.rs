//! Models to go to when others fail.

use serde::Deserialize;
use serde_json::{Map, Value};
use switchboard_wire::problem::Problem;

use super::overrides::wrong;

/// One group to fall back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The group's name, or an alias or a pattern's match.
    pub model: String,
    /// Body fields that differ there: (name, JSON text).
    pub params: Vec<(String, String)>,
}

impl Fallback {
    /// A fallback that changes nothing but the model.
    pub fn to(model: impl Into<String>) -> Self {
        Self { model: model.into(), params: Vec::new() }
    }
}

/// A fallback as a client writes it: `"name"`, `{"model": "name", …}`, or `{"group": ["name", …]}` as configurations have it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FallbackForm {
    /// A model.
    Name(String),
    /// A model with parameters, or groups with theirs.
    Full(Map<String, Value>),
}

impl FallbackForm {
    /// Those of a request for that model.
    pub(crate) fn read_all(forms: Vec<Self>, asked: &str) -> Result<Vec<Fallback>, Problem> {
        let each = forms.into_iter().map(|form| form.read(asked));
        Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Those it names for a request for that model.
    pub(crate) fn read(self, asked: &str) -> Result<Vec<Fallback>, Problem> {
        let mut fields = match self {
            Self::Name(model) => return Ok(vec![Fallback::to(model)]),
            Self::Full(fields) => fields,
        };
        if let Some(model) = fields.remove("model").and_then(|model| model.as_str().map(str::to_owned)) {
            let params = fields.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            return Ok(vec![Fallback { model, params }]);
        }
        if fields.is_empty() || !fields.values().all(Value::is_array) {
            return Err(wrong("fallbacks", "an entry has no `model`"));
        }
        let own = fields.get(asked).or_else(|| fields.get("*")).and_then(Value::as_array);
        Ok(own.into_iter().flatten().filter_map(Value::as_str).map(Fallback::to).collect())
    }
}
