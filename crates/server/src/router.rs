//! Every door of the gateway, on one screen.

use http::Method;
use http::request::Parts;
use matchit::Router as Tree;
use switchboard_engine::call::Door;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::{Dialect, Operation};

use crate::admin::Action;
use crate::authz::Policy;
use crate::draft::EITHER;
use crate::market::Listing;
use crate::models::info::Info;
use crate::path::{self, Root, plainly};
use crate::{row, sso};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A request for a model.
    Call(Door),
    /// A request for a model in Gemini's form: `{model}:{method}`.
    Gemini,
    /// Where a request would go, and why.
    Explain(Flavor),
    /// The models there are.
    Models,
    /// A document of OpenRouter's catalogue.
    Market(Listing),
    /// One model.
    Model,
    /// The models there are, in Gemini's form.
    GeminiModels,
    /// What LiteLLM's clients are told of deployments.
    Info(Info),
    /// A page or a document of the gateway's own.
    Page(Page),
    /// Where somebody lets an application have a key.
    Consent,
    /// A step of signing in.
    SignIn(sso::Step),
    /// The management API.
    Admin(Action),
}

/// Pages and documents of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What this is.
    Home,
    /// The API, for people.
    Docs,
    /// How the pages look.
    Style,
    /// The API, for machines.
    OpenApi,
    /// The routes, in LiteLLM's form.
    Routes,
    /// Whether the process lives.
    Alive,
    /// Whether it can serve.
    Ready,
    /// The same, with more about the gateway.
    Details,
    /// Whether its deployments answer.
    Health,
    /// What checks found last.
    HealthLatest,
    /// What checks found before.
    HealthHistory,
    /// What gateways tell each other.
    HealthShared,
    /// Whether a key is good.
    Test,
    /// What is counted, for Prometheus.
    Metrics,
}

impl Page {
    /// Whether anybody may see it, without a key.
    pub fn is_open(self) -> bool {
        match self {
            Page::Home | Page::Docs | Page::Style | Page::OpenApi | Page::Routes | Page::Alive | Page::Ready => true,
            Page::Details | Page::Health | Page::HealthLatest | Page::HealthHistory | Page::HealthShared | Page::Test | Page::Metrics => {
                false
            }
        }
    }
}

/// A row of the whole table.
pub type Row = row::Row<Route>;

/// Who calls a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Clients of OpenAI's API.
    OpenAi,
    /// Clients of Anthropic's API.
    Anthropic,
    /// Clients of Google's API.
    Gemini,
    /// Clients of Azure's API: the model stands in the path.
    Azure,
    /// Clients of OpenRouter's API: what models there are, and who serves them how well.
    OpenRouter,
    /// All of them.
    Everyone,
    /// People and machines that run the gateway.
    Operator,
    /// Those who manage keys, people and money.
    Administrator,
}

impl Audience {
    /// All of them, in the order of documents.
    pub const ALL: [Audience; 8] = [
        Audience::OpenAi,
        Audience::Anthropic,
        Audience::Gemini,
        Audience::Azure,
        Audience::OpenRouter,
        Audience::Everyone,
        Audience::Operator,
        Audience::Administrator,
    ];

    /// The heading of its routes.
    pub fn title(self) -> &'static str {
        match self {
            Audience::OpenAi => "OpenAI clients",
            Audience::Anthropic => "Anthropic clients",
            Audience::Gemini => "Gemini clients",
            Audience::Azure => "Azure clients",
            Audience::OpenRouter => "OpenRouter clients",
            Audience::Everyone => "Models",
            Audience::Operator => "The gateway itself",
            Audience::Administrator => "Keys, people and money",
        }
    }
}

impl Row {
    /// Who calls it, where its path does not name the model.
    pub fn audience(&self) -> Audience {
        match self.route {
            Route::Call(door) if door.dialect == Dialect::Anthropic => Audience::Anthropic,
            Route::Call(_) => Audience::OpenAi,
            Route::Gemini | Route::GeminiModels => Audience::Gemini,
            Route::Models | Route::Model | Route::Info(_) | Route::Explain(_) => Audience::Everyone,
            Route::Market(_) | Route::Consent => Audience::OpenRouter,
            Route::Page(_) | Route::SignIn(_) => Audience::Operator,
            Route::Admin(_) => Audience::Administrator,
        }
    }
}

