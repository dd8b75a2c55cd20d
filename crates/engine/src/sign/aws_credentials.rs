//! Where AWS keys come from: given, or found along AWS's usual chain.

use std::fmt;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

pub use super::aws_profile::Profile;
use super::cached::Expiring;
use super::token::{ask, get, read_file};
use super::{Clock, Lookup, Secret, SignError, aws, encode, secret_value, time};
use crate::upstream::{Credential, Origin, Upstream, UpstreamRequest};

/// What the audit log calls us where nothing else is said.
pub(super) const SESSION: &str = "switchboard";

/// A key pair, with the session token of temporary ones.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The public half.
    pub access_key: String,
    /// The private half.
    pub secret_key: Secret,
    /// What temporary keys carry besides.
    pub session_token: Option<Secret>,
}

/// Where keys come from.
pub enum Source {
    /// These keys.
    Static(Keys),
    /// The first of: environment, web identity, profile (keys, a sign-in, a program), container, machine.
    Chain {
        /// The environment's variables.
        environment: Lookup,
        /// The profile's files.
        profile: Profile,
        /// Where the services of AWS are reached.
        endpoints: Endpoints,
    },
    /// A profile's own keys, sign-in or program.
    Profile(Profile, Endpoints),
    /// Keys of a role, asked for with other keys.
    Role {
        /// Who asks.
        base: Box<Source>,
        /// The role's ARN.
        role: String,
        /// What the role's owner demands to hear.
        external_id: Option<String>,
        /// The name in the audit log.
        session: String,
        /// The region of the token service.
        region: String,
        /// Where the services of AWS are reached.
        endpoints: Endpoints,
    },
}

/// Where AWS's own services are reached.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The security token service.
    pub sts: String,
    /// The metadata server of a container.
    pub container: String,
    /// The metadata server of a machine.
    pub machine: String,
    /// The portal that gives keys to who has signed in; `None`: that of the region where they did.
    pub portal: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

pub(super) type Found = Expiring<Keys>;

// === impl Endpoints ===

impl Endpoints {
    /// The public ones of a region.
    pub fn of_region(region: &str) -> Self {
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Self {
            sts: format!("https://sts.{region}.{domain}"),
            container: "http://169.254.170.2".to_owned(),
            machine: "http://169.254.169.254".to_owned(),
            portal: None,
        }
    }
}

// === impl Source ===

impl Source {
    pub(crate) async fn fetch(&self, upstream: &Upstream, region: &str, clock: &Clock) -> Result<Found, SignError> {
        match self {
            Self::Static(keys) => Ok(lasting(keys.clone())),
            Self::Chain { environment, profile, endpoints } => match profile.role(environment, region, endpoints)? {
                Some(role) => role.assume(upstream, clock).await,
                None => chain(upstream, environment, profile, (endpoints, clock())).await,
            },
            Self::Profile(profile, endpoints) => {
                let found = profile.fetch(upstream, endpoints, clock()).await?;
                found.ok_or(SignError::Missing("the role's `source_profile` has no keys"))
            }
            Self::Role { .. } => self.assume(upstream, clock).await,
        }
    }

    /// Asks for a role's keys with the keys of its base.
    async fn assume(&self, upstream: &Upstream, clock: &Clock) -> Result<Found, SignError> {
        let Self::Role { base, role, external_id, session, region, endpoints } = self else {
            return Err(SignError::Missing("only a role can be assumed"));
        };
        // Boxed, since a role may be asked for with the keys of another role.
        let keys = Box::pin(base.fetch(upstream, region, clock)).await?.value;
        let mut fields =
            vec![("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role.as_str()), ("RoleSessionName", session.as_str())];
        if let Some(id) = external_id {
            fields.push(("ExternalId", id));
        }
        let origin = Origin::of(&endpoints.sts).map_err(|_| SignError::Malformed("the STS endpoint is not a URL"))?;
        let path = http::uri::PathAndQuery::from_static("/");
        let mut request = UpstreamRequest::new(Method::POST, origin.clone(), path);
        request.headers = form_headers();
        let body = Bytes::from(encode::form(fields));
        request.body = vec![body.clone()];
        let signed = aws::sign(&keys, region, "sts", &request, clock())?;
        let mut headers = request.headers;
        Credential::new(origin.clone(), signed).attach(&origin, &mut headers).map_err(|_| SignError::WrongOrigin)?;
        read_sts(&ask(upstream, Method::POST, &endpoints.sts, headers, body).await?)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static(_) => "Static",
            Self::Chain { .. } => "Chain",
            Self::Profile(..) => "Profile",
            Self::Role { .. } => "Role",
        })
    }
}

