//! HashiCorp Vault's key-value engines, after <https://developer.hashicorp.com/vault/api-docs/secret/kv>.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, KeeperError, Place, Secret, segments, send};
use crate::sign::{Cached, Clock, Expiring, SignError, read_secret_file, secret_header};
use crate::upstream::{Transport, Upstream, UpstreamRequest};

const X_VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const X_VAULT_NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Vault's own clients send it, so that a request somebody was tricked into is no request.
const X_VAULT_REQUEST: HeaderName = HeaderName::from_static("x-vault-request");
/// The field of a secret that holds just one; LiteLLM's custom.
const FIELD: &str = "key";

/// Which key-value engine is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Without versions.
    V1,
    /// With versions.
    #[default]
    V2,
}

/// How a token is come by.
#[derive(Clone, Debug)]
pub enum Login {
    /// It was given.
    Token(Secret),
    /// By an application's role.
    AppRole {
        /// Where the method is mounted, usually `approle`.
        mount: String,
        /// The role's id.
        role_id: Secret,
        /// The application's secret.
        secret_id: Secret,
    },
    /// By the token of a Kubernetes service account, which its owner rotates.
    Kubernetes {
        /// Where the method is mounted, usually `kubernetes`.
        mount: String,
        /// The role.
        role: String,
        /// The file of the token.
        file: PathBuf,
    },
    /// By the certificate of the connection.
    Certificate {
        /// Where the method is mounted, usually `cert`.
        mount: String,
        /// The role, if not every one is to be tried.
        role: Option<String>,
    },
}

/// Where a Vault is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its address.
    pub address: String,
    /// The namespace.
    pub namespace: Option<String>,
    /// Where the engine is mounted, usually `secret`.
    pub mount: String,
    /// What stands before every name.
    pub prefix: Option<String>,
    /// Which engine it is.
    pub engine: Engine,
    /// How a token is come by.
    pub login: Login,
    /// How connections are carried, where that differs from others.
    pub transport: Option<Transport>,
}

/// A Vault.
pub struct HashiCorp {
    place: Place,
    settings: Settings,
    token: Cached<Secret>,
    clock: Clock,
}

#[derive(Deserialize)]
struct LoggedIn {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
}

#[derive(Deserialize)]
struct Held<T> {
    data: T,
}

