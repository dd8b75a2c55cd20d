//! How things would look elsewhere: a request at its provider, a model in the catalogue, a configuration file.

use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};
use switchboard_engine::call::Door;
use switchboard_engine::sample::Sample;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::{Dialect, Operation};

use super::card;
use crate::admin::{Answer, Request, cost_map};
use crate::ask::named;
use crate::config::keys::Section;
use crate::draft::Draft;
use crate::refused::Refused;

/// The forms a request may have, by LiteLLM's names for calls.
const FORMS: [(&str, Dialect); 10] = [
    ("completion", Dialect::OpenAiChat),
    ("acompletion", Dialect::OpenAiChat),
    ("text_completion", Dialect::OpenAiCompletions),
    ("atext_completion", Dialect::OpenAiCompletions),
    ("responses", Dialect::OpenAiResponses),
    ("aresponses", Dialect::OpenAiResponses),
    ("anthropic_messages", Dialect::Anthropic),
    ("aanthropic_messages", Dialect::Anthropic),
    ("generate_content", Dialect::Gemini),
    ("agenerate_content", Dialect::Gemini),
];

/// `POST /utils/transform_request`: what cannot be written is said in the answer, as LiteLLM does.
pub(super) async fn transformed(request: &Request) -> Answer {
    let form = request.form("TransformRequestBody")?;
    let kind = form.text("call_type").unwrap_or_default();
    let Some((_, dialect)) = FORMS.iter().find(|(name, _)| *name == kind) else {
        return Ok(json!({"error": format!("requests of the type `{kind}` are not written here")}));
    };
    let body = form.get("request_body").cloned().unwrap_or_default();
    match written(request, *dialect, body).await {
        Ok(sample) => Ok(shown(&sample)),
        Err(Unwritten::Refused(refused)) => Err(refused),
        Err(Unwritten::Said(why)) => Ok(json!({"error": why})),
    }
}

enum Unwritten {
    Refused(Refused),
    Said(String),
}

async fn written(request: &Request, dialect: Dialect, mut body: Value) -> Result<Sample, Unwritten> {
    // Gemini's requests name their model beside the body; here it stands in it.
    let path_model = (dialect == Dialect::Gemini).then(|| body.as_object_mut()?.remove("model")?.as_str().map(str::to_owned)).flatten();
    let shape = if dialect == Dialect::Gemini { "gemini" } else { "openai" };
    let door = Door { operation: Operation::Chat, dialect, flavor: Flavor::OpenAi, shape, array: false };
    let (principal, headers, received) = (request.caller.principal.clone(), HeaderMap::new(), Instant::now());
    let draft = Draft { door, principal, headers, path_model, path_stream: None, received };
    let drafted = draft.call(Frames::from(Bytes::from(body.to_string())), &request.app);
    let call = drafted.map_err(|problem| Unwritten::Said(problem.message))?;
    let call = named(call, &request.caller, &request.app).await.map_err(Unwritten::Refused)?;
    let gateway = &request.app.gateway;
    let plan = gateway.plan(&call).await.map_err(|error| Unwritten::Said(error.problem.message.clone()))?;
    let target = plan.targets.first().ok_or_else(|| Unwritten::Said(format!("no deployment serves `{}`", call.model)))?;
    let acceptor = request.acceptor.as_ref().ok_or_else(|| Unwritten::Said("there is nobody to write it".to_owned()))?;
    gateway.sample(&call, &target.deployment, &acceptor.worker).map_err(|error| Unwritten::Said(error.problem.message.clone()))
}

fn shown(sample: &Sample) -> Value {
    // What an operator adds to requests may be secret; its name is enough.
    const PLAIN: [&str; 3] = ["content-type", "anthropic-version", "accept"];
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = value.to_str().ok().filter(|_| PLAIN.contains(&name.as_str())).unwrap_or("****");
        (name.to_string(), Value::from(value))
    };
    json!({
        "raw_request_api_base": sample.url,
        "raw_request_body": serde_json::from_slice::<Value>(&sample.body).unwrap_or_default(),
        "raw_request_headers": sample.headers.iter().map(header).collect::<Map<_, _>>(),
        "error": null,
    })
}

/// `GET /utils/model_info`
pub(super) fn model_info(request: &Request) -> Answer {
    let model = request.required("model")?;
    let provider = request.value("custom_llm_provider");
    let whole = provider.map_or_else(|| model.to_owned(), |provider| format!("{provider}/{model}"));
    let missing = || {
        let provider = provider.unwrap_or("None");
        Refused::detail(404, json!({"error": format!("model={model}, custom_llm_provider={provider} is not in the model cost map")}))
    };
    let card = card(request, &whole).ok_or_else(missing)?;
    let mut known = cost_map::entry(&card);
    known.insert("key".to_owned(), card.model.clone().into());
    Ok(json!({"model": model, "custom_llm_provider": card.provider, "model_info": known}))
}

/// `GET /config/yaml`: every section and what its keys mean.
pub(super) fn config_yaml() -> Value {
    let keys = |section: &Section| section.keys().iter().map(|key| (key.name.to_owned(), Value::from(key.doc))).collect::<Map<_, _>>();
    let name = |section: &Section| if section.path().is_empty() { "config.yaml" } else { section.path() };
    Value::Object(Section::ALL.iter().map(|section| (name(section).to_owned(), Value::Object(keys(section)))).collect())
}
