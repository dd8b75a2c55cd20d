//! `model_list`: which models there are and where they run.

mod common;
mod credential;
mod identity;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use switchboard_engine::deployment::Reserved;

use super::brought::Brought;
use super::checks::Check;
use super::resilience::Counts;
use crate::config::diagnostic::{Diagnostic, Location};
use crate::config::secret::Secret;

pub(super) use common::{Common, take_here};
pub(super) use credential::Credentials;
pub use credential::StandIn;
pub(super) use read::{from_environment, read_all, ssl_verify};

/// One place where a model runs.
#[derive(Clone)]
pub struct Deployment {
    /// Name callers ask for. In it, `*` matches any text.
    pub model_name: String,
    /// Provider and model, as written: `provider/model`, or a model alone.
    pub model: String,
    /// How to reach it.
    pub connection: Connection,
    /// How much it should get and how long it may take.
    pub limits: Limits,
    /// US dollars per unit, by the name of the price.
    pub prices: BTreeMap<String, Price>,
    /// What else its parameters say of prices, by the names of price lists.
    pub price_facts: Map<String, Value>,
    /// Leave out parameters the provider does not take. `None`: as `litellm_settings` says.
    pub drop_params: Option<bool>,
    /// Parameters to leave out in any case.
    pub additional_drop_params: Vec<String>,
    /// Parameters to send even when the provider is not known to take them.
    pub allowed_openai_params: Vec<String>,
    /// Request parameters used when the caller does not send them.
    pub default_params: Map<String, Value>,
    /// Answer given without calling the provider.
    pub mock_response: Option<Value>,
    /// It never answers.
    pub mock_timeout: bool,
    /// How its streams are shown.
    pub stream: Streaming,
    /// Models that get a copy of each request it answers.
    pub silent_models: Vec<String>,
    /// Where its requests are marked for the cache of its provider, as written.
    pub cache_points: Vec<serde_json::Value>,
    /// What it says as a router, where it is one and no place where a model runs.
    pub router: Option<Box<super::RouterParams>>,
    /// What is known about the model.
    pub model_info: ModelInfo,
    /// Where it stands.
    pub at: Location,
    /// Whether a team brought its place and its credential: nothing of the gateway's own goes there.
    pub brought: bool,
    /// What keeps it from being used.
    pub fault: Option<Diagnostic>,
}

/// A price in US dollars, exactly as written: a JSON number from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price(pub(super) String);

impl Price {
    /// The number, for exact parsing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How to reach a provider. What is `None` comes from the provider's row in the catalog.
#[derive(Clone, Default)]
pub struct Connection {
    /// Provider, instead of the prefix of the model.
    pub provider: Option<String>,
    /// Key sent to the provider.
    pub api_key: Option<Secret>,
    /// The variable that `api_key` names, where it is not set.
    pub unset_key: Option<String>,
    /// Base URL.
    pub api_base: Option<String>,
    /// API version, for Azure.
    pub api_version: Option<String>,
    /// Organization sent to the provider.
    pub organization: Option<String>,
    /// Region.
    pub region_name: Option<String>,
    /// Headers added to each request. Values may be credentials.
    pub extra_headers: Vec<(String, Secret)>,
    /// Fields added to each request body.
    pub extra_body: Map<String, Value>,
    /// Whether and by whom the provider's certificate must be signed.
    pub ssl_verify: Option<SslVerify>,
    /// PEM file with the certificate that is shown to the provider, and its key.
    pub ssl_certificate: Option<PathBuf>,
    /// For Bedrock and SageMaker.
    pub aws: Aws,
    /// For Vertex.
    pub vertex: Vertex,
    /// For Azure with Entra.
    pub azure: Azure,
    /// For watsonx.
    pub watsonx: Watsonx,
    /// Whether requests that are passed on to the provider as they are bear this credential and go to this base URL.
    pub passes: bool,
    /// What callers may say instead.
    pub brought: Brought,
}

impl Connection {
    /// What is shown to the provider, or got with, and to nobody else; the key apart.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let (aws, azure) = (&self.aws, &self.azure);
        let aws = [&aws.access_key_id, &aws.secret_access_key, &aws.session_token, &aws.web_identity_token, &aws.external_id];
        let others = [&azure.ad_token, &azure.client_secret, &azure.password, &self.vertex.credentials];
        let headers = self.extra_headers.iter().map(|(_, value)| value);
        aws.into_iter().chain(others).filter_map(Option::as_ref).chain(headers)
    }

    /// Whose credentials they are, where names tell.
    pub fn identity(&self) -> impl Iterator<Item = &String> {
        let (aws, azure) = (&self.aws, &self.azure);
        let accounts = [&aws.role_name, &aws.profile_name, &azure.tenant_id, &azure.client_id, &azure.username, &self.vertex.project];
        accounts.into_iter().chain([&self.organization]).filter_map(Option::as_ref)
    }
}

