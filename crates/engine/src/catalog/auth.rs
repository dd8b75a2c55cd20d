//! How a provider wants to be shown the credential.

use std::fmt;
use std::str::FromStr;

/// The place and form of a provider's credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// No credential at all.
    None,
    /// `authorization: Bearer <key>`.
    Bearer,
    /// A header of that name holding the bare key.
    Header(String),
    /// A query parameter of that name holding the key.
    Query(String),
    /// `authorization: <scheme> <key>` with a scheme other than `Bearer`.
    Scheme(String),
    /// AWS Signature Version 4 for that service, or a bearer token where the service takes one.
    Aws(String),
    /// A Google OAuth 2 access token from a service account or the ambient credentials.
    Gcp,
    /// An `api-key` header, or a Microsoft Entra access token.
    Azure,
    /// The same, but the key is `authorization: Bearer <key>`.
    AzureBearer,
    /// The same, but the key is in a header of that name.
    AzureHeader(String),
    /// Oracle's request signing.
    Oci,
    /// A credential which is first traded for a short-lived bearer token, by the flow of that name.
    Exchange(String),
}

/// The text is not one of the forms an `auth` field may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no way to authenticate: use none, bearer, header:NAME, query:NAME, scheme:NAME, aws:SERVICE, gcp, azure, azure:bearer, azure:HEADER, oci or exchange:FLOW"
)]
pub struct UnknownAuth(String);

impl FromStr for Auth {
    type Err = UnknownAuth;

    fn from_str(text: &str) -> Result<Self, UnknownAuth> {
        let (form, name) = text.split_once(':').unwrap_or((text, ""));
        let auth = match (form, name) {
            ("none", "") => Auth::None,
            ("bearer", "") => Auth::Bearer,
            ("gcp", "") => Auth::Gcp,
            ("azure", "") => Auth::Azure,
            ("azure", "bearer") => Auth::AzureBearer,
            ("oci", "") => Auth::Oci,
            ("azure", name) if !name.is_empty() => Auth::AzureHeader(name.to_owned()),
            (_, "") => return Err(UnknownAuth(text.to_owned())),
            ("header", name) => Auth::Header(name.to_owned()),
            ("query", name) => Auth::Query(name.to_owned()),
            ("scheme", name) => Auth::Scheme(name.to_owned()),
            ("aws", name) => Auth::Aws(name.to_owned()),
            ("exchange", name) => Auth::Exchange(name.to_owned()),
            _ => return Err(UnknownAuth(text.to_owned())),
        };
        Ok(auth)
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::None => out.write_str("none"),
            Auth::Bearer => out.write_str("bearer"),
            Auth::Header(name) => write!(out, "header:{name}"),
            Auth::Query(name) => write!(out, "query:{name}"),
            Auth::Scheme(name) => write!(out, "scheme:{name}"),
            Auth::Aws(service) => write!(out, "aws:{service}"),
            Auth::Gcp => out.write_str("gcp"),
            Auth::Azure => out.write_str("azure"),
            Auth::AzureBearer => out.write_str("azure:bearer"),
            Auth::AzureHeader(name) => write!(out, "azure:{name}"),
            Auth::Oci => out.write_str("oci"),
            Auth::Exchange(flow) => write!(out, "exchange:{flow}"),
        }
    }
}