const fn call(path: &'static str, operation: Operation, dialect: Dialect, summary: &'static str) -> Row {
    let shape = match (dialect, operation) {
        (_, Operation::Rerank) => "cohere",
        (Dialect::Gemini, _) => "gemini",
        _ => "openai",
    };
    let door = Door { operation, dialect, flavor: Flavor::OpenAi, shape, array: false };
    Row { method: "POST", path, route: Route::Call(door), policy: Policy::Llm, summary, form: "" }
}

/// A model in Gemini's form: the method stands behind its name.
const fn gemini(path: &'static str) -> Row {
    let summary = "Call a model, in Gemini's form: `{model}:generateContent`, …";
    Row { method: "POST", path, route: Route::Gemini, policy: Policy::Llm, form: "", summary }
}

/// A chat in either of OpenAI's forms, answered in the older one.
const fn either(path: &'static str) -> Row {
    let door = Door { operation: Chat, dialect: OpenAiChat, flavor: Flavor::OpenAi, shape: EITHER, array: false };
    let summary = "Chat with a model, asked in the form of chats or of the Responses API (Cursor's)";
    Row { method: "POST", path, route: Route::Call(door), policy: Policy::Llm, summary, form: "" }
}

const fn models(path: &'static str, route: Route, summary: &'static str) -> Row {
    Row { method: "GET", path, route, policy: Policy::Info, summary, form: "" }
}

/// Where a request would go, without sending it there.
const EXPLAIN: Row = Row {
    method: "POST",
    path: "/route/explain",
    route: Route::Explain(Flavor::OpenAi),
    policy: Policy::Llm,
    summary: "Where a request of any form would go, and why; nothing is sent there",
    form: "",
};

const fn page(path: &'static str, page: Page, policy: Policy, summary: &'static str) -> Row {
    Row { method: "GET", path, route: Route::Page(page), policy, summary, form: "" }
}

use Dialect::{Anthropic, OpenAiChat, OpenAiCompletions, OpenAiResponses};
use Operation::{
    Chat, Compact, CountTokens, Embeddings, ImageEdits, ImageGenerations, ImageVariations, Moderations, Rerank, Speech, Transcriptions,
    Translations,
};

/// Paths that exist under every prefix of [`PREFIXES`].
pub const SHARED: [Row; 31] = [
    // OpenAI clients
    call("/chat/completions", Chat, OpenAiChat, "Chat with a model"),
    call("/completions", Chat, OpenAiCompletions, "Complete a text"),
    call("/responses", Chat, OpenAiResponses, "Chat with a model, in the form of the Responses API"),
    call("/responses/compact", Compact, OpenAiResponses, "Make a conversation shorter, to go on with it"),
    call("/responses/input_tokens", CountTokens, OpenAiResponses, "Count the tokens of a request in the form of the Responses API"),
    call("/embeddings", Embeddings, OpenAiChat, "Embed texts"),
    call("/moderations", Moderations, OpenAiChat, "Classify content"),
    call("/images/generations", ImageGenerations, OpenAiChat, "Make an image from a text"),
    call("/images", ImageGenerations, OpenAiChat, "Make an image from a text (OpenRouter's path)"),
    call("/images/edits", ImageEdits, OpenAiChat, "Make an image from images and a text"),
    call("/images/variations", ImageVariations, OpenAiChat, "Make images like an image"),
    call("/audio/speech", Speech, OpenAiChat, "Make speech from a text"),
    call("/audio/transcriptions", Transcriptions, OpenAiChat, "Make a text from speech"),
    call("/audio/translations", Translations, OpenAiChat, "Make an English text from speech"),
    call("/rerank", Rerank, OpenAiChat, "Order documents by relevance"),
    // Anthropic clients
    call("/messages", Chat, Anthropic, "Chat with a model, in the form of Anthropic's Messages API"),
    call("/messages/count_tokens", CountTokens, Anthropic, "Count the tokens of a request"),
    // all of them
    EXPLAIN,
    models("/models", Route::Models, "The models there are"),
    models("/models/{*model}", Route::Model, "One model"),
    // OpenRouter's clients
    models("/models/count", Route::Market(Listing::Count), "How many models there are"),
    models("/models/user", Route::Market(Listing::Mine), "The models that the key may use"),
    models("/model/{*model}", Route::Market(Listing::One), "One model, with prices and abilities"),
    models("/endpoints/zdr", Route::Market(Listing::ZeroRetention), "The endpoints that keep nothing"),
    models("/providers", Route::Market(Listing::Providers), "Who serves models"),
    models("/embeddings/models", Route::Market(Listing::Embeddings), "The models that embed"),
    models("/images/models", Route::Market(Listing::Images), "The models that make images"),
    models("/images/models/{*model}/endpoints", Route::Market(Listing::ImageEndpoints), "Who serves a model that makes images"),
    models("/parameters/{*model}", Route::Market(Listing::Parameters), "The parameters a model takes"),
    models("/models/{*model}/endpoints", Route::Market(Listing::Endpoints), "Who serves a model, at what price and how well"),
    call("/queue/chat/completions", Chat, OpenAiChat, "Chat with a model (LiteLLM's queued form)"),
];

