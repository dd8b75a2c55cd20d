//! Google's workload identity federation: a token of somebody else's, traded for one of Google's.
//!
//! <https://google.aip.dev/auth/4117>. The credential file names where the other's token is (a file, a URL, or AWS, whose token is a signed
//! question of who is asking), who trades it, and perhaps the service account that is then spoken for.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use serde::Deserialize;
use serde_json::json;

use super::aws::{self, Keys};
use super::gcp::SCOPE;
use super::token::{ask, get, read_file};
use super::{Lookup, Secret, SignError, encode, secret_value, time};
use crate::upstream::{Origin, Upstream, UpstreamRequest};

/// How long a service account is spoken for, unless the file says otherwise.
const LIFETIME: u64 = 3600;

/// A credential file of the type `external_account`.
pub struct External {
    file: File,
    environment: Lookup,
}

#[derive(Deserialize)]
struct File {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Place,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<Impersonation>,
    client_id: Option<String>,
    client_secret: Option<String>,
    workforce_pool_user_project: Option<String>,
}

#[derive(Deserialize)]
struct Impersonation {
    token_lifetime_seconds: Option<u64>,
}

/// Where the other's token is.
#[derive(Deserialize)]
struct Place {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    format: Format,
    /// `aws1`.
    environment_id: Option<String>,
    region_url: Option<String>,
    regional_cred_verification_url: Option<String>,
    imdsv2_session_token_url: Option<String>,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

#[derive(Deserialize)]
struct Traded {
    access_token: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spoken {
    access_token: String,
    expire_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AwsKeys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("audience", &self.file.audience).finish_non_exhaustive()
    }
}

impl External {
    /// By the file's text.
    pub(crate) fn of(text: &str, environment: Lookup) -> Result<Self, SignError> {
        let file: File = serde_json::from_str(text).map_err(|_| SignError::Malformed("the `external_account` file lacks a field"))?;
        let place = &file.credential_source;
        if place.file.is_none() && place.url.is_none() && place.environment_id.is_none() {
            return Err(SignError::Malformed("the `credential_source` names neither a file, nor a URL, nor AWS"));
        }
        if place.environment_id.as_deref().is_some_and(|id| id != "aws1") {
            return Err(SignError::Malformed("the `environment_id` must be `aws1`"));
        }
        Ok(Self { file, environment })
    }

    /// The token, in the form of a token endpoint's answer.
    pub(crate) async fn token(&self, upstream: &Upstream, now: SystemTime) -> Result<Bytes, SignError> {
        let subject = self.subject(upstream, now).await?;
        let traded = self.trade(upstream, &subject).await?;
        let Some(url) = &self.file.service_account_impersonation_url else {
            return Ok(json!({"access_token": traded.access_token, "expires_in": traded.expires_in}).to_string().into());
        };
        let lifetime = self.file.service_account_impersonation.as_ref().and_then(|own| own.token_lifetime_seconds).unwrap_or(LIFETIME);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {}", traded.access_token))?);
        let body = json!({"scope": [SCOPE], "lifetime": format!("{lifetime}s")}).to_string();
        let answer = ask(upstream, Method::POST, url, headers, body.into()).await?;
        let spoken: Spoken = serde_json::from_slice(&answer).map_err(|_| SignError::Unreadable)?;
        let ends = time::read_rfc3339(&spoken.expire_time).ok_or(SignError::Unreadable)?;
        Ok(json!({"access_token": spoken.access_token, "expires_at": time::unix(ends)}).to_string().into())
    }

    async fn trade(&self, upstream: &Upstream, subject: &Secret) -> Result<Traded, SignError> {
        let file = &self.file;
        let mut fields = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &file.audience),
            ("scope", SCOPE),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", &file.subject_token_type),
            ("subject_token", subject.reveal()),
        ];
        let options = file.workforce_pool_user_project.as_ref().map(|project| json!({"userProject": project}).to_string());
        if let Some(options) = options.as_ref().filter(|_| file.client_id.is_none()) {
            fields.push(("options", options));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(id) = &file.client_id {
            let pair = STANDARD.encode(format!("{id}:{}", file.client_secret.as_deref().unwrap_or_default()));
            headers.insert(AUTHORIZATION, secret_value(&format!("Basic {pair}"))?);
        }
        let answer = ask(upstream, Method::POST, &file.token_url, headers, encode::form(fields).into()).await?;
        serde_json::from_slice(&answer).map_err(|_| SignError::Unreadable)
    }

