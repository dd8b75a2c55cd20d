//! The API document, made from the route table.
//!
//! Paths, methods and summaries are the router's rows; what a body holds is written in `schemas.json`, by name, and what the
//! management API answers in `answers.json`, by route.

mod answered;
mod catalogue;
mod managed;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use switchboard_engine::call::Door;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::{Dialect, Operation};

use crate::authz::Policy;
use crate::market::Listing;
use crate::models::info::Info;
use crate::router::{Audience, Page, Route, Row, rows};
use crate::sso::Step;

const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// What the methods of Gemini's form are given, and give.
const GEMINI: [(&str, &str, Body); 5] = [
    ("generateContent", "Chat with a model, in Gemini's form", Body::json("GenerateContentRequest", "GenerateContentReply")),
    ("streamGenerateContent", "The same, streamed", Body::json("GenerateContentRequest", "GenerateContentReply")),
    ("countTokens", "Count the tokens of a request", Body::json("GeminiCountRequest", "GeminiCountReply")),
    ("embedContent", "Embed a text", Body::json("EmbedContentRequest", "EmbedContentReply")),
    ("batchEmbedContents", "Embed texts", Body::json("BatchEmbedRequest", "BatchEmbedReply")),
];

/// What a route takes and gives, by the names of schemas.
#[derive(Clone, Copy)]
struct Body {
    form: bool,
    request: &'static str,
    reply: Option<&'static str>,
    event: Option<&'static str>,
}

impl Body {
    const fn json(request: &'static str, reply: &'static str) -> Self {
        Self { form: false, request, reply: Some(reply), event: None }
    }

    const fn streams(self, event: &'static str) -> Self {
        Self { event: Some(event), ..self }
    }

    fn of(door: Door) -> Self {
        match (door.operation, door.dialect) {
            (Operation::Chat, Dialect::Anthropic) => Self::json("MessagesRequest", "MessagesReply").streams("MessagesEvent"),
            (Operation::Chat, Dialect::OpenAiResponses) => Self::json("ResponsesRequest", "ResponsesReply").streams("ResponsesReply"),
            (Operation::Chat, Dialect::OpenAiCompletions) => Self::json("CompletionRequest", "CompletionReply").streams("CompletionReply"),
            (Operation::Chat, _) => Self::json("ChatRequest", "ChatReply").streams("ChatChunk"),
            (Operation::Compact, _) => Self::json("ResponsesRequest", "ResponsesReply"),
            (Operation::CountTokens, Dialect::OpenAiResponses) => Self::json("ResponsesRequest", "CountTokensReply"),
            (Operation::CountTokens, _) => Self::json("CountTokensRequest", "CountTokensReply"),
            (Operation::Embeddings, _) => Self::json("EmbeddingsRequest", "EmbeddingsReply"),
            (Operation::Rerank, _) => Self::json("RerankRequest", "RerankReply"),
            (Operation::Moderations, _) => Self { form: false, request: "ModerationRequest", reply: None, event: None },
            (Operation::ImageGenerations, _) => Self::json("ImageRequest", "ImageReply"),
            (Operation::ImageEdits, _) => Self { form: true, ..Self::json("ImageEditForm", "ImageReply") },
            (Operation::ImageVariations, _) => Self { form: true, ..Self::json("ImageVariationForm", "ImageReply") },
            (Operation::Speech, _) => Self { form: false, request: "SpeechRequest", reply: None, event: None },
            // Such routes are an operator's own and stand in no document.
            (Operation::PassThrough, _) => Self { form: false, request: "", reply: None, event: None },
            (Operation::Transcriptions, _) => Self { form: true, ..Self::json("TranscriptionForm", "TranscriptionReply") },
            (Operation::Translations, _) => Self { form: true, ..Self::json("TranslationForm", "TranscriptionReply") },
        }
    }

    fn request(self) -> Value {
        let kind = if self.form { "multipart/form-data" } else { "application/json" };
        json!({"required": true, "content": {kind: {"schema": named(self.request)}}})
    }