/// The prefixes of [`SHARED`]: OpenAI's and Anthropic's, LiteLLM's short form, OpenRouter's, Azure's newer form and its older one.
pub const PREFIXES: [(&str, Flavor); 6] = [
    ("/v1", Flavor::OpenAi),
    ("", Flavor::OpenAi),
    ("/api/v1", Flavor::OpenRouter),
    ("/openai/v1", Flavor::OpenAi),
    ("/openai", Flavor::OpenAi),
    ("/v2", Flavor::OpenAi),
];

/// Paths whose model stands in the path, in the forms of Azure and of OpenAI's old engines.
pub const BY_MODEL: [Row; 10] = [
    call("/chat/completions", Chat, OpenAiChat, "Chat with a model"),
    call("/completions", Chat, OpenAiCompletions, "Complete a text"),
    call("/embeddings", Embeddings, OpenAiChat, "Embed texts"),
    call("/images/generations", ImageGenerations, OpenAiChat, "Make an image from a text"),
    call("/images/edits", ImageEdits, OpenAiChat, "Make an image from images and a text"),
    call("/images/variations", ImageVariations, OpenAiChat, "Make images like an image"),
    call("/audio/speech", Speech, OpenAiChat, "Make speech from a text"),
    call("/audio/transcriptions", Transcriptions, OpenAiChat, "Make a text from speech"),
    call("/audio/translations", Translations, OpenAiChat, "Make an English text from speech"),
    call("/responses", Chat, OpenAiResponses, "Chat with a model, in the form of the Responses API"),
];

/// The prefixes of [`BY_MODEL`].
pub fn model_prefixes() -> impl Iterator<Item = String> {
    path::MODELS.into_iter().map(|place| [place, WILD].concat())
}

/// Paths that exist once.
pub const ALONE: [Row; 42] = [
    // Gemini clients
    models("/v1beta/models", Route::GeminiModels, "The models there are, in Gemini's form"),
    models("/v1beta/models/{*model}", Route::GeminiModels, "One model, in Gemini's form"),
    gemini("/v1beta/models/{*model}"),
    gemini("/models/{*model}"),
    gemini("/v1/models/{*model}"),
    gemini("/v2/models/{*model}"),
    // any other version, and what Google's cloud answers whoever has but a key
    models("/v{api_version}/models", Route::GeminiModels, "The models there are, in Gemini's form"),
    models("/v{api_version}/models/{*model}", Route::GeminiModels, "One model, in Gemini's form"),
    gemini("/v{api_version}/models/{*model}"),
    models("/v{api_version}/publishers/google/models", Route::GeminiModels, "The models there are, in Gemini's form"),
    models("/v{api_version}/publishers/google/models/{*model}", Route::GeminiModels, "One model, in Gemini's form"),
    gemini("/v{api_version}/publishers/google/models/{*model}"),
    // Cursor
    either("/cursor/chat/completions"),
    either("/cursor/v1/chat/completions"),
    models("/cursor/models", Route::Models, "The models there are"),
    models("/cursor/v1/models", Route::Models, "The models there are"),
    // LiteLLM's clients
    models("/model/info", Route::Info(Info::Models), "The deployments, with prices, limits and abilities"),
    models("/v1/model/info", Route::Info(Info::Models), "The deployments, with prices, limits and abilities"),
    models("/v2/model/info", Route::Info(Info::Paged), "The deployments, page by page"),
    models("/model/deprecations", Route::Info(Info::Deprecations), "The models that end, and when"),
    models("/v1/model/deprecations", Route::Info(Info::Deprecations), "The models that end, and when"),
    models("/model_group/info", Route::Info(Info::Groups), "What each model can do, over all its deployments"),
    // OpenRouter's clients
    Row {
        method: "GET",
        path: "/auth",
        route: Route::Consent,
        policy: Policy::Public,
        form: "",
        summary: "Where somebody lets an application have a key",
    },
    Row { method: "POST", path: "/auth", route: Route::Consent, policy: Policy::Public, form: "", summary: "What that page sends" },
    // everyone
    page("/", Page::Home, Policy::Public, "What this is"),
    page("/ui", Page::Home, Policy::Public, "Where a browser comes back to that has signed in"),
    page("/ui/", Page::Home, Policy::Public, "The same"),
    page("/docs", Page::Docs, Policy::Public, "The API, for people"),
    page("/style.css", Page::Style, Policy::Public, "How the pages look"),
    page("/openapi.json", Page::OpenApi, Policy::Public, "The API, for machines"),
    page("/health/liveliness", Page::Alive, Policy::Public, "Whether the process lives"),
    page("/health/liveness", Page::Alive, Policy::Public, "Whether the process lives"),
    page("/health/readiness", Page::Ready, Policy::Public, "Whether the gateway can serve"),
    page("/health/readiness/details", Page::Details, Policy::Info, "Whether the gateway can serve, and what it is"),
    page("/health", Page::Health, Policy::Info, "Whether the deployments answer: asks each of them"),
    page("/health/latest", Page::HealthLatest, Policy::Info, "What the checks of deployments found last"),
    page("/health/history", Page::HealthHistory, Policy::Info, "What the checks of deployments found, the newest first"),
    page("/health/shared-status", Page::HealthShared, Policy::Info, "Whether gateways share what they know of deployments"),
    page("/metrics", Page::Metrics, Policy::Metrics, "What is counted, in Prometheus' text format"),
    page("/metrics/", Page::Metrics, Policy::Metrics, "The same"),
    page("/test", Page::Test, Policy::Info, "Whether a key is good"),
    page("/routes", Page::Routes, Policy::Public, "Every route, in LiteLLM's form"),
];

