//! A provider row's `auth` column.

use std::str::FromStr;

use super::{Auth, Secret, SignError};

/// How a provider wants to be authenticated, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `none`
    None,
    /// `bearer`
    Bearer,
    /// `header:NAME`
    Header(String),
    /// `query:NAME`
    Query(String),
    /// `scheme:NAME`, the scheme of an `Authorization` header
    Scheme(String),
    /// `aws`
    Aws,
    /// `gcp`
    Gcp,
    /// `azure`
    Azure,
    /// `watsonx`
    Watsonx,
    /// `oci`
    Oci,
}

/// The `auth` column says something else than a kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown auth `{0}`: use none, bearer, header:NAME, query:NAME, scheme:NAME, aws, gcp, azure, watsonx or oci")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let kind = match text.split_once(':') {
            Some((_, "")) => return Err(UnknownKind(text.to_owned())),
            Some(("header", name)) => Self::Header(name.to_owned()),
            Some(("query", name)) => Self::Query(name.to_owned()),
            Some(("scheme", name)) => Self::Scheme(name.to_owned()),
            Some(_) => return Err(UnknownKind(text.to_owned())),
            None => match text {
                "none" => Self::None,
                "bearer" => Self::Bearer,
                "aws" => Self::Aws,
                "gcp" => Self::Gcp,
                "azure" => Self::Azure,
                "watsonx" => Self::Watsonx,
                "oci" => Self::Oci,
                _ => return Err(UnknownKind(text.to_owned())),
            },
        };
        Ok(kind)
    }
}

impl Kind {
    /// What a plain API key amounts to under this kind; `None` where the kind needs more than a key.
    pub fn with_key(&self, key: &Secret) -> Option<Result<Auth, SignError>> {
        match self {
            Self::None => Some(Ok(Auth::None)),
            // A cloud's long-lived API key (Bedrock's, for one) is a bearer token too.
            Self::Bearer | Self::Aws => Some(Auth::bearer(key)),
            Self::Header(name) => Some(Auth::header(name, key)),
            Self::Query(name) => Some(Ok(Auth::query(name, key.clone()))),
            Self::Scheme(scheme) => Some(Auth::scheme(scheme, key)),
            Self::Azure => Some(Auth::header("api-key", key)),
            Self::Gcp | Self::Watsonx | Self::Oci => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        assert_eq!("bearer".parse(), Ok(Kind::Bearer));
        assert_eq!("header:x-api-key".parse(), Ok(Kind::Header("x-api-key".into())));
        assert_eq!("scheme:Token".parse(), Ok(Kind::Scheme("Token".into())));
        assert!("header:".parse::<Kind>().is_err());
        assert!("digest".parse::<Kind>().is_err());
    }

    #[test]
    fn keys_do_not_show() {
        let key = Secret::from("sk-hidden");
        for kind in ["bearer", "header:x-api-key", "query:key", "scheme:Token"] {
            let auth = kind.parse::<Kind>().unwrap().with_key(&key).unwrap().unwrap();
            assert!(!format!("{auth:?}").contains("hidden"), "{auth:?}");
        }
    }
}