    fn reply(self, operation: Option<Operation>) -> Value {
        let mut content = Map::new();
        let schema = self.reply.map_or_else(|| json!({}), named);
        let kind = if operation == Some(Operation::Speech) { "audio/*" } else { "application/json" };
        content.insert(kind.to_owned(), json!({"schema": schema}));
        if let Some(event) = self.event {
            content.insert("text/event-stream".to_owned(), json!({"schema": named(event)}));
        }
        json!({"description": "The answer", "content": content})
    }
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The document as it was last written, and below which path: anybody may ask for it, and it is long.
static WRITTEN: Mutex<Option<(String, Bytes)>> = Mutex::new(None);

/// The OpenAPI document, written.
pub(crate) fn bytes(root: &str) -> Bytes {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*written {
        Some((of, bytes)) if of == root => bytes.clone(),
        _ => {
            let bytes = Bytes::from(document(root).to_string());
            *written = Some((root.to_owned(), bytes.clone()));
            bytes
        }
    }
}

/// The OpenAPI document of everything the router knows, below that path.
pub fn document(root: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (path, row) in rows() {
        let shown = path.replace("{*", "{");
        let shown = if shown.is_empty() { "/".to_owned() } else { shown };
        match row.route {
            Route::Gemini => {
                for (method, summary, body) in GEMINI {
                    let mut described = operation(&path, &row, summary, Some((body, None)));
                    if method == "streamGenerateContent" {
                        let content = &mut described["responses"]["200"]["content"];
                        let one = content["application/json"]["schema"].take();
                        *content = json!({
                            "application/json": {"schema": {"type": "array", "items": one}}, "text/event-stream": {"schema": one},
                        });
                    }
                    add(&mut paths, format!("{shown}:{method}"), &row, described);
                }
            }
            Route::Call(door) => {
                let body = (Body::of(door), Some(door.operation));
                add(&mut paths, shown, &row, operation(&path, &row, row.summary, Some(body)));
            }
            _ => add(&mut paths, shown, &row, operation(&path, &row, row.summary, None)),
        }
    }
    for (path, entry) in &mut paths {
        for (method, operation) in entry.as_object_mut().into_iter().flatten() {
            operation["operationId"] = id(method, path).into();
        }
    }
    let mut schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    schemas.extend(answered::schemas());
    let tags: Vec<Value> = Audience::ALL.iter().map(|audience| json!({"name": audience.title()})).collect();
    let key = |header: &str| json!({"type": "apiKey", "in": "header", "name": header});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Switchboard", "version": env!("CARGO_PKG_VERSION"),
            "description": "One API in front of every model provider, in the formats of OpenAI, Anthropic and Google.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": if root.is_empty() { "/" } else { root }}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": key("x-api-key"), "api-key": key("api-key"), "x-goog-api-key": key("x-goog-api-key"),
            },
        },
    })
}

fn add(paths: &mut Map<String, Value>, path: String, row: &Row, operation: Value) {
    let entry = paths.entry(path).or_insert_with(|| json!({}));
    entry[row.method.to_ascii_lowercase()] = operation;
}

/// A name for generated clients: the method and the words of the path.
fn id(method: &str, path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let again = path.strip_suffix('/').filter(|path| !path.is_empty()).map(|_| "again");
    [method].into_iter().chain(words).chain(again).collect::<Vec<_>>().join("_")
}

fn operation(path: &str, row: &Row, summary: &str, body: Option<(Body, Option<Operation>)>) -> Value {
    let by_model = path.contains("{*model}") && matches!(row.route, Route::Call(_));
    let audience = if by_model { Audience::Azure } else { row.audience() };
    if let Route::Admin(action) = row.route {
        return managed::operation(path, row, action, summary);
    }
    let (content, error) = match body {
        Some((body, operation)) => (body.reply(operation), error(row)),
        None => (json!({"description": "The answer", "content": document_of(path, row.route)}), error(row)),
    };
    let mut operation = json!({
        "summary": summary,
        "tags": [audience.title()],
        "parameters": parameters(path, row.route),
        "responses": {
            "200": content,
            "default": {"description": "An error, in the caller's format", "content": {"application/json": {"schema": refused(path, error)}}},
        },
    });
    match row.route {
        // How its deployments are is also its status.
        Route::Page(Page::Health) => operation["responses"]["503"] = operation["responses"]["200"].clone(),
        Route::SignIn(Step::Invited | Step::Claim | Step::End | Step::Password) => {
            operation["responses"]["default"]["content"]["application/json"]["schema"] = named("ManagementError");
        }
        Route::Consent => operation["responses"]["default"]["content"]["text/html"] = json!({"schema": {"type": "string"}}),
        _ => {}
    }
    if let Some((body, _)) = body {
        operation["requestBody"] = body.request();
    }
    if let Route::Explain(_) = row.route {
        let any =
            json!({"schema": {"type": "object", "description": "A request in the form of any client.", "additionalProperties": true}});
        operation["requestBody"] = json!({"required": true, "content": {"application/json": any}});
    }
    let login = json!({"schema": {
        "type": "object", "required": ["username", "password"],
        "properties": {"username": {"type": "string"}, "password": {"type": "string"}},
    }});
    let key = json!({"schema": {
        "type": "object", "required": ["key", "callback_url"],
        "properties": {"key": {"type": "string"}, "callback_url": {"type": "string"}}, "additionalProperties": {"type": "string"},
    }});
    match row.route {
        Route::SignIn(Step::Login) => operation["requestBody"] = json!({"content": {"application/x-www-form-urlencoded": login}}),
        Route::Consent if row.method == "POST" => operation["requestBody"] = json!({"content": {"application/x-www-form-urlencoded": key}}),
        Route::SignIn(Step::LoginJson) => operation["requestBody"] = json!({"content": {"application/json": login}}),
        Route::SignIn(step @ (Step::Claim | Step::Password)) => {
            let form = if step == Step::Claim { "InvitationClaim" } else { "ChangePasswordRequest" };
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": crate::admin::form::document(form)}}});
        }
        _ => {}
    }
    operation["security"] = match row.route {
        Route::Page(page) if page.is_open() => json!([]),
        Route::SignIn(_) if row.policy == Policy::Public => json!([]),
        _ => json!([{"bearer": []}, {"x-api-key": []}, {"api-key": []}, {"x-goog-api-key": []}]),
    };
    operation
}