/// A request's route, and the model where the path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// There is one.
    Found(Row, Option<String>),
    /// The path exists, for other methods: these, as the header `allow` lists them.
    OtherMethod(String),
    /// No such path.
    Nothing,
}

/// Finds routes.
#[derive(Clone, Debug)]
pub struct Router {
    tree: Tree<Node>,
    root: Root,
}

/// What a path of the tree leads to.
#[derive(Clone, Debug, Default)]
struct Node {
    rows: Vec<Row>,
    /// What it leads to where a model's name, which may hold slashes, is followed by more: (end of the path, row).
    below: Vec<(&'static str, Row)>,
}

/// A model's name that takes the rest of the path.
const WILD: &str = "{*model}";

impl Router {
    /// All routes, below the path `root` (empty for none).
    pub fn new(root: &str) -> Result<Self, matchit::InsertError> {
        let mut paths: std::collections::BTreeMap<String, Node> = std::collections::BTreeMap::new();
        for (path, row) in rows() {
            let after = row.path.split_once(WILD).map(|(_, end)| end);
            // Where the model stands in the prefix, the whole row comes after it.
            let end = after.or_else(|| path.contains(WILD).then_some(row.path)).filter(|end| !end.is_empty());
            let node = paths.entry(end.and_then(|end| path.strip_suffix(end)).unwrap_or(&path).to_owned()).or_default();
            match end {
                Some(end) => node.below.push((end, row)),
                None if node.rows.iter().any(|known| known.method == row.method) => {}
                None => node.rows.push(row),
            }
        }
        let mut tree = Tree::new();
        for (path, node) in paths {
            tree.insert(path, node)?;
        }
        Ok(Self { tree, root: Root::new(root) })
    }

    /// What that path leads to.
    pub fn find(&self, method: &Method, path: &str) -> Match {
        let Ok(found) = self.tree.at(self.root.below(path)) else { return Match::Nothing };
        // Names that begin with a v are no versions.
        if found.params.get("api_version").is_some_and(|version| !version.starts_with(|first: char| first.is_ascii_digit())) {
            return Match::Nothing;
        }
        let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
        let model = found.params.get("model");
        for (end, row) in &found.value.below {
            if let Some(name) = model.and_then(|model| model.strip_suffix(end)).filter(|name| !name.is_empty()) {
                let name = Some(crate::query::decode(name));
                return if row.method == wanted { Match::Found(*row, name) } else { Match::OtherMethod(row.method.to_owned()) };
            }
        }
        let rows = &found.value.rows;
        match rows.iter().find(|row| row.method == wanted) {
            Some(row) => Match::Found(*row, model.map(crate::query::decode)),
            None if rows.is_empty() => Match::Nothing,
            None => Match::OtherMethod(rows.iter().map(|row| row.method).collect::<Vec<_>>().join(", ")),
        }
    }