    /// The other's token.
    async fn subject(&self, upstream: &Upstream, now: SystemTime) -> Result<Secret, SignError> {
        let place = &self.file.credential_source;
        if place.environment_id.is_some() {
            return self.of_aws(upstream, now).await;
        }
        let text = match (&place.file, &place.url) {
            (Some(file), _) => read_file(file)?,
            (None, Some(url)) => {
                let mut headers = HeaderMap::new();
                for (name, value) in &place.headers {
                    let name = HeaderName::try_from(name).map_err(|_| SignError::Malformed("a header's name is not one"))?;
                    headers.insert(name, secret_value(value)?);
                }
                let answer = get(upstream, url, headers).await?;
                std::str::from_utf8(&answer).map_err(|_| SignError::Unreadable)?.to_owned()
            }
            (None, None) => return Err(SignError::Missing("the `credential_source` names no place")),
        };
        if place.format.kind.as_deref() != Some("json") {
            return Ok(Secret::from(text.trim()));
        }
        let field = place.format.subject_token_field_name.as_deref().unwrap_or("access_token");
        let answer: serde_json::Value = serde_json::from_str(&text).map_err(|_| SignError::Unreadable)?;
        answer.get(field).and_then(serde_json::Value::as_str).map(Secret::from).ok_or(SignError::Unreadable)
    }

    /// A question to AWS of who is asking, signed but not sent: whoever sends it learns it.
    async fn of_aws(&self, upstream: &Upstream, now: SystemTime) -> Result<Secret, SignError> {
        let place = &self.file.credential_source;
        let (region, keys) = (self.aws_region(upstream).await?, self.aws_keys(upstream).await?);
        let template = place.regional_cred_verification_url.as_deref();
        let template = template.unwrap_or("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
        let url = template.replace("{region}", &region);
        let bad = || SignError::Malformed("the `regional_cred_verification_url` is not a URL");
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let origin = Origin::of(&url).map_err(|_| bad())?;
        let request = UpstreamRequest::new(Method::POST, origin, path);
        let signed = aws::sign(&keys, &region, "sts", &request, now)?;
        let mut headers = vec![json!({"key": "host", "value": request.origin.host_header().to_str().map_err(|_| bad())?})];
        for (name, value) in &signed {
            let name = if *name == AUTHORIZATION { "Authorization" } else { name.as_str() };
            headers.push(json!({"key": name, "value": value.to_str().map_err(|_| bad())?}));
        }
        headers.push(json!({"key": "x-goog-cloud-target-resource", "value": self.file.audience}));
        let question = json!({"url": url, "method": "POST", "headers": headers}).to_string();
        Ok(Secret::from(encode::percent(&question)))
    }

    /// The headers of the machine's metadata service, where it wants a session.
    async fn session(&self, upstream: &Upstream) -> Result<HeaderMap, SignError> {
        let mut headers = HeaderMap::new();
        if let Some(url) = &self.file.credential_source.imdsv2_session_token_url {
            let mut asking = HeaderMap::new();
            asking.insert("x-aws-ec2-metadata-token-ttl-seconds", HeaderValue::from_static("300"));
            let token = ask(upstream, Method::PUT, url, asking, Bytes::new()).await?;
            let token = std::str::from_utf8(&token).map_err(|_| SignError::Unreadable)?;
            headers.insert("x-aws-ec2-metadata-token", secret_value(token)?);
        }
        Ok(headers)
    }

    async fn aws_region(&self, upstream: &Upstream) -> Result<String, SignError> {
        if let Some(region) = (self.environment)("AWS_REGION").or_else(|| (self.environment)("AWS_DEFAULT_REGION")) {
            return Ok(region);
        }
        let url = self.file.credential_source.region_url.as_ref().ok_or(SignError::Missing("nothing tells AWS's region"))?;
        let zone = get(upstream, url, self.session(upstream).await?).await?;
        let zone = std::str::from_utf8(&zone).map_err(|_| SignError::Unreadable)?.trim();
        // The answer is an availability zone: the region and a letter.
        let mut letters = zone.chars();
        letters.next_back().ok_or(SignError::Unreadable)?;
        Ok(letters.as_str().to_owned())
    }

    async fn aws_keys(&self, upstream: &Upstream) -> Result<Keys, SignError> {
        let variable = |name: &str| (self.environment)(name);
        if let (Some(access_key), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            let session_token = variable("AWS_SESSION_TOKEN").map(Secret::from);
            return Ok(Keys { access_key, secret_key: secret.into(), session_token });
        }
        let url = self.file.credential_source.url.as_ref().ok_or(SignError::Missing("nothing tells AWS's keys"))?;
        let headers = self.session(upstream).await?;
        let role = get(upstream, url, headers.clone()).await?;
        let role = std::str::from_utf8(&role).map_err(|_| SignError::Unreadable)?.trim();
        let answer = get(upstream, &format!("{}/{role}", url.trim_end_matches('/')), headers).await?;
        let keys: AwsKeys = serde_json::from_slice(&answer).map_err(|_| SignError::Unreadable)?;
        let session_token = keys.token.map(Secret::from);
        Ok(Keys { access_key: keys.access_key_id, secret_key: keys.secret_access_key.into(), session_token })
    }
}
