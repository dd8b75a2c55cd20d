//! A provider as a place to which requests are passed on as they are: where its paths are, and what they say of a request.
//!
//! Nobody writes such a request anew, and still most of them are known: their paths are those at which the gateway itself asks the
//! provider. What is known is read for what it took.

use switchboard_wire::{Dialect, Operation, embed, rerank};

use super::Catalog;
use super::endpoint::{Endpoint, UrlError, default_path, is_version, own_path};
use super::provider::{Provider, Rule};
use crate::pattern::matches;
use crate::sign::unpercent;

/// A provider, by the name of a route that leads to it.
#[derive(Clone, Copy, Debug)]
pub struct Outlet<'a> {
    /// The provider.
    pub provider: &'a Provider,
    pub(super) catalog: &'a Catalog,
    /// The base URL that this name of the route has.
    base: &'a str,
}

/// What a path says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What is asked for.
    pub operation: Operation,
    /// The form it is written in; none where it is no chat, or one in a form of the model's own.
    pub dialect: Option<Dialect>,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// Whether the path asks for a stream.
    pub streamed: bool,
    /// The form that what is no chat is written in, where that is none of OpenAI's.
    pub shape: Option<&'static str>,
    /// The field of the body that names the model where the path does not; none where no field at its top does.
    pub field: Option<&'static str>,
}

/// The form of a job: requests that are answered later.
pub const JOB: &str = "job";
/// That of one whose answer goes into a store, where nobody here sees it.
pub const ASYNC: &str = "async";
/// A slash that is none of the path's, in its plain form.
const SLASH: &str = "%2F";
/// What stands in a path before a model's name.
const NAMING: [&str; 7] = ["models", "model", "deployments", "engines", "tunedModels", "publishedModels", "endpoints"];

impl Catalog {
    /// The provider to which a route of that name leads.
    pub fn outlet(&self, name: &str) -> Option<Outlet<'_>> {
        let known = |provider| Outlet { provider, catalog: self, base: usual(provider) };
        let other = || {
            self.providers().find_map(|provider| {
                let base = provider.pass.names.get(name)?;
                let base = if base.is_empty() { usual(provider) } else { base };
                Some(Outlet { provider, catalog: self, base })
            })
        };
        self.provider(name).map(known).or_else(other)
    }
}

/// The base URL below which requests are passed on.
fn usual(provider: &Provider) -> &str {
    provider.pass.base.as_deref().unwrap_or(&provider.base)
}