    /// What a path leads to in its plain form, which it has from then on where that is anything.
    pub(crate) fn found(&self, parts: &mut Parts) -> Match {
        let Some(uri) = plainly(&parts.uri) else { return self.find(&parts.method, parts.uri.path()) };
        let found = self.find(&parts.method, uri.path());
        if found != Match::Nothing {
            parts.uri = uri;
        }
        found
    }

    /// What all paths begin with.
    pub fn root(&self) -> &Root {
        &self.root
    }
}

/// Every row with its whole path.
pub fn rows() -> impl Iterator<Item = (String, Row)> {
    let shared = PREFIXES
        .into_iter()
        .flat_map(|(prefix, flavor)| SHARED.into_iter().map(move |row| (format!("{prefix}{}", row.path), flavored(row, flavor))));
    let by_model = model_prefixes().flat_map(|prefix| BY_MODEL.into_iter().map(move |row| (format!("{prefix}{}", row.path), row)));
    let alone = once().map(|row| (row.path.to_owned(), row));
    shared.chain(by_model).chain(alone)
}

/// Every row whose path exists once.
pub(crate) fn once() -> impl Iterator<Item = Row> {
    let sign_in = sso::ROWS.iter().map(|row| row.leading(Route::SignIn));
    let admin = crate::admin::routes::rows().map(|row| row.leading(Route::Admin));
    ALONE.into_iter().chain(sign_in).chain(admin)
}

fn flavored(mut row: Row, flavor: Flavor) -> Row {
    match &mut row.route {
        Route::Call(door) => door.flavor = flavor,
        Route::Explain(own) => *own = flavor,
        route @ Route::Models if flavor == Flavor::OpenRouter => *route = Route::Market(Listing::Models),
        _ => {}
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_and_nothing_else() {
        let router = Router::new("").expect("no two rows conflict");
        for (path, row) in rows() {
            let method: Method = row.method.parse().expect("a method");
            let path = path.replace("{model}", "some-model").replace("{*model}", "a/b").replace("{api_version}", "3alpha");
            assert!(matches!(router.find(&method, &path), Match::Found(..)), "{path}");
            assert!(matches!(router.find(&Method::TRACE, &path), Match::OtherMethod(allowed) if allowed.contains(row.method)), "{path}");
        }
        assert_eq!(router.find(&Method::POST, "/v1/nothing"), Match::Nothing);
        assert_eq!(router.find(&Method::POST, "/v1/chat/completions/"), Match::Nothing);
        for (place, model) in
            [("/openai/deployments/gpt%204o", "gpt 4o"), ("/openai/deployments/a/b/c", "a/b/c"), ("/engines/a%2Fb", "a/b")]
        {
            for end in ["/chat/completions", "/completions", "/embeddings"] {
                let found = router.find(&Method::POST, &format!("{place}{end}"));
                assert!(matches!(&found, Match::Found(row, Some(name)) if row.path == end && name == model), "{place}{end} {found:?}");
            }
            let elsewhere = format!("{place}/files");
            assert!(path::names_model(&elsewhere) && router.find(&Method::POST, &elsewhere) == Match::Nothing, "{elsewhere}");
        }
        for place in ["/v1", "/v2", "/v1alpha", "/v1beta", "/v1beta1", "/v7x", "/v1/publishers/google", "/v1beta1/publishers/google"] {
            let found = router.find(&Method::POST, &format!("{place}/models/a/b:generateContent"));
            let named = |model: &Option<String>| model.as_deref() == Some("a/b:generateContent");
            assert!(matches!(&found, Match::Found(Row { route: Route::Gemini, .. }, model) if named(model)), "{place} {found:?}");
        }
        for other in
            ["/vllm/models/a:generateContent", "/v/models/a", "/v1/publishers/other/models/a:b", "/vertex_ai/publishers/google/models/a:b"]
        {
            assert_eq!(router.find(&Method::POST, other), Match::Nothing, "{other}");
        }
        let below = Router::new("/gateway").expect("routes");
        assert!(matches!(below.find(&Method::GET, "/gateway/v1/models"), Match::Found(..)));
    }
}
