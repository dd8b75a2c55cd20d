//! Counting tokens: `countTokens`, as AI Studio and as Vertex have it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::keys::Keys;
use super::read_request::read_body;
use crate::chat::ChatRequest;
use crate::half::Head;
use crate::json;
use crate::problem::Malformed;

/// Reads a client's request: `contents`, or a whole `generateContentRequest`.
pub fn read_count_request(head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
    let mut fields = Keys::scan(body)?;
    let mut named: Option<String> = fields.take("model")?;
    let mut request = match fields.take_raw("generateContentRequest") {
        Some(raw) => {
            let mut inner = Keys::nested(raw)?;
            named = inner.take("model")?.or(named);
            read_body(inner).map_err(|error| error.within("generateContentRequest"))?
        }
        None => read_body(fields)?,
    };
    let named = head.path_model.map(str::to_owned).or(named).ok_or_else(|| Malformed::field("model", "is missing"))?;
    request.model = named.trim_start_matches("models/").to_owned();
    Ok(request)
}

/// The body of a request for the count, from the body of the request that is to be counted. AI Studio wants the model in it.
pub fn write_count_request(model: &str, body: &RawValue) -> Result<Vec<u8>, Malformed> {
    let mut fields = Keys::nested(body)?;
    fields.take_raw("model");
    let rest = fields.rest(crate::dialect::Dialect::Gemini);
    Ok(json::object(|out| {
        out.object("generateContentRequest", |out| {
            out.field("model", &format!("models/{model}"));
            rest.fields().iter().for_each(|(key, raw)| out.raw(key, raw.get()));
        });
    }))
}

/// Reads the provider's count.
pub fn read_count_reply(body: &[u8]) -> Result<u64, Malformed> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Count {
        total_tokens: u64,
    }
    serde_json::from_slice::<Count>(body)
        .map(|count| count.total_tokens)
        .map_err(|error| Malformed::field("totalTokens", &error.to_string()))
}

/// Writes the count for a client.
pub fn write_count_reply(total: u64) -> Vec<u8> {
    json::object(|out| out.field("totalTokens", &total))
}