/// The error of a route; a path that only looks like it has that of paths at which there is nothing.
fn refused(path: &str, error: &str) -> Value {
    if path.contains("{api_version}") { json!({"anyOf": [named(error), named("OpenAIError")]}) } else { named(error) }
}

fn error(row: &Row) -> &'static str {
    let flavor = match row.route {
        Route::Call(door) => door.flavor,
        Route::Explain(flavor) => flavor,
        _ => Flavor::OpenAi,
    };
    match row.audience() {
        Audience::Anthropic => "AnthropicError",
        Audience::Gemini => "GeminiError",
        Audience::OpenRouter => "OpenRouterError",
        _ if flavor == Flavor::OpenRouter => "OpenRouterError",
        _ => "OpenAIError",
    }
}

/// What a route without a body of its own answers.
fn document_of(path: &str, route: Route) -> Value {
    let json = |schema: &str| json!({"application/json": {"schema": named(schema)}});
    match route {
        Route::Explain(_) => json("RouteExplanation"),
        Route::Models => json("ModelList"),
        Route::Market(Listing::Models) => json!({
            "application/json": {"schema": named(catalogue::schema(Listing::Models))},
            "application/rss+xml": {"schema": {"type": "string"}},
        }),
        Route::Market(listing) => json(catalogue::schema(listing)),
        Route::Model => json("AnyModel"),
        Route::Info(Info::Models) => json("ModelInfoList"),
        Route::Info(Info::Paged) => json("ModelInfoPage"),
        Route::Info(Info::Groups) => json("ModelGroupList"),
        Route::Info(Info::Deprecations) => json("ModelDeprecations"),
        Route::GeminiModels if path.contains("{*model}") => json("GeminiModel"),
        Route::GeminiModels => json("GeminiModelList"),
        Route::Consent | Route::Page(Page::Home | Page::Docs) => json!({"text/html": {"schema": {"type": "string"}}}),
        Route::Page(Page::Metrics) => json!({"text/plain": {"schema": {"type": "string"}}}),
        Route::Page(Page::Style) => json!({"text/css": {"schema": {"type": "string"}}}),
        Route::Page(Page::OpenApi) => json!({"application/json": {"schema": {"type": "object"}}}),
        Route::Page(Page::Routes) => json("Routes"),
        Route::Page(Page::Alive) => json("Alive"),
        Route::Page(Page::Ready | Page::Details) => json("Readiness"),
        Route::Page(Page::Health) => json("Health"),
        Route::Page(Page::HealthLatest) => json("HealthLatest"),
        Route::Page(Page::HealthHistory) => json("HealthHistory"),
        Route::Page(Page::HealthShared) => json("HealthShared"),
        Route::Page(Page::Test) => json("Tested"),
        Route::SignIn(Step::Begin | Step::Callback | Step::Form | Step::Login) => json!({"text/html": {"schema": {"type": "string"}}}),
        Route::SignIn(_) => json!({"application/json": {"schema": {"type": "object"}}}),
        Route::Call(_) | Route::Gemini | Route::Admin(_) => json!({}),
    }
}

