//! Secrets that somebody else keeps: HashiCorp Vault, and the clouds' secret managers.
//!
//! A [`Keeper`] reads a secret by its name, and can keep and forget one. It speaks through [`Upstream`] like everything else, and
//! its own credential is bound to its origin. A secret that was read is shown to a provider by [`Kept`](crate::sign::Kept), which
//! reads it again when the provider refuses it.

mod aws;
mod azure;
mod gcp;
mod hashicorp;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use aws::SecretsManager;
pub use azure::KeyVault;
pub use gcp::SecretManager;
pub use hashicorp::{Engine, HashiCorp, Login, Settings};

use crate::sign::{Secret, SignError, Source};
use crate::upstream::{Caps, DialError, Origin, Timeouts, Transport, Upstream, UpstreamRequest};

/// A keeper's answer is at most this long.
const ANSWER_CAP: u64 = 1 << 20;

/// Who keeps secrets.
#[derive(Debug)]
pub enum Keeper {
    /// HashiCorp Vault, or one that speaks like it.
    HashiCorp(HashiCorp),
    /// AWS Secrets Manager.
    Aws(SecretsManager),
    /// Google Secret Manager.
    Gcp(SecretManager),
    /// Azure Key Vault.
    Azure(KeyVault),
}

/// A keeper did not do what was asked. `Display` names no secret.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Our own credential.
    #[error("the secret manager cannot be asked: {0}")]
    Sign(#[from] SignError),
    /// It could not be reached.
    #[error("the secret manager could not be reached")]
    Unreachable(#[from] DialError),
    /// It said no.
    #[error("the secret manager answered with status {0}")]
    Refused(u16),
    /// Its answer is not of the form that is documented.
    #[error("the secret manager's answer could not be read")]
    Unreadable,
    /// What was given to reach it.
    #[error("the secret manager's settings cannot be used: {0}")]
    Settings(&'static str),
    /// It has none of that name.
    #[error("the secret manager has none of that name")]
    Absent,
    /// There is no name like this.
    #[error("a secret's name may not contain {0}")]
    Name(&'static str),
}

impl Keeper {
    /// The secret of that name. `NAME#FIELD` is one field of a secret that holds several.
    pub async fn read(&self, upstream: &Upstream, name: &str) -> Result<Option<Secret>, KeeperError> {
        let (name, field) = name.rsplit_once('#').map_or((name, None), |(name, field)| (name, Some(field)));
        match self {
            Self::HashiCorp(keeper) => keeper.read(upstream, name, field).await,
            Self::Aws(keeper) => Ok(keeper.read(upstream, name).await?.and_then(|secret| of_field(secret, field))),
            Self::Gcp(keeper) => Ok(keeper.read(upstream, name).await?.and_then(|secret| of_field(secret, field))),
            Self::Azure(keeper) => Ok(keeper.read(upstream, name).await?.and_then(|secret| of_field(secret, field))),
        }
    }

    /// Keeps a secret under that name, in place of what was there.
    pub async fn write(&self, upstream: &Upstream, name: &str, secret: &Secret) -> Result<(), KeeperError> {
        match self {
            Self::HashiCorp(keeper) => keeper.write(upstream, name, secret).await,
            Self::Aws(keeper) => keeper.write(upstream, name, secret).await,
            Self::Gcp(keeper) => keeper.write(upstream, name, secret).await,
            Self::Azure(keeper) => keeper.write(upstream, name, secret).await,
        }
    }

    /// Forgets the secret of that name, if there is one.
    pub async fn remove(&self, upstream: &Upstream, name: &str) -> Result<(), KeeperError> {
        match self {
            Self::HashiCorp(keeper) => keeper.remove(upstream, name).await,
            Self::Aws(keeper) => keeper.remove(upstream, name).await,
            Self::Gcp(keeper) => keeper.remove(upstream, name).await,
            Self::Azure(keeper) => keeper.remove(upstream, name).await,
        }
    }
}

/// One field of a secret that is a JSON object; the whole where no field is asked for.
fn of_field(secret: Secret, field: Option<&str>) -> Option<Secret> {
    let Some(field) = field else { return Some(secret) };
    let object: Value = serde_json::from_str(secret.reveal()).ok()?;
    match object.get(field)? {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Where a keeper is, and how it is reached.
#[derive(Clone, Debug)]
struct Place {
    origin: Origin,
    /// What stands before every path; without a slash at its end.
    base: String,
    transport: Option<Transport>,
}

/// What a keeper said.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Place {
    fn of(url: &str, transport: Option<Transport>) -> Result<Self, KeeperError> {
        let origin = Origin::of(url).map_err(|_| KeeperError::Settings("its address is not a URL"))?;
        let path = url.parse::<http::Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default();
        Ok(Self { origin, base: path, transport })
    }

    /// A request below the base; its path is encoded already.
    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<UpstreamRequest, KeeperError> {
        let path = PathAndQuery::try_from(format!("{}{path}", self.base)).map_err(|_| KeeperError::Name("such signs"))?;
        let mut request = UpstreamRequest::new(method, self.origin.clone(), path);
        if let Some(body) = body {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body = vec![body.to_string().into()];
        }
        request.transport.clone_from(&self.transport);
        request.caps = Caps { body: ANSWER_CAP, ..Caps::WHOLE };
        let short = Duration::from_secs(10);
        request.timeouts =
            Timeouts { connect: Duration::from_secs(3), first_byte: short, idle: short, total: Some(Duration::from_secs(15)) };
        Ok(request)
    }
}

async fn send(upstream: &Upstream, request: UpstreamRequest) -> Result<Answer, KeeperError> {
    let reply = upstream.send(request).await?;
    let status = reply.status;
    Ok(Answer { status, body: reply.body.collect().await? })
}

impl Answer {
    /// The body of a good answer.
    fn good(self) -> Result<Self, KeeperError> {
        if self.status.is_success() { Ok(self) } else { Err(KeeperError::Refused(self.status.as_u16())) }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, KeeperError> {
        serde_json::from_slice(&self.body).map_err(|_| KeeperError::Unreadable)
    }
}

/// A name of one part, as it stands in a path.
fn segment(name: &str) -> Result<String, KeeperError> {
    match name {
        "" | "." | ".." => Err(KeeperError::Name("nothing, `.` or `..`")),
        name => Ok(crate::sign::percent(name)),
    }
}

/// A name of several parts, as it stands in a path.
fn segments(name: &str) -> Result<String, KeeperError> {
    let parts: Result<Vec<String>, _> = name.trim_matches('/').split('/').map(segment).collect();
    Ok(parts?.join("/"))
}

/// Where a secret is read from, more than once.
#[derive(Clone, Debug)]
pub enum Reference {
    /// A file whose text it is.
    File(std::path::PathBuf),
    /// A name that a keeper knows.
    Kept(Arc<Keeper>, String),
}

impl Reference {
    /// The secret as it is now. A file ends where its last line does.
    pub async fn read(&self, upstream: &Upstream) -> Result<Secret, KeeperError> {
        let secret = match self {
            Self::File(path) => Some(crate::sign::read_secret_file(path)?),
            Self::Kept(keeper, name) => keeper.read(upstream, name).await?,
        };
        secret.ok_or(KeeperError::Absent)
    }
}

impl Source for Reference {
    fn read<'a>(&'a self, upstream: &'a Upstream) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>> {
        Box::pin(async { Reference::read(self, upstream).await.map_err(|error| error.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_path() {
        assert_eq!(segments("team/open ai").unwrap(), "team/open%20ai");
        assert_eq!(segments("/a/b/").unwrap(), "a/b");
        for bad in ["../sys/seal", "a/../../sys", "", "a//b", "."] {
            assert!(segments(bad).is_err(), "{bad}");
        }
        assert_eq!(segments("a?b#c").unwrap(), "a%3Fb%23c");
    }

    #[test]
    fn a_secret_may_hold_several() {
        let all = Secret::from(r#"{"a": "one", "b": 2, "c": {}}"#);
        assert_eq!(of_field(all.clone(), Some("a")).unwrap().reveal(), "one");
        assert_eq!(of_field(all.clone(), Some("b")).unwrap().reveal(), "2");
        assert!(of_field(all.clone(), Some("c")).is_none() && of_field(all.clone(), Some("d")).is_none());
        assert_eq!(of_field(all.clone(), None), Some(all));
    }
}
