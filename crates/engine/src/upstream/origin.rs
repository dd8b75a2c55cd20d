//! Where a request goes, and the credentials that may go only there.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme, Uri};

/// Scheme, host and port: what a connection is made to, and what a credential is bound to.
#[derive(Clone)]
pub struct Origin(Arc<Parts>);

struct Parts {
    secure: bool,
    /// Lower case, an IPv6 address without its brackets.
    host: Box<str>,
    port: u16,
    authority: Authority,
    host_header: HeaderValue,
    /// Of what stands above, so that looking a connection up need not read it again.
    hash: u64,
}

/// The text is not an origin we can dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// Not a URL with scheme and host.
    #[error("not an absolute http or https URL")]
    NotAbsolute,
    /// A scheme other than http and https.
    #[error("the scheme must be http or https")]
    Scheme,
    /// `user:password@` in front of the host.
    #[error("the URL must not carry user information")]
    UserInformation,
}

impl Origin {
    /// Reads the origin of an absolute URL; path and query are ignored.
    pub fn of(url: &str) -> Result<Self, BadOrigin> {
        let uri: Uri = url.parse().map_err(|_| BadOrigin::NotAbsolute)?;
        let scheme = uri.scheme().ok_or(BadOrigin::NotAbsolute)?;
        let secure = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(BadOrigin::Scheme),
        };
        let authority = uri.authority().ok_or(BadOrigin::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(BadOrigin::UserInformation);
        }
        let default = if secure { 443 } else { 80 };
        let written = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(default);
        let shown = if port == default { written.clone() } else { format!("{written}:{port}") };
        let host = written.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(BadOrigin::NotAbsolute);
        }
        Ok(Self(Arc::new(Parts {
            hash: BuildHasherDefault::<DefaultHasher>::default().hash_one((secure, host, port)),
            secure,
            host: host.into(),
            port,
            authority: shown.parse().map_err(|_| BadOrigin::NotAbsolute)?,
            host_header: HeaderValue::from_str(&shown).map_err(|_| BadOrigin::NotAbsolute)?,
        })))
    }

    /// Whether the connection is TLS.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// The host name or address, lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The port, given or default.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> Scheme {
        if self.0.secure { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Host and, unless it is the default, port.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The `Host` header's value.
    pub fn host_header(&self) -> &HeaderValue {
        &self.0.host_header
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.secure == other.0.secure && self.0.port == other.0.port && self.0.host == other.0.host)
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.0.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Headers that prove who we are, and the one origin they may be shown to.
#[derive(Clone)]
pub struct Credential {
    origin: Origin,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

/// A credential was about to be sent to an origin it is not bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential is bound to another origin")]
pub struct WrongOrigin;

impl Credential {
    /// Binds headers to an origin and marks them sensitive.
    pub fn new(origin: Origin, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        let headers = headers
            .into_iter()
            .map(|(name, mut value)| {
                value.set_sensitive(true);
                (name, value)
            })
            .collect();
        Self { origin, headers }
    }

    /// The origin the credential belongs to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Adds the headers to a request for `origin`, unless it is not theirs.
    pub fn attach(&self, origin: &Origin, headers: &mut HeaderMap) -> Result<(), WrongOrigin> {
        if self.origin != *origin {
            return Err(WrongOrigin);
        }
        for (name, value) in &*self.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Credential").field("origin", &self.origin).field("headers", &names).finish()
    }
}
