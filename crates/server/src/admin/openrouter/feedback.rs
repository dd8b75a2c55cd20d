//! What was wrong with an answer, in OpenRouter's words.

use serde_json::json;

use super::form;
use crate::admin::experiments::feedback;
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// The longest comment.
const LONGEST: usize = 1000;

/// `POST /generation/feedback`: a complaint, kept with what else people think of the answer.
pub(super) async fn say(request: &Request) -> Answer {
    let form = form(request, "OpenRouterFeedback")?;
    let comment = form.owned("comment").filter(|comment| !comment.is_empty());
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > LONGEST) {
        return Err(Refused::plain(400, &format!("comment must have at most {LONGEST} characters")));
    }
    let (id, category) = (form.text("generation_id").unwrap_or_default(), form.text("category").unwrap_or_default());
    let plain = id.strip_prefix("gen-").unwrap_or(id);
    feedback::complain(request, plain, category, comment.as_deref()).await?;
    Ok(json!({"data": {"success": true}}))
}