impl<'a> Outlet<'a> {
    /// The URL of a path. `own` is what the user puts in place of the base URL, if anything; `value` answers for placeholders.
    pub fn url(&self, own: Option<&str>, rest: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, UrlError> {
        let elsewhere = self.provider.pass.below.iter().find(|(begin, _)| rest.starts_with(begin.as_str()));
        let base = match (elsewhere, own) {
            (Some((_, base)), _) => self.root(base).base_url(value)?,
            (None, Some(own)) => own.to_owned(),
            (None, None) => self.root(self.base).base_url(value)?,
        };
        if base.is_empty() {
            return Err(UrlError::NoBase(self.provider.id.clone()));
        }
        Ok(joined(&base, rest))
    }

    /// The constant headers, placeholders filled.
    pub fn headers(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, UrlError> {
        self.root(self.base).headers(value)
    }

    fn root(&self, base: &'a str) -> Endpoint<'a> {
        Endpoint::root(self.provider, base)
    }

    /// What is known of a request that is sent to that path; none where the gateway never asks there. The path is in its plain form,
    /// as it is sent on.
    pub fn known(&self, rest: &str) -> Option<Known> {
        let path = rest.split('?').next().unwrap_or_default();
        // Some servers take a slash for one however it is written, others do not.
        let as_written =
            |path: &str| self.asked(path).or_else(|| self.passed(path)).or_else(|| self.shaped(path)).or_else(|| self.elsewhere(path));
        as_written(path).or_else(|| path.contains(SLASH).then(|| as_written(&path.replace(SLASH, "/"))).flatten())
    }

    /// The models that a path names, whatever is asked for there.
    pub fn named(&self, rest: &str) -> Vec<String> {
        let path = rest.split('?').next().unwrap_or_default().replace(SLASH, "/");
        let parts: Vec<&str> = path.split('/').collect();
        let verbs = self.provider.chat.contains(&Dialect::Gemini);
        let named = parts.windows(2).filter_map(|pair| match pair {
            [word, name] if NAMING.iter().any(|naming| naming.eq_ignore_ascii_case(word)) => Some(*name),
            _ => None,
        });
        let bare = |name: &str| decoded(name.rsplit_once(':').filter(|_| verbs).map_or(name, |(name, _)| name));
        named.filter(|name| !name.is_empty()).map(bare).collect()
    }

    /// A chat where the gateway itself asks for one.
    fn asked(&self, path: &str) -> Option<Known> {
        let provider = self.provider;
        for rule in self.rules() {
            // A rule that says nothing of forms is one of another path.
            let chats = rule.map(|rule| &rule.chat).filter(|chats| !chats.is_empty()).unwrap_or(&provider.chat);
            for dialect in chats {
                for streamed in [true, false] {
                    if let Some(model) = self.path((rule, dialect.as_str(), None), streamed).and_then(|path_of| fit(path_of, path)) {
                        return Some(Known {
                            operation: Operation::Chat,
                            dialect: Some(*dialect),
                            model,
                            streamed: streamed && self.differs(rule, dialect.as_str()),
                            shape: None,
                            field: field(provider, Some(*dialect), None),
                        });
                    }
                }
            }
        }
        None
    }

    /// What is no chat, at a path where the gateway itself asks for it or never does: by the rule for the model, else by any.
    fn shaped(&self, path: &str) -> Option<Known> {
        let known = |operation, model, shape: &str| Known {
            operation,
            dialect: None,
            model,
            streamed: false,
            shape: name_of(operation, shape),
            field: field(self.provider, None, Some(shape)),
        };
        let asked = |rule: Option<&'a Rule>| {
            rule.map_or(&self.provider.shapes, |rule| &rule.shapes).iter().find_map(|(operation, shape)| {
                let model = fit(self.path((rule, operation.as_str(), Some(shape)), false)?, path)?;
                Some((known(*operation, model, shape), rule))
            })
        };
        let is_for = |(known, rule): &(Known, Option<&Rule>)| {
            let named = known.model.as_deref().unwrap_or_default();
            rule.is_some_and(|rule| rule.models.iter().any(|pattern| matches(pattern, named)))
        };
        let found = || self.rules().filter_map(asked);
        let found = found().find(is_for).or_else(|| found().next()).map(|(known, _)| known);
        found.or_else(|| {
            self.provider.pass.calls.iter().find_map(|call| {
                let operation = Operation::ALL.into_iter().find(|operation| operation.as_str() == call.operation);
                Some(known(operation.unwrap_or(Operation::PassThrough), fit(&call.path, path)?, &call.shape))
            })
        })
    }

    /// What others have at such a path: many providers serve the formats of others beside their own, at the same ends of paths.
    fn elsewhere(&self, path: &str) -> Option<Known> {
        let fitting = self.catalog.paths.iter().filter_map(|(place, template)| Some((place, template, fit(template, path)?)));
        let known = fitting.filter_map(|(place, template, model)| {
            let (name, streamed) = place.strip_suffix(":stream").map_or((place.as_str(), false), |name| (name, true));
            let (operation, shape) = name.split_once('/').map_or((None, None), |(operation, shape)| (Some(operation), Some(shape)));
            let dialect = Dialect::from_name(name);
            let operation = match operation {
                None => dialect.map(|_| Operation::Chat)?,
                Some(wanted) => {
                    let mut all = Operation::ALL.into_iter().chain([Operation::PassThrough]);
                    all.find(|operation| operation.as_str() == wanted)?
                }
            };
            let shape = shape.unwrap_or_default();
            let rank = (dialect.is_some(), template.split('/').count(), shape == "openai");
            let field = field(self.provider, dialect, Some(shape));
            Some((rank, Known { operation, dialect, model, streamed, shape: name_of(operation, shape), field }))
        });
        known.max_by_key(|(rank, _)| *rank).map(|(_, known)| known)
    }

    fn rules(&self) -> impl Iterator<Item = Option<&'a Rule>> + use<'a> {
        [None].into_iter().chain(self.provider.rules.iter().map(Some))
    }

    /// A chat at a path where the gateway itself never asks.
    fn passed(&self, path: &str) -> Option<Known> {
        self.provider.pass.chats.iter().find_map(|chat| {
            let streamed = Some(&chat.stream).filter(|stream| !stream.is_empty()).and_then(|stream| fit(stream, path));
            let (model, streamed) = streamed.map(|model| (model, true)).or_else(|| Some((fit(&chat.path, path)?, false)))?;
            let named = model.as_deref().unwrap_or_default();
            let holds = chat.models.is_empty() || chat.models.iter().any(|pattern| matches(pattern, named));
            // What has a shape is no chat.
            let embeds = self.provider.rule(named).is_some_and(|rule| rule.shapes.contains_key(&Operation::Embeddings));
            let dialect = chat.form.as_deref().and_then(Dialect::from_name);
            (holds && !embeds).then_some(Known {
                operation: Operation::Chat,
                dialect,
                model,
                streamed,
                shape: None,
                field: field(self.provider, dialect, None),
            })
        })
    }

    fn path(&self, (rule, place, shape): (Option<&'a Rule>, &str, Option<&str>), streamed: bool) -> Option<&'a str> {
        own_path(self.provider, rule, place, streamed).or_else(|| default_path(&self.catalog.paths, place, shape, streamed))
    }

    /// Whether streams are asked for at a path of their own.
    fn differs(&self, rule: Option<&'a Rule>, place: &str) -> bool {
        self.path((rule, place, None), true) != self.path((rule, place, None), false)
    }
}

/// A path below a base URL. What the base ends with and the path begins with is said once, and the path's version counts.
fn joined(base: &str, rest: &str) -> String {
    let (base, rest) = (base.trim_end_matches('/'), rest.trim_start_matches('/'));
    let host = base.find("://").map_or(0, |at| at + "://".len());
    let end = base.get(host..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| host + at);
    let (origin, below) = base.split_at(end);
    let own: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    let asked: Vec<&str> = rest.split('/').collect();
    let common = (1..=own.len().min(asked.len())).rev().find(|count| own[own.len() - count..] == asked[..*count]).unwrap_or(0);
    let versions = common == 0 && own.last().is_some_and(|last| is_version(last)) && asked.first().is_some_and(|first| is_version(first));
    let kept = own.len() - if versions { 1 } else { common };
    own[..kept].iter().chain(&asked).fold(origin.to_owned(), |url, part| url + "/" + part)
}

/// The model that a path names, if it ends as the template does. Some servers do not tell capitals from small letters.
fn fit(template: &str, path: &str) -> Option<Option<String>> {
    let template = template.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').rev().peekable();
    let mut model = None;
    let mut wanted = template.split('/').filter(|part| !part.is_empty()).rev().peekable();
    while let Some(literal) = wanted.next() {
        let part = parts.next()?;
        let Some((before, (name, after))) = literal.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) else {
            if !part.eq_ignore_ascii_case(literal) {
                return None;
            }
            continue;
        };
        let said = within(part, before, after).filter(|said| !said.is_empty())?;
        if name == "model" {
            model = Some(decoded(said));
        } else if name == WHOLE {
            let mut whole = decoded(said);
            let before = wanted.peek().copied().unwrap_or_default();
            while let Some(part) = parts.next_if(|part| !part.eq_ignore_ascii_case(before)) {
                whole = format!("{}/{whole}", decoded(part));
            }
            model = Some(whole);
        }
    }
    Some(model)
}

/// The field of a body that names the model.
fn field(provider: &Provider, dialect: Option<Dialect>, shape: Option<&str>) -> Option<&'static str> {
    const OTHER: &str = "model_id";
    let mut edits = provider.rules.iter().map(|rule| &rule.edits).chain([&provider.edits]);
    match (dialect, shape) {
        (Some(Dialect::Replicate), _) => Some("version"),
        // The models of a job are those of its requests.
        (_, Some("bedrock" | JOB)) => None,
        (_, Some(ASYNC)) => Some("modelId"),
        (_, Some("watsonx")) => Some(OTHER),
        _ if edits.any(|edits| edits.rename.get("model").is_some_and(|name| name == OTHER)) => Some(OTHER),
        _ => Some("model"),
    }
}

/// A model's name that keeps its slashes.
const WHOLE: &str = "+model";

/// What stands between a beginning and an end.
fn within<'a>(part: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (begin, rest) = part.split_at_checked(before.len())?;
    let (said, end) = rest.split_at_checked(rest.len().checked_sub(after.len())?)?;
    (begin.eq_ignore_ascii_case(before) && end.eq_ignore_ascii_case(after)).then_some(said)
}

/// The name of a form, where it is one that is read here.
fn name_of(operation: Operation, shape: &str) -> Option<&'static str> {
    match operation {
        Operation::Embeddings => embed::Shape::of_row(shape).map(embed::Shape::as_str),
        Operation::Rerank => rerank::Shape::of_row(shape).map(rerank::Shape::as_str),
        _ => NAMED.into_iter().find(|named| *named == shape),
    }
    .filter(|name| *name != "openai")
}

