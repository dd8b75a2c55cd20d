//! From a request's head and body to a call.

mod either;
pub(crate) mod lacking;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_TYPE, HeaderMap};
use serde_json::json;
use serde_json::value::RawValue;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::principal::Principal;
use switchboard_engine::wire::control::is_steering;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::{Edits, Outline};
use switchboard_engine::wire::problem::Problem;
use switchboard_engine::wire::{Dialect, Operation};

use crate::app::App;
use crate::clock::unix_seconds;
use crate::{default_model, preset};

/// What doors call the shape of chats that may be in either of OpenAI's forms.
pub(crate) const EITHER: &str = "either";

/// A request on its way to being a call.
pub(crate) struct Draft {
    pub(crate) door: Door,
    pub(crate) principal: Arc<Principal>,
    pub(crate) headers: HeaderMap,
    pub(crate) path_model: Option<String>,
    pub(crate) path_stream: Option<bool>,
    pub(crate) received: Instant,
}

/// Fields of a form by which it is held and accounted for: each may be there once.
const COUNTED: [&str; 6] = ["n", "size", "quality", "user", "metadata", "litellm_metadata"];

impl Draft {
    pub(crate) fn call(mut self, body: Frames, app: &App) -> Result<Call, Problem> {
        let form =
            self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).filter(|kind| kind.starts_with("multipart/form-data"));
        let (body, content, laid) = match form {
            Some(kind) => (body, Content::Form(kind.to_owned()), Arc::default()),
            None => {
                let outline = Outline::scan(&body)?;
                let (body, outline) = either::settled(&mut self.door, body, outline, app)?;
                let (body, outline) = conversed(&self.door, body, outline)?;
                let (body, outline, laid) = laid_out(&self.door, body, outline)?;
                (body, Content::Json(outline), laid)
            }
        };
        let (named, stream, (strict, lenient)) = match &content {
            Content::Json(outline) => {
                let model: Option<String> = outline.read(&body, "model")?;
                let stream: Option<bool> = outline.read(&body, "stream")?;
                (model, stream.unwrap_or(false), manner(outline, &body, app))
            }
            Content::Form(kind) => {
                let field = |name: &str| switchboard_engine::wire::multipart::field(&body, kind, name);
                COUNTED.into_iter().try_for_each(|name| field(name).map(drop))?;
                (field("model")?, field("stream")?.as_deref() == Some("true"), (false, false))
            }
        };
        // A list of models may stand for the one: the first is it, as if it stood in the path.
        let first = || match (&content, &named) {
            (Content::Json(outline), None) => {
                let list: Option<Vec<String>> = outline.read(&body, "models").ok().flatten();
                let preset = || outline.read::<String>(&body, "preset").ok().flatten().map(|name| preset::as_model(&name));
                list.and_then(|list| list.into_iter().next()).or_else(preset)
            }
            _ => None,
        };
        let path_model = self.path_model.or_else(first);
        let model_in_path = path_model.is_some() || named.is_none();
        let forced = app.config.load().general.forced.of(self.door.operation).map(str::to_owned);
        let model_in_path = model_in_path || forced.is_some();
        let said = forced.or(path_model).or(named);
        let model = said.clone().filter(|model| !model.is_empty()).or_else(|| default_model::of(self.door.operation, app));
        let model = model.or_else(|| app.gateway.fleet().for_unknown().map(str::to_owned));
        let model = model.ok_or_else(|| lacking::model(&self.door, said.as_deref()))?;
        Ok(Call {
            id: crate::id::of_call(),
            door: self.door,
            principal: self.principal,
            model,
            model_in_path,
            stream: self.path_stream.unwrap_or(stream),
            headers: self.headers,
            body,
            content,
            laid,
            strict,
            lenient,
            received: self.received,
            created: unix_seconds(),
            mentioned: Default::default(),
        })
    }
}

/// A chat that one of OpenRouter's clients writes as a prompt, as the conversation that it is.
fn conversed(door: &Door, body: Frames, outline: Outline) -> Result<(Frames, Outline), Problem> {
    let is_chat = door.flavor == Flavor::OpenRouter && (door.operation, door.dialect) == (Operation::Chat, Dialect::OpenAiChat);
    if !is_chat || outline.get("messages").is_some() || outline.get("prompt").is_none() {
        return Ok((body, outline));
    }
    let prompt: String = outline.read(&body, "prompt")?.unwrap_or_default();
    let turns = json!([{"role": "user", "content": prompt}]).to_string();
    let edits = Edits { set: vec![("messages".to_owned(), turns)], remove: vec!["prompt".to_owned()], ..Edits::default() };
    let body = outline.apply(&body, &edits);
    let outline = Outline::scan(&body)?;
    Ok((body, outline))
}

/// The body with what the client wants in the provider's (`extra_body`) among its other fields, as OpenAI's libraries send it; and the
/// names of those fields, and of those that it wants sent as they are (`allowed_openai_params`).
fn laid_out(door: &Door, body: Frames, outline: Outline) -> Result<(Frames, Outline, Arc<[String]>), Problem> {
    const BESIDE: &str = "extra_body";
    const ALLOWED: &str = "allowed_openai_params";
    let allowed = outline.get(ALLOWED).filter(|_| is_steering(door.dialect, ALLOWED));
    let allowed = allowed.and_then(|_| outline.read::<Vec<String>>(&body, ALLOWED).ok().flatten()).unwrap_or_default();
    let allowed = allowed.into_iter().filter(|key| outline.get(key).is_some());
    let fields = outline.get(BESIDE).filter(|_| is_steering(door.dialect, BESIDE));
    // What is no object is nobody's wish, and goes nowhere.
    let fields = fields.and_then(|_| outline.read::<BTreeMap<String, Box<RawValue>>>(&body, BESIDE).ok().flatten());
    let Some(mut fields) = fields else {
        let allowed = allowed.collect();
        return Ok((body, outline, allowed));
    };
    // Who answers is not said here.
    fields.retain(|key, _| key != "model" && key != BESIDE);
    let set = fields.iter().map(|(key, value)| (key.clone(), value.get().to_owned())).collect();
    let body = outline.apply(&body, &Edits { set, remove: vec![BESIDE.to_owned()], ..Edits::default() });
    let names = allowed.chain(fields.into_keys()).collect();
    let outline = Outline::scan(&body)?;
    Ok((body, outline, names))
}

/// Whether a knob that the target lacks is refused, and whether it is left out even of what passes as it came: where the request or the
/// configuration says so outright.
fn manner(outline: &Outline, body: &Frames, app: &App) -> (bool, bool) {
    #[derive(serde::Deserialize)]
    struct Preferences {
        require_parameters: Option<bool>,
    }
    let preferences: Option<Preferences> = outline.read(body, "provider").ok().flatten();
    let drop_params: Option<bool> = outline.read(body, "drop_params").ok().flatten();
    let configured = || app.config.load().litellm.drop_params;
    let drop_params = drop_params.or_else(configured);
    let required = preferences.and_then(|preferences| preferences.require_parameters).unwrap_or(false);
    (required || drop_params == Some(false), !required && drop_params == Some(true))
}
