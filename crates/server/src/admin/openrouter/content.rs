//! What was asked and answered, where it is kept.

use serde_json::{Value, json};

use super::line_of;
use crate::admin::{Answer, Refused, Request};
use crate::keep;

/// `GET /generation/content`
pub(super) async fn of(request: &Request) -> Answer {
    let line = line_of(request).await?;
    let sealed = request.app.trust()?.vault().await?.get(keep::cell(&line.request_id)).await?;
    let content: Option<Value> = sealed.and_then(|sealed| serde_json::from_slice(&sealed).ok());
    let missing = || Refused::plain(404, "The content of this generation is not kept: I/O logging was off, or it is too old");
    Ok(json!({"data": content.ok_or_else(missing)?}))
}