/// The first source that is set up answers; one that is set up and fails is an error, not skipped.
async fn chain(
    upstream: &Upstream,
    environment: &Lookup,
    profile: &Profile,
    (endpoints, now): (&Endpoints, std::time::SystemTime),
) -> Result<Found, SignError> {
    if let (Some(access_key), Some(secret_key)) = (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY")) {
        return Ok(lasting(Keys {
            access_key,
            secret_key: secret_key.into(),
            session_token: environment("AWS_SESSION_TOKEN").map(Secret::from),
        }));
    }
    if let (Some(file), Some(role)) = (environment("AWS_WEB_IDENTITY_TOKEN_FILE"), environment("AWS_ROLE_ARN")) {
        let session = environment("AWS_ROLE_SESSION_NAME");
        return web_identity(upstream, endpoints, &file, &role, session).await;
    }
    if let Some(found) = profile.fetch(upstream, endpoints, now).await? {
        return Ok(found);
    }
    if let Some(found) = container(upstream, environment, endpoints).await? {
        return Ok(found);
    }
    if environment("AWS_EC2_METADATA_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true")) {
        return Err(SignError::Missing("no source of AWS keys is set up"));
    }
    machine(upstream, endpoints).await
}

async fn web_identity(
    upstream: &Upstream,
    endpoints: &Endpoints,
    file: &str,
    role: &str,
    session: Option<String>,
) -> Result<Found, SignError> {
    let token = read_file(file.as_ref())?;
    let body = encode::form([
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session.as_deref().unwrap_or(SESSION)),
        ("WebIdentityToken", token.trim()),
    ]);
    let url = &endpoints.sts;
    read_sts(&ask(upstream, Method::POST, url, form_headers(), body.into()).await?)
}

async fn container(upstream: &Upstream, environment: &Lookup, endpoints: &Endpoints) -> Result<Option<Found>, SignError> {
    let url = match environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => format!("{}{path}", endpoints.container),
        None => match environment("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            Some(url) => url,
            None => return Ok(None),
        },
    };
    let token = match environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(read_file(file.as_ref())?),
        None => environment("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, secret_value(token.trim())?);
    }
    read_json(&get(upstream, &url, headers).await?).map(Some)
}

/// The machine's own role, through the metadata service's second version.
async fn machine(upstream: &Upstream, endpoints: &Endpoints) -> Result<Found, SignError> {
    let base = &endpoints.machine;
    let mut headers = HeaderMap::new();
    headers.insert("x-aws-ec2-metadata-token-ttl-seconds", HeaderValue::from_static("21600"));
    let url = format!("{base}/latest/api/token");
    let token = ask(upstream, Method::PUT, &url, headers, Bytes::new()).await?;
    let token = std::str::from_utf8(&token).map_err(|_| SignError::Unreadable)?;
    let mut headers = HeaderMap::new();
    headers.insert("x-aws-ec2-metadata-token", secret_value(token)?);
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let role = get(upstream, &roles, headers.clone()).await?;
    let role = std::str::from_utf8(&role).map_err(|_| SignError::Unreadable)?;
    let role = role.lines().next().unwrap_or_default().trim();
    read_json(&get(upstream, &format!("{roles}{role}"), headers).await?)
}

fn form_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    headers.insert(ACCEPT, HeaderValue::from_static("application/xml"));
    headers
}

pub(super) fn lasting(value: Keys) -> Found {
    Expiring { value, expires: None }
}

fn read_json(answer: &[u8]) -> Result<Found, SignError> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| SignError::Unreadable)?;
    let keys = Keys {
        access_key: answer.access_key_id,
        secret_key: answer.secret_access_key.into(),
        session_token: answer.token.map(Secret::from),
    };
    ending(keys, answer.expiration.as_deref())
}

/// STS answers in XML whose four values hold no markup.
fn read_sts(answer: &[u8]) -> Result<Found, SignError> {
    let text = std::str::from_utf8(answer).map_err(|_| SignError::Unreadable)?;
    let value = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.trim())
    };
    let needed = |name| value(name).ok_or(SignError::Unreadable);
    let keys = Keys {
        access_key: needed("AccessKeyId")?.to_owned(),
        secret_key: needed("SecretAccessKey")?.into(),
        session_token: Some(needed("SessionToken")?.into()),
    };
    ending(keys, value("Expiration"))
}

pub(super) fn ending(value: Keys, expiration: Option<&str>) -> Result<Found, SignError> {
    let expires = match expiration {
        Some(text) => Some(time::read_rfc3339(text).ok_or(SignError::Unreadable)?),
        None => None,
    };
    Ok(Expiring { value, expires })
}
