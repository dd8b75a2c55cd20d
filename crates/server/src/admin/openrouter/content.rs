//! What was asked and answered, where it is kept.

use serde_json::{Value, json};

use super::{line_by, line_of};
use crate::admin::{Answer, Request};
use crate::keep;
use crate::refused::Refused;

/// `GET /generation/content`
pub(super) async fn of(request: &Request) -> Answer {
    let line = line_of(request).await?;
    let content = kept(request, &line.request_id).await?;
    let missing = || Refused::plain(404, "The content of this generation is not kept: I/O logging was off, or it is too old");
    Ok(json!({"data": content.ok_or_else(missing)?}))
}

/// `GET /spend/logs/ui/{request_id}`: the same, as LiteLLM's pages ask for it. What is not kept is null.
pub(in crate::admin) async fn in_the_log(request: &Request) -> Answer {
    // Who does not see all of the log is not told whether there is such a line.
    let status = if request.caller.sees_all() { 404 } else { 403 };
    let missing = || Refused::said(status, "There is no such request in the log, or it is not yours");
    let line = line_by(request, request.part(0)).await?.ok_or_else(missing)?;
    let content = kept(request, &line.request_id).await?.unwrap_or_default();
    let messages = &content["input"]["messages"];
    let asked = if messages.is_null() { &content["input"]["prompt"] } else { messages };
    let response = content.get("output").map(|output| {
        let message = json!({"role": "assistant", "content": output["completion"], "reasoning_content": output["reasoning"]});
        json!({"choices": [{"index": 0, "message": message}]})
    });
    let request = content.get("input").map(|_| json!({"model": line.model_group, "messages": asked}));
    Ok(json!({"messages": asked, "response": response, "proxy_server_request": request}))
}

/// What is kept of a call.
async fn kept(request: &Request, id: &str) -> Result<Option<Value>, Refused> {
    let sealed = request.app.trust()?.vault().await?.get(keep::cell(id)).await?;
    Ok(sealed.and_then(|sealed| serde_json::from_slice(&sealed).ok()))
}