impl HashiCorp {
    /// A Vault that nothing is asked of yet.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, KeeperError> {
        let place = Place::of(&settings.address, settings.transport.clone())?;
        segments(&settings.mount)?;
        Ok(Self { place, settings, token: Cached::new(), clock })
    }

    pub(super) async fn read(&self, upstream: &Upstream, name: &str, field: Option<&str>) -> Result<Option<Secret>, KeeperError> {
        let path = self.path(name, "data")?;
        let answer = self.ask(upstream, Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.good()?;
        let fields = match self.settings.engine {
            Engine::V1 => answer.json::<Held<Map<String, Value>>>()?.data,
            // A version that was deleted has no data.
            Engine::V2 => answer.json::<Held<Held<Option<Map<String, Value>>>>>()?.data.data.unwrap_or_default(),
        };
        let value = match field {
            Some(field) => fields.get(field),
            None => fields.get(FIELD).or_else(|| fields.values().next().filter(|_| fields.len() == 1)),
        };
        match value {
            Some(Value::String(text)) => Ok(Some(text.as_str().into())),
            Some(Value::Number(number)) => Ok(Some(number.to_string().into())),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(KeeperError::Unreadable),
            None => Ok(None),
        }
    }

    pub(super) async fn write(&self, upstream: &Upstream, name: &str, secret: &Secret) -> Result<(), KeeperError> {
        let fields = json!({FIELD: secret.reveal()});
        let body = match self.settings.engine {
            Engine::V1 => fields,
            Engine::V2 => json!({"data": fields}),
        };
        self.ask(upstream, Method::POST, &self.path(name, "data")?, Some(&body)).await?.good().map(drop)
    }

    pub(super) async fn remove(&self, upstream: &Upstream, name: &str) -> Result<(), KeeperError> {
        // With every version it ever had.
        let answer = self.ask(upstream, Method::DELETE, &self.path(name, "metadata")?, None).await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { answer.good().map(drop) }
    }

    fn path(&self, name: &str, branch: &str) -> Result<String, KeeperError> {
        let mount = segments(&self.settings.mount)?;
        let branch = match self.settings.engine {
            Engine::V1 => String::new(),
            Engine::V2 => format!("/{branch}"),
        };
        let prefix = self.settings.prefix.as_deref().map(segments).transpose()?.map(|prefix| format!("/{prefix}")).unwrap_or_default();
        Ok(format!("/v1/{mount}{branch}{prefix}/{}", segments(name)?))
    }

    /// Asks with a token; once more with a new one where it is refused, since it may have ended.
    async fn ask(&self, upstream: &Upstream, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, KeeperError> {
        let answer = self.ask_once(upstream, method.clone(), path, body).await?;
        if answer.status != StatusCode::FORBIDDEN || matches!(self.settings.login, Login::Token(_)) {
            return Ok(answer);
        }
        self.token.forget();
        self.ask_once(upstream, method, path, body).await
    }

    async fn ask_once(&self, upstream: &Upstream, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, KeeperError> {
        let mut request = self.request(method, path, body)?;
        let token = self.token.get(|| (self.clock)(), async || self.log_in(upstream).await).await?;
        let credential = crate::upstream::Credential::new(self.place.origin.clone(), vec![(X_VAULT_TOKEN, secret_header(token.reveal())?)]);
        request.credential = Some(credential);
        send(upstream, request).await
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<UpstreamRequest, KeeperError> {
        let mut request = self.place.request(method, path, body)?;
        request.headers.insert(X_VAULT_REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.settings.namespace {
            let value = HeaderValue::from_str(namespace).map_err(|_| KeeperError::Settings("the namespace is not a header's value"))?;
            request.headers.insert(X_VAULT_NAMESPACE, value);
        }
        Ok(request)
    }

    async fn log_in(&self, upstream: &Upstream) -> Result<Expiring<Secret>, SignError> {
        let (mount, body) = match &self.settings.login {
            Login::Token(token) => return Ok(Expiring { value: token.clone(), expires: None }),
            Login::AppRole { mount, role_id, secret_id } => (mount, json!({"role_id": role_id.reveal(), "secret_id": secret_id.reveal()})),
            Login::Kubernetes { mount, role, file } => (mount, json!({"role": role, "jwt": read_secret_file(file)?.reveal()})),
            Login::Certificate { mount, role } => (mount, role.as_ref().map_or_else(|| json!({}), |role| json!({"name": role}))),
        };
        let asked_at: SystemTime = (self.clock)();
        let refused = |error: KeeperError| match error {
            KeeperError::Sign(error) => error,
            KeeperError::Unreachable(error) => SignError::Unreachable(std::sync::Arc::new(error)),
            KeeperError::Refused(status) => SignError::Refused(status),
            KeeperError::Unreadable | KeeperError::Absent => SignError::Unreadable,
            KeeperError::Settings(why) | KeeperError::Name(why) => SignError::Malformed(why),
        };
        let path = format!("/v1/auth/{}/login", segments(mount).map_err(refused)?);
        let request = self.request(Method::POST, &path, Some(&body)).map_err(refused)?;
        let answer = send(upstream, request).await.and_then(Answer::good).map_err(refused)?;
        let LoggedIn { auth } = answer.json().map_err(refused)?;
        // A lease of 0 never ends.
        let expires = (auth.lease_duration > 0).then(|| asked_at.checked_add(Duration::from_secs(auth.lease_duration))).flatten();
        Ok(Expiring { value: auth.client_token.into(), expires })
    }
}

impl std::fmt::Debug for HashiCorp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("HashiCorp").field("origin", &self.place.origin).field("mount", &self.settings.mount).finish_non_exhaustive()
    }
}