/// What stands in a path.
fn within(path: &str) -> Vec<Value> {
    const PLACES: [(&str, &str, &str); 2] = [
        ("model}", "model", "The model's name"),
        ("{api_version}", "api_version", "A version of Google's API, without its `v`; all are the same here"),
    ];
    let there = PLACES.into_iter().filter(|(place, ..)| path.contains(place));
    let told = |(_, name, what)| json!({"name": name, "in": "path", "required": true, "description": what, "schema": {"type": "string"}});
    there.map(told).collect()
}

fn parameters(path: &str, route: Route) -> Vec<Value> {
    let query = |name: &str, kind: &str, what: &str| json!({"name": name, "in": "query", "description": what, "schema": {"type": kind}});
    let mut list = within(path);
    match route {
        Route::Models => {
            list.push(query("return_wildcard_routes", "boolean", "List patterns too"));
            list.push(query("include_model_access_groups", "boolean", "List access groups too"));
            list.push(query("only_model_access_groups", "boolean", "List access groups alone"));
            list.push(query("include_metadata", "boolean", "Tell where calls go when a model fails"));
            list.push(query("fallback_type", "string", "Upon which failures: general, context_window or content_policy"));
            list.push(query("limit", "integer", "Models on one page, in Anthropic's form"));
            list.push(query("after_id", "string", "Begin behind this model, in Anthropic's form"));
            list.push(query("before_id", "string", "End before this model, in Anthropic's form"));
        }
        Route::Info(Info::Models) => list.push(query("litellm_model_id", "string", "The deployment of this id alone")),
        Route::Info(Info::Groups) => list.push(query("model_group", "string", "This model alone")),
        Route::Info(Info::Deprecations) => {
            list.push(query("warn_within_days", "integer", "A model that ends within so many days is about to"))
        }
        Route::Info(Info::Paged) => list.extend(catalogue::DEPLOYMENTS.map(|(name, kind, what)| query(name, kind, what))),
        Route::Market(listing) => list.extend(catalogue::parameters(listing).map(|(name, kind, what)| query(name, kind, what))),
        Route::GeminiModels if !path.contains("{*model}") => {
            list.push(query("pageSize", "integer", "Models on one page"));
            list.push(query("pageToken", "string", "Where the page begins"));
        }
        Route::Gemini => list.push(query("alt", "string", "`sse` for server-sent events; a streamed answer is a JSON array otherwise")),
        Route::Explain(_) => {
            list.push(query("format", "string", "The body's form, where it cannot be told: `openai`, `responses`, `anthropic`, `gemini`"))
        }
        Route::Page(Page::Health) => {
            list.push(query("model", "string", "Ask the deployments of this model alone"));
            list.push(query("model_id", "string", "Ask this deployment alone"));
        }
        Route::Page(Page::HealthHistory) => {
            list.push(query("model", "string", "Checks of this model or deployment alone"));
            list.push(query("status_filter", "string", "`healthy` or `unhealthy`"));
            list.push(query("limit", "integer", "The most to tell; 100 where it is not said"));
            list.push(query("offset", "integer", "Checks to leave out"));
        }
        _ => {}
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                out.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, out));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, out)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = document("");
        for (path, row) in rows() {
            let shown = path.replace("{*", "{");
            let paths = match row.route {
                Route::Gemini => GEMINI.iter().map(|(method, ..)| format!("{shown}:{method}")).collect(),
                _ => vec![shown],
            };
            for path in paths {
                let operation = &document["paths"][&path][row.method.to_ascii_lowercase()];
                assert!(operation["summary"].is_string(), "{} {path}", row.method);
                let body = if matches!(row.route, Route::Admin(_)) {
                    !row.form.is_empty()
                } else {
                    row.method == "POST" && !row.path.ends_with("/logout")
                };
                assert_eq!(operation["requestBody"].is_object(), body, "{path}");
                let named = operation["parameters"].as_array().expect("parameters").iter().any(|one| one["in"] == "path");
                assert_eq!(named, path.contains('{'), "{path}");
            }
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 200, "{}", found.len());
        let unused = document["components"]["schemas"].as_object().expect("schemas").keys().filter(|name| {
            let pointer = format!("#/components/schemas/{name}");
            !found.contains(&pointer.as_str())
        });
        assert_eq!(unused.collect::<Vec<_>>(), Vec::<&String>::new());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some_and(Value::is_object), "{reference}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let document = document("/gateway");
        assert_eq!(document["servers"][0]["url"], "/gateway");
        let operations =
            document["paths"].as_object().expect("paths").values().flat_map(|entry| entry.as_object().expect("operations").values());
        let mut ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().expect("an id")).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
