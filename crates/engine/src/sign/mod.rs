//! From a provider's credential to a request it accepts.
//!
//! A [`Signer`] holds one credential and the one origin it may be shown to. Static keys become a header or a query
//! parameter; cloud credentials become a token, fetched through the same [`Upstream`] as any request and kept until
//! shortly before it expires, or a signature over the request. Nothing here reads the environment: what it would say is
//! passed in as a [`Lookup`].

pub mod aws;
mod aws_credentials;
mod aws_profile;
pub mod azure;
mod cached;
mod encode;
pub mod external;
pub mod gcp;
mod kept;
mod kind;
pub mod oci;
mod secret;
mod time;
pub mod token;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::PathAndQuery;

pub(crate) use cached::{Cached, Expiring};
pub(crate) use encode::{percent, unpercent};
pub use kept::{Kept, Shape, Source};
pub use kind::{Kind, UnknownKind};
pub use secret::Secret;
pub use time::rfc3339;

use crate::upstream::{Credential, DialError, Origin, Upstream, UpstreamRequest};

/// The environment's variables, as whoever may read the environment passes them on.
pub type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Tells the time; a test passes its own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How a request is authenticated.
#[derive(Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// A header of this name and value; what bearer tokens and API keys amount to.
    Header(HeaderName, HeaderValue),
    /// A parameter appended to the query.
    Query(String, Secret),
    /// A key that is kept elsewhere.
    Kept(Kept),
    /// A bearer token that is fetched and renewed.
    Token(token::Tokens),
    /// AWS Signature Version 4.
    Aws(aws::Aws),
    /// Oracle's HTTP signature.
    Oci(oci::Oci),
    /// The caller's own key; there is no other.
    Callers {
        /// The header it may stand in already.
        header: Option<HeaderName>,
        /// How callers bring one.
        how: &'static str,
    },
}

/// One credential, bound to one origin.
#[derive(Debug)]
pub struct Signer {
    origin: Origin,
    auth: Auth,
}

/// A request could not be authenticated. `Display` names no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignError {
    /// The request goes elsewhere than the credential may.
    #[error("the credential is bound to another origin")]
    WrongOrigin,
    /// The key cannot be used as it is written.
    #[error("the credential is malformed: {0}")]
    Malformed(&'static str),
    /// No source had a credential.
    #[error("no credential was found: {0}")]
    Missing(&'static str),
    /// The caller was to bring a key, and did not.
    #[error("{0}")]
    NotBrought(&'static str),
    /// A file the credential names cannot be read.
    #[error("the credential file cannot be read")]
    File(#[source] Arc<std::io::Error>),
    /// The token endpoint could not be reached.
    #[error("the token endpoint could not be reached")]
    Unreachable(#[source] Arc<DialError>),
    /// The token endpoint answered with an error.
    #[error("the token endpoint answered with status {0}")]
    Refused(u16),
    /// The token endpoint answered something else than a token.
    #[error("the token endpoint's answer could not be read")]
    Unreadable,
}

// === impl Auth ===

impl Auth {
    /// `Authorization: Bearer` and the key.
    pub fn bearer(key: &Secret) -> Result<Self, SignError> {
        Self::scheme("Bearer", key)
    }

    /// `Authorization:` with a scheme of the provider's choosing.
    pub fn scheme(scheme: &str, key: &Secret) -> Result<Self, SignError> {
        let value = format!("{scheme} {}", key.reveal());
        Ok(Self::Header(AUTHORIZATION, secret_value(&value)?))
    }

    /// The key alone in a header of its own.
    pub fn header(name: &str, key: &Secret) -> Result<Self, SignError> {
        let name = HeaderName::try_from(name).map_err(|_| SignError::Malformed("the header's name is not one"))?;
        Ok(Self::Header(name, secret_value(key.reveal())?))
    }

    /// The key as a query parameter.
    pub fn query(name: &str, key: Secret) -> Self {
        Self::Query(name.to_owned(), key)
    }
}

// === impl Signer ===

impl Signer {
    /// Binds a credential to an origin.
    pub fn new(origin: Origin, auth: Auth) -> Self {
        Self { origin, auth }
    }

    /// The origin the credential may be shown to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The credential that all requests show alike, where it is one: `Some(None)` is a target that wants none.
    pub fn constant(&self) -> Option<Option<Credential>> {
        match &self.auth {
            Auth::None => Some(None),
            Auth::Header(name, value) => Some(Some(Credential::new(self.origin.clone(), [(name.clone(), value.clone())]))),
            Auth::Query(..) | Auth::Kept(_) | Auth::Token(_) | Auth::Aws(_) | Auth::Oci(_) | Auth::Callers { .. } => None,
        }
    }

    /// Authenticates a request; its address, headers and body must be final.
    pub async fn sign(&self, upstream: &Upstream, request: &mut UpstreamRequest) -> Result<(), SignError> {
        if request.origin != self.origin {
            return Err(SignError::WrongOrigin);
        }
        let headers = match &self.auth {
            Auth::None => return Ok(()),
            Auth::Query(name, key) => {
                request.path_and_query = with_parameter(&request.path_and_query, name, key)?;
                return Ok(());
            }
            Auth::Header(name, value) => vec![(name.clone(), value.clone())],
            // Boxed, for most requests need none of it and would carry its room about.
            Auth::Kept(kept) => Box::pin(kept.headers(upstream)).await?,
            Auth::Token(tokens) => Box::pin(tokens.headers(upstream)).await?,
            Auth::Aws(aws) => Box::pin(aws.headers(upstream, request)).await?,
            Auth::Oci(oci) => oci.headers(request)?,
            Auth::Callers { header: Some(name), .. } if request.headers.contains_key(name) => return Ok(()),
            Auth::Callers { how, .. } => return Err(SignError::NotBrought(how)),
        };
        request.credential = Some(Credential::new(self.origin.clone(), headers));
        Ok(())
    }

    /// Hears how the provider answered: a credential it refused is fetched anew for the next request.
    pub fn answered(&self, status: StatusCode) {
        match (&self.auth, status) {
            (_, StatusCode::UNAUTHORIZED) => self.forget(),
            // Of a key that is rotated, a provider may also say that it may not do this.
            (Auth::Kept(kept), StatusCode::FORBIDDEN) => kept.forget(),
            _ => {}
        }
    }

    /// Forgets a fetched token or key, after the provider refused it.
    pub fn forget(&self) {
        match &self.auth {
            Auth::Kept(kept) => kept.forget(),
            Auth::Token(tokens) => tokens.forget(),
            Auth::Aws(aws) => aws.forget(),
            Auth::None | Auth::Header(..) | Auth::Query(..) | Auth::Oci(_) | Auth::Callers { .. } => {}
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "credential for {}", self.origin)
    }
}

/// The text of a file that holds a secret; white space around it does not count.
pub(crate) fn read_secret_file(file: &std::path::Path) -> Result<Secret, SignError> {
    token::read_file(file).map(|text| Secret::from(text.trim()))
}

pub(crate) use secret_value as secret_header;

pub(crate) fn secret_value(text: &str) -> Result<HeaderValue, SignError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SignError::Malformed("the key holds characters a header cannot"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn with_parameter(path: &PathAndQuery, name: &str, key: &Secret) -> Result<PathAndQuery, SignError> {
    let joint = if path.query().is_some() { '&' } else { '?' };
    let (name, key) = (encode::percent(name), encode::percent(key.reveal()));
    PathAndQuery::try_from(format!("{path}{joint}{name}={key}")).map_err(|_| SignError::Malformed("the key does not fit into a query"))
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}
