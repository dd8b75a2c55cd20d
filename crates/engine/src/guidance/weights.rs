//! Weights of deployments, where something else than the deployment itself says them: LiteLLM's `weights`.

use serde_json::Value;

use crate::deployment::Spec;

/// Weights by a deployment's id, its model, or both behind the provider's prefix; for one group, or for any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(Vec<Weight>);

#[derive(Clone, Debug, PartialEq)]
struct Weight {
    group: Option<String>,
    of: String,
    weight: f64,
}

impl Weights {
    /// `{"group": {"deployment": 0.7}}`, or without the groups.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(map) = value else { return Err("weights are an object".to_owned()) };
        let mut weights = Vec::new();
        for (name, value) in map {
            match value {
                Value::Object(group) => {
                    for (of, value) in group {
                        weights.push(Weight { group: Some(name.clone()), of: of.clone(), weight: number(of, value)? });
                    }
                }
                value => weights.push(Weight { group: None, of: name.clone(), weight: number(name, value)? }),
            }
        }
        Ok(Self(weights))
    }

    /// The weight of that deployment, where there is one.
    pub fn of(&self, spec: &Spec) -> Option<f64> {
        let is_it = |weight: &&Weight| {
            let named = || weight.of.strip_prefix(spec.provider.as_str()).and_then(|rest| rest.strip_prefix('/')) == Some(&spec.model);
            weight.group.as_ref().is_none_or(|group| *group == spec.group) && (weight.of == spec.id || weight.of == spec.model || named())
        };
        self.0.iter().find(is_it).map(|weight| weight.weight)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn number(name: &str, value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("the weight of `{name}` must be a number from 0"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_known_by_its_id_or_its_model() {
        let spec = Spec {
            id: "a".to_owned(),
            group: "g".to_owned(),
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            ..Spec::default()
        };
        for (weights, wanted) in [
            (json!({"a": 0.5}), Some(0.5)),
            (json!({"g": {"gpt-4o": 3}}), Some(3.0)),
            (json!({"g": {"openai/gpt-4o": 0}}), Some(0.0)),
            (json!({"other": {"a": 1}}), None),
            (json!({"b": 1}), None),
        ] {
            assert_eq!(Weights::read(&weights).map(|weights| weights.of(&spec)), Ok(wanted), "{weights}");
        }
        for wrong in [json!([1]), json!({"a": -1}), json!({"a": "much"})] {
            assert!(Weights::read(&wrong).is_err(), "{wrong}");
        }
    }
}
