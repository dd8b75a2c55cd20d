//! From a configured deployment and the environment to the credential a provider accepts.

use std::path::PathBuf;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_engine::catalog::{Auth, Provider};
use switchboard_engine::sign::{self, Kept, Secret, Shape, Signer, aws, azure, gcp, oci, token};
use switchboard_engine::upstream::Origin;

use super::named::{is_region, of_host};
use crate::config::resolved::{Connection, Deployment};
use crate::config::{Elsewhere, Environment, Secret as Configured};

/// What a credential is made from.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Its provider's row.
    pub provider: &'a Provider,
    /// The environment.
    pub environment: &'a Environment,
    /// Where secrets that others keep can be read again.
    pub elsewhere: &'a Elsewhere,
    /// How callers bring the key, where they may and there may be no other.
    pub callers: Option<&'static str>,
}

/// What rows call the region of Amazon's.
const REGION: &str = "region";

const IBM_TOKENS: &str = "https://iam.cloud.ibm.com/identity/token";

impl Ingredients<'_> {
    fn connection(&self) -> &Connection {
        &self.deployment.connection
    }

    /// The API key: configured, else from the variables that the provider's row names.
    pub fn key(&self) -> Option<Secret> {
        let configured = self.connection().api_key.as_ref().map(|key| Secret::from(key.expose()));
        configured.or_else(|| self.provider.key_env.iter().find_map(|name| self.variable(name)))
    }

    fn variable(&self, name: &str) -> Option<Secret> {
        self.environment.get_non_empty(name).map(Secret::from)
    }

    fn text(&self, configured: Option<&String>, names: &[&str]) -> Option<String> {
        configured.cloned().or_else(|| names.iter().find_map(|name| self.environment.get_non_empty(name)).map(str::to_owned))
    }

    fn hidden(&self, configured: Option<&Configured>, names: &[&str]) -> Option<Secret> {
        configured.map(|secret| Secret::from(secret.expose())).or_else(|| names.iter().find_map(|name| self.variable(name)))
    }

    /// The signer for an origin.
    pub fn signer(&self, auth: &Auth, origin: &Origin) -> Result<Arc<Signer>, String> {
        let auth = match auth {
            Auth::None => Ok(sign::Auth::None),
            Auth::Bearer => self.shaped(Shape::Scheme("Bearer".to_owned())),
            Auth::AzureHeader(_) if self.key().is_none() => self.azure(),
            Auth::Header(name) | Auth::AzureHeader(name) => match HeaderName::try_from(name.as_str()) {
                Ok(name) => self.shaped(Shape::Header(name)),
                Err(_) => self.keyed(None, |key| sign::Auth::header(name, key)),
            },
            Auth::Query(name) => self.keyed(None, |key| Ok(sign::Auth::query(name, key.clone()))),
            Auth::Scheme(name) => self.shaped(Shape::Scheme(name.clone())),
            Auth::Aws(service) => self.aws(service, origin),
            Auth::Gcp => self.gcp(),
            Auth::AzureBearer if self.key().is_some() => self.shaped(Shape::Scheme("Bearer".to_owned())),
            Auth::Azure | Auth::AzureBearer => self.azure(),
            Auth::Oci => self.oci(),
            Auth::Exchange(flow) => self.exchange(flow),
        }?;
        Ok(Arc::new(Signer::new(origin.clone(), auth)))
    }

    /// A key in a header; one that somebody else keeps is read again when the provider refuses it.
    fn shaped(&self, shape: Shape) -> Result<sign::Auth, String> {
        let configured = self.connection().api_key.as_ref();
        let reference = configured.and_then(Configured::reference).and_then(|name| self.elsewhere.reference(name));
        let (Some(key), Some(reference)) = (configured, reference) else {
            let header = match &shape {
                Shape::Scheme(_) => http::header::AUTHORIZATION,
                Shape::Header(name) => name.clone(),
            };
            return self.keyed(Some(header), |key| match &shape {
                Shape::Scheme(scheme) => sign::Auth::scheme(scheme, key),
                Shape::Header(name) => sign::Auth::header(name.as_str(), key),
            });
        };
        Ok(sign::Auth::Kept(Kept::new(shape, Secret::from(key.expose()), reference.clone(), sign::system_clock())))
    }

    fn keyed(
        &self,
        header: Option<HeaderName>,
        make: impl FnOnce(&Secret) -> Result<sign::Auth, sign::SignError>,
    ) -> Result<sign::Auth, String> {
        match self.key() {
            Some(key) => make(&key).map_err(|error| error.to_string()),
            // A machine of the user's own, or an endpoint of their own, may be open.
            None if let Some(token) = self.provider.token_env.iter().find_map(|name| self.variable(name)) => {
                sign::Auth::bearer(&token).map_err(|error| error.to_string())
            }
            None if self.provider.local || self.connection().api_base.is_some() => Ok(sign::Auth::None),
            None if let Some(how) = self.callers => Ok(sign::Auth::Callers { header, how }),
            None => Err(self.missing("an API key", &self.provider.key_env)),
        }
    }

    fn missing(&self, what: &str, names: &[String]) -> String {
        let id = &self.provider.id;
        let set = match &self.connection().unset_key {
            Some(variable) => format!("{variable}, which its `api_key` names, is not set; set it"),
            None => "set `api_key`".to_owned(),
        };
        match names.first() {
            Some(name) => format!("provider `{id}` needs {what}: {set}, or {name} in the environment"),
            None => format!("provider `{id}` needs {what}: {set}"),
        }
    }

    /// The region that a request to that address is signed for: the one whose address it is, else the one that the row of the provider
    /// would fill in.
    fn region(&self, origin: &Origin) -> String {
        let own = &self.connection().aws;
        let row = self.provider.variables.get(REGION);
        let written = || own.region_name.clone().or_else(|| self.connection().region_name.clone().filter(|name| is_region(name)));
        let set = || row?.env.iter().find_map(|name| self.environment.get_non_empty(name)).map(str::to_owned);
        let usual = || row?.default.clone();
        let region = of_host(origin.host()).map(str::to_owned).or_else(written).or_else(set).or_else(usual);
        region.unwrap_or_else(|| "us-east-1".to_owned())
    }

    fn aws(&self, service: &str, origin: &Origin) -> Result<sign::Auth, String> {
        let bearer = self.hidden(self.connection().api_key.as_ref(), &["AWS_BEARER_TOKEN_BEDROCK"]);
        if let Some(key) = bearer.filter(|_| service == "bedrock") {
            return sign::Auth::bearer(&key).map_err(|error| error.to_string());
        }
        let own = &self.connection().aws;
        let region = self.region(origin);
        let mut endpoints = aws::Endpoints::of_region(&region);
        if let Some(sts) = &own.sts_endpoint {
            endpoints.sts.clone_from(sts);
        }
        let mut source = match (&own.access_key_id, &own.secret_access_key) {
            (Some(id), Some(secret)) => aws::Source::Static(aws::Keys {
                access_key: id.expose().to_owned(),
                secret_key: Secret::from(secret.expose()),
                session_token: own.session_token.as_ref().map(|token| Secret::from(token.expose())),
            }),
            _ if self.deployment.brought => return Err(self.missing("`aws_access_key_id` and `aws_secret_access_key`", &[])),
            _ => self.environment.aws_chain(own.profile_name.clone(), endpoints.clone()),
        };
        if let Some(role) = &own.role_name {
            source = aws::Source::Role {
                base: Box::new(source),
                role: role.clone(),
                external_id: own.external_id.as_ref().map(|id| id.expose().to_owned()),
                session: own.session_name.clone().unwrap_or_else(|| "switchboard".to_owned()),
                region: region.clone(),
                endpoints,
            };
        }
        Ok(sign::Auth::Aws(aws::Aws::new(&region, service, source, sign::system_clock())))
    }

    fn gcp(&self) -> Result<sign::Auth, String> {
        if let Some(key) = &self.connection().api_key {
            return sign::Auth::header("x-goog-api-key", &Secret::from(key.expose())).map_err(|error| error.to_string());
        }
        if self.deployment.brought {
            return Err(self.missing("an API key", &[]));
        }
        let given = self.connection().vertex.credentials.as_ref().map(|given| given.expose().to_owned());
        let usual = || Some(format!("{}/.config/gcloud/application_default_credentials.json", self.environment.get_non_empty("HOME")?));
        let named = self.environment.get_non_empty("GOOGLE_APPLICATION_CREDENTIALS").map(str::to_owned);
        let tokens = match given.or(named) {
            Some(text) if text.trim_start().starts_with('{') => gcp::from_file(&text, &self.lookup(), sign::system_clock()),
            Some(path) => {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| format!("the credential file `{path}` cannot be read: {error}"))?;
                gcp::from_file(&text, &self.lookup(), sign::system_clock())
            }
            None => match usual().and_then(|path| std::fs::read_to_string(path).ok()) {
                Some(text) => gcp::from_file(&text, &self.lookup(), sign::system_clock()),
                None => Ok(gcp::from_metadata(gcp::METADATA_URL, sign::system_clock())),
            },
        };
        tokens.map(sign::Auth::Token).map_err(|error| error.to_string())
    }

    fn azure(&self) -> Result<sign::Auth, String> {
        if let Some(key) = self.key() {
            return sign::Auth::header("api-key", &key).map_err(|error| error.to_string());
        }
        let own = &self.connection().azure;
        if let Some(token) = self.hidden(own.ad_token.as_ref(), &["AZURE_AD_TOKEN"]) {
            return sign::Auth::bearer(&token).map_err(|error| error.to_string());
        }
        let scope = self.text(own.scope.as_ref(), &["AZURE_SCOPE"]).unwrap_or_else(|| azure::SCOPE.to_owned());
        let tenant = self.text(own.tenant_id.as_ref(), &["AZURE_TENANT_ID"]);
        let client_id = self.text(own.client_id.as_ref(), &["AZURE_CLIENT_ID"]);
        let source = match (tenant, client_id) {
            (Some(tenant), Some(client_id)) => {
                let authority = self.text(None, &["AZURE_AUTHORITY_HOST"]).unwrap_or_else(|| azure::AUTHORITY.to_owned());
                let authority = authority.trim_end_matches('/').to_owned();
                let application = azure::Application { authority, tenant, client_id, scope };
                let secret = self.hidden(own.client_secret.as_ref(), &["AZURE_CLIENT_SECRET"]);
                let federated = self.environment.get_non_empty("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
                match (secret, federated) {
                    (Some(secret), _) => application.with_secret(secret),
                    (None, Some(file)) => application.with_federated_token(file),
                    (None, None) => {
                        return Err(
                            self.missing("`client_secret` beside `tenant_id` and `client_id`, or an API key", &self.provider.key_env)
                        );
                    }
                }
            }
            _ if self.deployment.brought => return Err(self.missing("an API key", &[])),
            (_, client_id) => azure::managed_identity(azure::METADATA_URL, &scope, client_id.as_deref()),
        };
        Ok(sign::Auth::Token(token::Tokens::new(source, sign::system_clock())))
    }

    fn oci(&self) -> Result<sign::Auth, String> {
        let value = |param: &str, name: &str| {
            let configured = self.deployment.default_params.get(param).and_then(|value| value.as_str()).map(str::to_owned);
            configured
                .or_else(|| self.environment.get_non_empty(name).map(str::to_owned))
                .ok_or_else(|| format!("provider `oci` needs `{param}`, or {name} in the environment"))
        };
        let key = match value("oci_key", "OCI_KEY") {
            Ok(key) => key,
            Err(why) if self.deployment.brought => return Err(why),
            Err(_) => {
                let path = value("oci_key_file", "OCI_KEY_FILE")?;
                std::fs::read_to_string(&path).map_err(|error| format!("the key file `{path}` cannot be read: {error}"))?
            }
        };
        let (tenancy, user, fingerprint) =
            (value("oci_tenancy", "OCI_TENANCY")?, value("oci_user", "OCI_USER")?, value("oci_fingerprint", "OCI_FINGERPRINT")?);
        let signer = oci::Oci::new(&tenancy, &user, &fingerprint, &key, sign::system_clock()).map_err(|error| error.to_string())?;
        Ok(sign::Auth::Oci(signer))
    }

    /// A key that is traded for a token: IBM's, or the way the provider's row says.
    fn exchange(&self, flow: &str) -> Result<sign::Auth, String> {
        let Some(key) = self.key() else {
            let token = self.provider.token_env.iter().find_map(|name| self.variable(name));
            let token = token.ok_or_else(|| self.missing("an API key", &self.provider.key_env))?;
            return sign::Auth::bearer(&token).map_err(|error| error.to_string());
        };
        let row = &self.provider.exchange;
        let url = row.url_env.iter().find_map(|name| self.environment.get_non_empty(name)).or(self.provider.token_url.as_deref());
        let source = match flow {
            "ibm-iam" | "watsonx" => token::watsonx(url.unwrap_or(IBM_TOKENS), key),
            "form" => token::Source::Traded(self.traded(url, &key, Some(self.fields()))?),
            "get" => token::Source::Traded(self.traded(url, &key, None)?),
            other => return Err(format!("provider `{}` trades its key by `{other}`, which is not known", self.provider.id)),
        };
        Ok(sign::Auth::Token(token::Tokens::new(source, sign::system_clock())))
    }

    fn traded(&self, url: Option<&str>, key: &Secret, form: Option<Vec<(String, String)>>) -> Result<token::Traded, String> {
        let (id, row) = (&self.provider.id, &self.provider.exchange);
        let url = url.ok_or_else(|| format!("provider `{id}` names no `token_url`"))?.to_owned();
        let mut value =
            HeaderValue::try_from(format!("{} {}", row.scheme, key.reveal())).map_err(|_| "the key holds characters a header cannot")?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in self.provider.headers.iter().chain(&row.headers) {
            let name = HeaderName::try_from(name).map_err(|_| format!("provider `{id}`: `{name}` is no header name"))?;
            headers.insert(name, HeaderValue::try_from(value).map_err(|_| format!("provider `{id}`: a header cannot be sent"))?);
        }
        let request_id = row.request_id.as_ref().map(HeaderName::try_from).transpose();
        let request_id = request_id.map_err(|_| format!("provider `{id}`: `request_id` is no header name"))?;
        Ok(token::Traded { url, key: value, headers, request_id, form })
    }

    /// The fields of the exchange's form: the environment's, else the row's.
    fn fields(&self) -> Vec<(String, String)> {
        let row = &self.provider.exchange;
        let own = |name: &String| row.fields_env.get(name).and_then(|variable| self.environment.get_non_empty(variable));
        row.fields.iter().map(|(name, value)| (name.clone(), own(name).unwrap_or(value).to_owned())).collect()
    }

    fn lookup(&self) -> sign::Lookup {
        let variables = self.environment.clone();
        Arc::new(move |name| variables.get(name).map(str::to_owned))
    }
}
