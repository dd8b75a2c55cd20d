//! Microsoft Entra: client secrets, workload identities and managed identities.
//!
//! A plain Azure API key is the header `api-key`; see [`Kind::with_key`](super::Kind::with_key).

use std::path::PathBuf;

use http::header::{HeaderMap, HeaderValue};

use super::token::{Form, Source};
use super::{Secret, encode};

/// The scope of Azure's AI services.
pub const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Where Entra issues tokens.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The metadata server of Azure's machines.
pub const METADATA_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// An application and where it asks.
#[derive(Clone, Debug)]
pub struct Application {
    /// Usually [`AUTHORITY`].
    pub authority: String,
    /// The directory.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// Usually [`SCOPE`].
    pub scope: String,
}

impl Application {
    fn form(&self) -> Form {
        let tenant = encode::percent(&self.tenant);
        Form {
            url: format!("{}/{tenant}/oauth2/v2.0/token", self.authority),
            fields: vec![
                ("grant_type", "client_credentials".into()),
                ("client_id", self.client_id.as_str().into()),
                ("scope", self.scope.as_str().into()),
            ],
            basic: None,
        }
    }

    /// Tokens by client secret.
    pub fn with_secret(&self, secret: Secret) -> Source {
        let mut form = self.form();
        form.fields.push(("client_secret", secret));
        Source::Form(form)
    }

    /// Tokens by a federated token that Kubernetes keeps fresh in a file.
    pub fn with_federated_token(&self, file: PathBuf) -> Source {
        let mut form = self.form();
        form.fields.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()));
        Source::Federated { form, field: "client_assertion", file }
    }
}

/// Tokens of the machine's own identity, or of the user-assigned one with this client id.
pub fn managed_identity(url: &str, scope: &str, client_id: Option<&str>) -> Source {
    let resource = encode::percent(scope.trim_end_matches("/.default"));
    let mut url = format!("{url}?api-version=2018-02-01&resource={resource}");
    if let Some(client_id) = client_id {
        url.push_str("&client_id=");
        url.push_str(&encode::percent(client_id));
    }
    let mut headers = HeaderMap::new();
    headers.insert("metadata", HeaderValue::from_static("true"));
    Source::Get { url, headers }
}
