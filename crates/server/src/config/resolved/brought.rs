//! What callers may bring along of a deployment's own (`configurable_clientside_auth_params`).

use regex::Regex;

use crate::config::fields::{Fields, Reader};
use crate::config::keys;

/// What callers may say instead of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// The credential.
    pub key: bool,
    /// The address, if it is a public one.
    pub base: bool,
    /// Addresses that the operator names by patterns; they may be any.
    pub bases: Vec<Regex>,
}

impl Brought {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let mut brought = Self::default();
        for node in fields.list("configurable_clientside_auth_params") {
            match keys::text(node) {
                Some("api_key") => brought.key = true,
                Some("api_base" | "base_url") => brought.base = true,
                Some(_) => {}
                None => {
                    let written = node.as_map().and_then(|map| map.get("api_base")).and_then(keys::text).unwrap_or_default();
                    // As Python's `re.match` has it: from the beginning, to wherever.
                    match Regex::new(&format!("^(?:{written})")) {
                        Ok(pattern) if !written.is_empty() => brought.bases.push(pattern),
                        Ok(_) | Err(_) => {
                            let message = "this entry of `configurable_clientside_auth_params` is no parameter and no pattern";
                            reader.found.error(
                                &node.at,
                                message,
                                "write `api_key`, `api_base` or `{api_base: \"https://.*[.]example[.]org\"}`",
                            );
                        }
                    }
                }
            }
        }
        brought
    }

    /// Whether the operator names that address.
    pub fn names(&self, base: &str) -> bool {
        self.bases.iter().any(|pattern| pattern.is_match(base))
    }
}