/// Forms of what is neither.
const NAMED: [&str; 7] = ["vertex-predict", "gemini-predict", "gemini", "video", "pages", ASYNC, JOB];

/// A segment without its percent signs; one that is no text stays what it is.
pub(super) fn decoded(text: &str) -> String {
    String::from_utf8(unpercent(text)).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str, own: Option<&str>, rest: &str) -> String {
        let value = |name: &str| Some(name.to_owned()).filter(|name| matches!(name.as_str(), "region" | "resource" | "host"));
        Catalog::embedded().outlet(name).expect("a provider").url(own, rest, &value).expect("a URL")
    }

    #[test]
    fn a_path_goes_below_the_base_and_nothing_is_said_twice() {
        for (name, own, rest, expected) in [
            ("anthropic", None, "v1/messages", "https://api.anthropic.com/v1/messages"),
            ("openai", None, "v1/assistants", "https://api.openai.com/v1/assistants"),
            ("openai", None, "assistants?limit=2", "https://api.openai.com/v1/assistants?limit=2"),
            ("openai_passthrough", None, "v1/responses", "https://api.openai.com/v1/responses"),
            ("openai", Some("http://here:1"), "v1/files", "http://here:1/v1/files"),
            ("openai", Some("http://here:1/v1/"), "v1/files", "http://here:1/v1/files"),
            (
                "gemini",
                None,
                "v1beta/models/m:generateContent",
                "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
            ),
            ("gemini", None, "v1/models", "https://generativelanguage.googleapis.com/v1/models"),
            ("cohere", None, "v1/chat", "https://api.cohere.com/v1/chat"),
            ("mistral", None, "v1/ocr", "https://api.mistral.ai/v1/ocr"),
            ("groq", None, "openai/v1/models", "https://api.groq.com/openai/v1/models"),
            (
                "azure",
                None,
                "openai/deployments/d/chat/completions",
                "https://resource.openai.azure.com/openai/deployments/d/chat/completions",
            ),
            ("bedrock", None, "model/m/converse", "https://bedrock-runtime.region.amazonaws.com/model/m/converse"),
            ("bedrock", None, "agents/a/agentAliases/b", "https://bedrock-agent-runtime.region.amazonaws.com/agents/a/agentAliases/b"),
            ("vertex-ai", None, "v1/projects/p/locations/l", "https://host/v1/projects/p/locations/l"),
            ("eu.assemblyai", None, "v2/transcript", "https://api.eu.assemblyai.com/v2/transcript"),
        ] {
            assert_eq!(url(name, own, rest), expected, "{name} {rest}");
        }
        assert!(Catalog::embedded().outlet("v1").is_none());
    }

    #[test]
    fn what_the_gateway_asks_itself_is_known() {
        let known = |name: &str, rest: &str| {
            let known = Catalog::embedded().outlet(name).expect("a provider").known(rest)?;
            Some((known.operation, known.dialect, known.model, known.streamed))
        };
        let chat = |dialect, model: Option<&str>, streamed| Some((Operation::Chat, Some(dialect), model.map(str::to_owned), streamed));
        assert_eq!(known("anthropic", "v1/messages"), chat(Dialect::Anthropic, None, false));
        assert_eq!(known("anthropic", "v1/messages/count_tokens"), Some((Operation::CountTokens, None, None, false)));
        for (name, rest) in [
            ("anthropic", "v1/messages/batches"),
            ("openai", "v1/batches"),
            ("azure", "openai/batches?api-version=x"),
            ("mistral", "v1/batch/jobs"),
        ] {
            assert_eq!(known(name, rest), Some((Operation::PassThrough, None, None, false)), "{name} {rest}");
        }
        assert_eq!(known("openai", "v1/batches/batch_1"), None);
        let batch = Some((Operation::PassThrough, None, Some("m".to_owned()), false));
        assert_eq!(known("gemini", "v1beta/models/m:batchGenerateContent"), batch);
        assert_eq!(known("openai", "v1/chat/completions"), chat(Dialect::OpenAiChat, None, false));
        assert_eq!(known("openai", "v1/embeddings"), Some((Operation::Embeddings, None, None, false)));
        assert_eq!(known("openai", "v1/files"), None);
        assert_eq!(known("gemini", "v1beta/models/a%2Fb:generateContent?key=x"), chat(Dialect::Gemini, Some("a/b"), false));
        assert_eq!(known("gemini", "v1beta/models/m:streamGenerateContent?alt=sse"), chat(Dialect::Gemini, Some("m"), true));
        let google = "v1/projects/p/locations/l/publishers/google/models/m:generateContent";
        assert_eq!(known("vertex_ai", google), chat(Dialect::Gemini, Some("m"), false));
        assert_eq!(known("bedrock", "model/m/converse-stream"), chat(Dialect::Bedrock, Some("m"), true));
        let claude = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        let invoked = |model: &str, action: &str| known("bedrock", &format!("model/{model}/{action}"));
        assert_eq!(invoked(claude, "invoke"), chat(Dialect::Anthropic, Some(claude), false));
        assert_eq!(invoked(claude, "invoke-with-response-stream"), chat(Dialect::Anthropic, Some(claude), true));
        let own = |streamed| Some((Operation::Chat, None, Some("meta.llama3-8b".to_owned()), streamed));
        assert_eq!(invoked("meta.llama3-8b", "invoke"), own(false));
        assert_eq!(invoked("meta.llama3-8b", "invoke-with-response-stream"), own(true));
        let embeds = "amazon.titan-embed-text-v2:0";
        assert_eq!(invoked(embeds, "invoke"), Some((Operation::Embeddings, None, Some(embeds.to_owned()), false)));
        assert_eq!(known("azure", "openai/deployments/d/chat/completions"), chat(Dialect::OpenAiChat, Some("d"), false));
        // The formats of others.
        for (name, path) in [
            ("anthropic", "v1/chat/completions"),
            ("gemini", "v1beta/openai/chat/completions"),
            ("bedrock", "openai/v1/chat/completions"),
            ("cohere", "compatibility/v1/chat/completions"),
        ] {
            assert_eq!(known(name, path), chat(Dialect::OpenAiChat, None, false), "{name} {path}");
        }
        assert_eq!(known("gemini", "v1beta/openai/embeddings"), Some((Operation::Embeddings, None, None, false)));
        assert_eq!(known("mistral", "v1/messages"), chat(Dialect::Anthropic, None, false));
        assert_eq!(known("gemini", "v1beta/tunedModels/m:generateContent"), chat(Dialect::Gemini, Some("m"), false));
        assert_eq!(known("openai", "v1/threads/t/messages"), None);
    }

    #[test]
    fn a_path_is_known_however_its_slashes_and_capitals_are_written() {
        let catalog = Catalog::embedded();
        let known = |name: &str, rest: &str| catalog.outlet(name).expect("a provider").known(rest);
        assert_eq!(known("anthropic", "v1%2Fmessages"), known("anthropic", "v1/messages"));
        assert_eq!(known("azure", "OpenAI/Deployments/d/Chat/Completions"), known("azure", "openai/deployments/d/chat/completions"));
        let named = |name: &str, rest: &str| known(name, rest).and_then(|known| known.model);
        assert_eq!(named("replicate", "v1/models/meta/llama/predictions").as_deref(), Some("meta/llama"));
        assert_eq!(known("replicate", "v1/predictions").and_then(|known| known.field), Some("version"));
        assert_eq!(known("watsonx", "ml/v1/text/chat").and_then(|known| known.field), Some("model_id"));
        assert_eq!(known("bedrock", "rerank").and_then(|known| known.field), None);
        let shape = |name: &str, rest: &str| known(name, rest).map(|known| (known.operation, known.shape));
        let imagen = "v1/projects/p/locations/l/publishers/google/models/imagen-3.0-generate-001:predict";
        assert_eq!(shape("vertex_ai", imagen), Some((Operation::ImageGenerations, Some("vertex-predict"))));
        assert_eq!(shape("cohere", "v1/embed"), Some((Operation::Embeddings, Some("cohere"))));
        assert_eq!(shape("mistral", "v1/ocr"), Some((Operation::PassThrough, Some("pages"))));
        let all = |name: &str, rest: &str| catalog.outlet(name).expect("a provider").named(rest);
        assert_eq!(all("gemini", "v1beta/models/m:nothing"), ["m"]);
        assert_eq!(all("gemini", "v1beta%2FModels%2Fm:nothing"), ["m"]);
        assert_eq!(all("bedrock", "model/a.b-v1:0/else"), ["a.b-v1:0"]);
        assert!(all("openai", "v1/files").is_empty());
    }
}
