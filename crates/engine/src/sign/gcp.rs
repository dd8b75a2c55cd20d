//! Google: service accounts, users, and the metadata server.

use std::fmt;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::external::External;
use super::token::{Form, Source, Tokens};
use super::{Clock, Lookup, Secret, SignError, secret_value, time};

/// The scope every Google AI API accepts.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where users' tokens are renewed, and service accounts' unless their key says otherwise.
pub const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// The metadata server of Google's machines.
pub const METADATA_URL: &str = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";

/// How long an assertion is good for; Google allows no more.
const ASSERTION_SECONDS: u64 = 3600;

/// A service account's key.
pub struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    token_url: String,
    key: KeyPair,
}

/// A credential file, as `gcloud` and the console write it.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    quota_project_id: Option<String>,
}

/// Tokens by a credential file's text: a service account's key, a user's (`authorized_user`), or one that says how another's token is
/// traded (`external_account`). What AWS's credentials are taken from is the environment.
pub fn from_file(text: &str, environment: &Lookup, clock: Clock) -> Result<Tokens, SignError> {
    let file: File = serde_json::from_str(text).map_err(|_| SignError::Malformed("the file is no Google credential"))?;
    let quota = file.quota_project_id.clone();
    let source = match file.kind.as_str() {
        "service_account" => Source::ServiceAccount(ServiceAccount::of(file)?),
        "authorized_user" => user(file)?,
        "external_account" => Source::External(Box::new(External::of(text, environment.clone())?)),
        _ => {
            return Err(SignError::Malformed("use a `service_account`, `authorized_user` or `external_account` credential file"));
        }
    };
    let tokens = Tokens::new(source, clock);
    Ok(match quota {
        Some(project) => tokens.with_header(HeaderName::from_static("x-goog-user-project"), secret_value(&project)?),
        None => tokens,
    })
}

/// Tokens from the metadata server at `url`, usually [`METADATA_URL`].
pub fn from_metadata(url: &str, clock: Clock) -> Tokens {
    let mut headers = HeaderMap::new();
    headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
    let url = url.to_owned();
    Tokens::new(Source::Get { url, headers }, clock)
}

fn user(file: File) -> Result<Source, SignError> {
    let field = |value: Option<String>| value.map(Secret::from).ok_or(SignError::Malformed("the user credential lacks a field"));
    Ok(Source::Form(Form {
        url: file.token_uri.unwrap_or_else(|| TOKEN_URL.to_owned()),
        fields: vec![
            ("grant_type", "refresh_token".into()),
            ("client_id", field(file.client_id)?),
            ("client_secret", field(file.client_secret)?),
            ("refresh_token", field(file.refresh_token)?),
        ],
        basic: None,
    }))
}

// === impl ServiceAccount ===

impl ServiceAccount {
    fn of(file: File) -> Result<Self, SignError> {
        let lacking = SignError::Malformed("the service account's key lacks a field");
        Ok(Self {
            email: file.client_email.ok_or_else(|| lacking.clone())?,
            key: read_rsa_key(&file.private_key.ok_or(lacking)?)?,
            key_id: file.private_key_id,
            token_url: file.token_uri.unwrap_or_else(|| TOKEN_URL.to_owned()),
        })
    }

    pub(crate) fn token_url(&self) -> &str {
        &self.token_url
    }

    /// The signed statement that is exchanged for a token.
    pub(crate) fn assertion(&self, now: SystemTime) -> Result<String, SignError> {
        let issued = time::unix(now);
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url,
            "iat": issued,
            "exp": issued + ASSERTION_SECONDS,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = sign_rsa(&self.key, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Reads an RSA key from PEM, PKCS #8 or PKCS #1.
pub(crate) fn read_rsa_key(pem: &str) -> Result<KeyPair, SignError> {
    let bad = || SignError::Malformed("the private key is not an RSA key in PEM");
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| bad())? {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| bad()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| bad()),
        _ => Err(bad()),
    }
}

/// RSA with SHA-256, PKCS #1 v1.5 padding.
pub(crate) fn sign_rsa(key: &KeyPair, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| SignError::Malformed("the private key cannot sign"))?;
    Ok(signature)
}
