//! AWS Secrets Manager, after <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>.

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, KeeperError, Place, Secret, send};
use crate::sign::aws::{Aws, Source};
use crate::sign::{Auth, Clock, Signer};
use crate::upstream::Upstream;

const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// A Secrets Manager in one region.
#[derive(Debug)]
pub struct SecretsManager {
    place: Place,
    signer: Signer,
}

#[derive(Deserialize)]
struct Held {
    #[serde(rename = "SecretString")]
    string: Option<String>,
}

/// What went wrong, as AWS says it.
#[derive(Default, Deserialize)]
struct Wrong {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl SecretsManager {
    /// The one of that region, or at that endpoint.
    pub fn new(region: &str, endpoint: Option<&str>, source: Source, clock: Clock) -> Result<Self, KeeperError> {
        let usual = format!("https://secretsmanager.{region}.amazonaws.com");
        let place = Place::of(endpoint.unwrap_or(&usual), None)?;
        let signer = Signer::new(place.origin.clone(), Auth::Aws(Aws::new(region, "secretsmanager", source, clock)));
        Ok(Self { place, signer })
    }

    pub(super) async fn read(&self, upstream: &Upstream, name: &str) -> Result<Option<Secret>, KeeperError> {
        let answer = self.ask(upstream, "GetSecretValue", &json!({"SecretId": name})).await?;
        if is_missing(&answer) {
            return Ok(None);
        }
        let value: Held = answer.good()?.json()?;
        Ok(value.string.map(Secret::from))
    }

    pub(super) async fn write(&self, upstream: &Upstream, name: &str, secret: &Secret) -> Result<(), KeeperError> {
        let body = json!({"SecretId": name, "SecretString": secret.reveal()});
        let answer = self.ask(upstream, "PutSecretValue", &body).await?;
        if !is_missing(&answer) {
            return answer.good().map(drop);
        }
        let body = json!({"Name": name, "SecretString": secret.reveal()});
        self.ask(upstream, "CreateSecret", &body).await?.good().map(drop)
    }

    pub(super) async fn remove(&self, upstream: &Upstream, name: &str) -> Result<(), KeeperError> {
        let body = json!({"SecretId": name, "RecoveryWindowInDays": 7});
        let answer = self.ask(upstream, "DeleteSecret", &body).await?;
        if is_missing(&answer) { Ok(()) } else { answer.good().map(drop) }
    }

    async fn ask(&self, upstream: &Upstream, action: &'static str, body: &Value) -> Result<Answer, KeeperError> {
        let mut request = self.place.request(Method::POST, "/", Some(body))?;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        let target = HeaderValue::try_from(format!("secretsmanager.{action}")).map_err(|_| KeeperError::Unreadable)?;
        request.headers.insert(X_AMZ_TARGET, target);
        self.signer.sign(upstream, &mut request).await?;
        send(upstream, request).await
    }
}

fn is_missing(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST && answer.json::<Wrong>().unwrap_or_default().kind.ends_with("ResourceNotFoundException")
}
