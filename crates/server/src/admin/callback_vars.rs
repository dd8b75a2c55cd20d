//! What callbacks of keys and teams are told beside: kept in their metadata, but for what is a secret. No such service is called, so none
//! is needed.

use serde_json::{Map, Value, json};

use crate::live::seal;

/// Where in the metadata of a key or a team.
pub(super) const PLACE: &str = "logging";
/// The older place, which counts where there is none of the newer.
pub(super) const FORMER: &str = "callback_settings";
/// Where in one of them.
pub(super) const VARIABLES: &str = "callback_vars";
/// What is shown and kept of a secret.
const SECRET: &str = "***REDACTED***";

/// Takes what is a secret out of metadata.
pub(super) fn without_secrets(metadata: &mut Map<String, Value>) {
    let listed = metadata.get_mut(PLACE).and_then(Value::as_array_mut).into_iter().flatten().filter_map(|one| one.get_mut(VARIABLES));
    listed.for_each(redact);
    if let Some(variables) = metadata.get_mut(FORMER).and_then(|settings| settings.get_mut(VARIABLES)) {
        redact(variables);
    }
}

/// Takes what is a secret out of the variables of one callback.
pub(super) fn redact(variables: &mut Value) {
    for (name, value) in variables.as_object_mut().into_iter().flatten() {
        if seal::is_secret(name, value) {
            *value = json!(SECRET);
        }
    }
}