/// How a provider's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SslVerify {
    /// Against the authorities of the system.
    System,
    /// Not at all.
    Off,
    /// Against the authorities in a PEM file.
    File(String),
}

/// AWS credentials and places.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are AWS's own terms")]
pub struct Aws {
    pub region_name: Option<String>,
    pub access_key_id: Option<Secret>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    pub role_name: Option<String>,
    pub session_name: Option<String>,
    pub profile_name: Option<String>,
    pub web_identity_token: Option<Secret>,
    pub external_id: Option<Secret>,
    pub sts_endpoint: Option<String>,
    pub bedrock_runtime_endpoint: Option<String>,
    pub model_id: Option<String>,
}

/// Google Cloud credentials and places.
#[derive(Clone, Debug, Default)]
pub struct Vertex {
    /// Project.
    pub project: Option<String>,
    /// Location.
    pub location: Option<String>,
    /// A path or the JSON text of the credentials.
    pub credentials: Option<Secret>,
}

/// Entra credentials.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are Entra's own terms")]
pub struct Azure {
    pub ad_token: Option<Secret>,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub scope: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

/// The place of a watsonx model.
#[derive(Clone, Debug, Default)]
pub struct Watsonx {
    /// Region.
    pub region_name: Option<String>,
    /// Project.
    pub project_id: Option<String>,
}

/// How much a deployment should get and how long it may take. `None`: as the router says, or without limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Requests per minute of each key that has no limit of its own.
    pub rpm_of_key: Option<u64>,
    /// Tokens per minute of each such key.
    pub tpm_of_key: Option<u64>,
    /// Tokens of prompts per minute.
    pub itpm: Option<u64>,
    /// Tokens of answers per minute.
    pub otpm: Option<u64>,
    /// Requests at a time.
    pub max_parallel_requests: Option<u32>,
    /// What may be spent here.
    pub budget: Option<switchboard_engine::terms::Budget>,
    /// Longest time for one request.
    pub timeout: Option<Duration>,
    /// Longest wait for a streamed answer to begin.
    pub stream_timeout: Option<Duration>,
    /// The same by the service tier that a request asks for.
    pub timeout_by_service_tier: BTreeMap<String, Duration>,
    /// The same of `stream_timeout`.
    pub stream_timeout_by_service_tier: BTreeMap<String, Duration>,
    /// Failures within a minute that it bears.
    pub allowed_fails: Option<u32>,
    /// The same by the class of the failure.
    pub allowed_fails_policy: Counts,
    /// Retries of one request here.
    pub max_retries: Option<u32>,
    /// Retries after this deployment failed.
    pub num_retries: Option<u32>,
    /// Rest after too many failures.
    pub cooldown_time: Option<Duration>,
    /// Share of the load.
    pub weight: Option<f64>,
    /// Lower ones are tried first.
    pub order: Option<i64>,
    /// Tags a request must ask for.
    pub tags: Vec<String>,
    /// Patterns of client names that stand for a tag.
    pub tag_regex: Vec<String>,
}

/// How the streams of a deployment are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Streaming {
    /// Seconds after which a silent one sends a comment.
    pub keepalive: Option<f64>,
    /// Whether callers may say how many.
    pub keepalive_override: bool,
    /// Thoughts are part of the text, between marks.
    pub merge_reasoning: bool,
}

/// What is said of a deployment that matters when one is chosen. `None`: not said, and so not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Not to be used.
    pub blocked: bool,
    /// Where it is.
    pub region: Option<String>,
    /// What stands behind the slash of its slug.
    pub endpoint_tag: Option<String>,
    /// The precision of its weights.
    pub quantization: Option<String>,
    /// Whether it may train on what it is sent.
    pub trains: Option<bool>,
    /// Whether it keeps what it is sent.
    pub retains: Option<bool>,
    /// Whether its licence allows distillation.
    pub distillable: Option<bool>,
    /// Free words of the operator's.
    pub labels: Vec<String>,
    /// The longest prompt.
    pub max_input_tokens: Option<u64>,
}

/// What is known about the model of a deployment.
#[derive(Clone, Default)]
pub struct ModelInfo {
    /// Identity of the deployment, unique in the configuration.
    pub id: String,
    /// What the model does, such as `chat`. `None`: the catalog knows.
    pub mode: Option<String>,
    /// Model whose prices and limits apply.
    pub base_model: Option<String>,
    /// The environments in which it is served; none means all.
    pub environments: Vec<String>,
    /// Groups by which keys may be given access.
    pub access_groups: Vec<String>,
    /// What matters when one is chosen.
    pub routing: Routing,
    /// For which teams it is kept.
    pub reserved: Reserved,
    /// How it is checked.
    pub check: Check,
    /// All of it as written, for the echo.
    pub written: Map<String, Value>,
}

/// Names only: URLs, headers, request parameters and notes may all hold credentials.
impl fmt::Debug for Deployment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Deployment")
            .field("model_name", &self.model_name)
            .field("model", &self.model)
            .field("id", &self.model_info.id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
