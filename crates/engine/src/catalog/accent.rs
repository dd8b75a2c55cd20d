//! How a provider's own form of OpenAI's chat differs from OpenAI's, as its row says.

use serde::Deserialize;
use switchboard_wire::half::Accent;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccentRow {
    developer: Option<bool>,
    json_schema: Option<bool>,
    call_ids: Option<usize>,
    message_fields: Option<Vec<String>>,
    max_stop: Option<usize>,
    prefix: bool,
}

impl AccentRow {
    pub(super) fn resolve(self) -> Accent {
        let Self { developer, json_schema, call_ids, message_fields, max_stop, prefix } = self;
        Accent { developer, json_schema, call_ids, message_fields, max_stop, prefix }
    }
}
