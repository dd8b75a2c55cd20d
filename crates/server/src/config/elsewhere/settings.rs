//! `key_management_system`, `key_management_settings`, and the variables by which a secret manager is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::keeper::{Engine, HashiCorp, Keeper, KeyVault, Login, SecretManager, SecretsManager, Settings};
use switchboard_engine::sign::{Lookup, Secret as Shown, aws, azure, gcp, system_clock, token};
use switchboard_engine::upstream::{Identity, Transport, TransportSettings};

use crate::config::diagnostic::Diagnostics;
use crate::config::environment::Environment;
use crate::config::keys;
use crate::config::yaml::{Map, Node, Value};

/// Who keeps secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) enum System {
    /// HashiCorp Vault.
    HashiCorp,
    /// AWS Secrets Manager.
    Aws,
    /// Google Secret Manager.
    Gcp,
    /// Azure Key Vault.
    Azure,
}

/// The names of LiteLLM for those that are known here.
const SYSTEMS: [(&str, System); 4] = [
    ("hashicorp_vault", System::HashiCorp),
    ("aws_secret_manager", System::Aws),
    ("google_secret_manager", System::Gcp),
    ("azure_key_vault", System::Azure),
];

/// Where Kubernetes puts the token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl System {
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::HashiCorp => "vault",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }
}

/// How secrets are managed.
#[derive(Debug, Default)]
pub(in crate::config) struct Management {
    /// Who is asked for what `os.environ/` names.
    pub system: Option<System>,
    /// Whether it is asked at all.
    pub reads: bool,
    hosted: Vec<String>,
    only_hosted: bool,
    primary: Option<String>,
    texts: BTreeMap<&'static str, String>,
    keepers: Mutex<BTreeMap<System, Arc<Keeper>>>,
}

/// Settings of AWS, which are texts.
const AWS: [&str; 6] = ["aws_region_name", "aws_role_name", "aws_session_name", "aws_external_id", "aws_profile_name", "aws_sts_endpoint"];

impl Management {
    pub(super) fn read(general: Option<&Node>, environment: &Environment, found: &mut Diagnostics) -> Self {
        let Some(general) = general.and_then(Node::as_map) else { return Self::default() };
        let node = general.get("key_management_system").filter(|node| !node.is_absent());
        let named = node.and_then(keys::text).map(str::to_ascii_lowercase);
        let system = named.as_deref().and_then(|name| SYSTEMS.iter().find(|(known, _)| *known == name)).map(|(_, system)| *system);
        if let (Some(node), None, Some(name)) = (node, system, named.as_deref())
            && name != "local"
        {
            let known: Vec<&str> = SYSTEMS.iter().map(|(name, _)| *name).collect();
            let message = format!("`key_management_system: {name}` is not known here");
            found.error(&node.at, message, format!("use {}, or references to files", known.join(", ")));
        }
        let empty = Map::default();
        let settings = general.get("key_management_settings").and_then(Node::as_map).unwrap_or(&empty);
        let text = |name: &str| settings.get(name).and_then(|node| resolved(node, environment));
        let mode = text("access_mode").unwrap_or_else(|| "read_only".to_owned());
        let hosted = settings.get("hosted_keys").and_then(keys::texts);
        Self {
            system,
            reads: mode != "write_only",
            only_hosted: hosted.is_some(),
            hosted: hosted.unwrap_or_default().into_iter().map(str::to_owned).collect(),
            primary: text("primary_secret_name"),
            texts: AWS.into_iter().filter_map(|name| Some((name, text(name)?))).collect(),
            keepers: Mutex::default(),
        }
    }

    /// The names it is asked for although nothing in the file may name them.
    pub(super) fn hosted(&self) -> &[String] {
        &self.hosted
    }

    /// Whether it is asked for that name.
    pub(super) fn hosts(&self, name: &str) -> bool {
        self.system.is_some() && (!self.only_hosted || self.hosted.iter().any(|hosted| hosted == name))
    }

    /// Under which name it knows that secret.
    pub(super) fn path(&self, name: &str) -> String {
        self.primary.as_ref().map_or_else(|| name.to_owned(), |primary| format!("{primary}#{name}"))
    }

    /// The keeper of that system.
    pub(super) fn keeper(&self, system: System, environment: &Environment) -> Result<Arc<Keeper>, String> {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keepers.get(&system) {
            return Ok(keeper.clone());
        }
        let keeper = Arc::new(match system {
            System::HashiCorp => hashicorp(environment)?,
            System::Aws => self.aws(environment)?,
            System::Gcp => google(environment)?,
            System::Azure => azure(environment)?,
        });
        keepers.insert(system, keeper.clone());
        Ok(keeper)
    }

    fn aws(&self, environment: &Environment) -> Result<Keeper, String> {
        let text = |name: &str| self.texts.get(name).cloned();
        let region = text("aws_region_name").or_else(|| first(environment, &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"]));
        let region = region.ok_or("AWS needs `aws_region_name`, or AWS_REGION in the environment")?;
        let mut endpoints = aws::Endpoints::of_region(&region);
        if let Some(sts) = text("aws_sts_endpoint") {
            endpoints.sts = sts;
        }
        let mut source = environment.aws_chain(text("aws_profile_name"), endpoints.clone());
        if let Some(role) = text("aws_role_name") {
            source = aws::Source::Role {
                base: Box::new(source),
                role,
                external_id: text("aws_external_id"),
                session: text("aws_session_name").unwrap_or_else(|| "switchboard".to_owned()),
                region: region.clone(),
                endpoints,
            };
        }
        let endpoint = first(environment, &["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"]);
        let keeper = SecretsManager::new(&region, endpoint.as_deref(), source, system_clock());
        keeper.map(Keeper::Aws).map_err(|error| error.to_string())
    }
}

/// The text of a setting, which may itself stand in the environment.
fn resolved(node: &Node, environment: &Environment) -> Option<String> {
    let text = match &node.value {
        Value::Bool(flag) => flag.to_string(),
        _ => keys::text(node)?.to_owned(),
    };
    match text.strip_prefix(super::ENVIRON) {
        Some(name) => environment.get_non_empty(name).map(str::to_owned),
        None => Some(text),
    }
}

fn first(environment: &Environment, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| environment.get_non_empty(name)).map(str::to_owned)
}

fn hashicorp(environment: &Environment) -> Result<Keeper, String> {
    let value = |names: &[&str]| first(environment, names);
    let secret = |name: &str| environment.get_non_empty(name).map(Shown::from);
    let mount = |names: &[&str], usual: &str| value(names).unwrap_or_else(|| usual.to_owned());
    let (certificate, key) = (value(&["HCP_VAULT_CLIENT_CERT"]), value(&["HCP_VAULT_CLIENT_KEY"]));
    let login = if let (Some(role_id), Some(secret_id)) = (secret("HCP_VAULT_APPROLE_ROLE_ID"), secret("HCP_VAULT_APPROLE_SECRET_ID")) {
        Login::AppRole { mount: mount(&["HCP_VAULT_APPROLE_MOUNT_PATH"], "approle"), role_id, secret_id }
    } else if let Some(role) = value(&["SWITCHBOARD_VAULT_KUBERNETES_ROLE"]) {
        let file = PathBuf::from(mount(&["SWITCHBOARD_VAULT_KUBERNETES_TOKEN_FILE"], POD_TOKEN));
        Login::Kubernetes { mount: mount(&["SWITCHBOARD_VAULT_KUBERNETES_MOUNT"], "kubernetes"), role, file }
    } else if certificate.is_some() && key.is_some() {
        Login::Certificate { mount: "cert".to_owned(), role: value(&["HCP_VAULT_CERT_ROLE"]) }
    } else {
        let token = secret("HCP_VAULT_TOKEN").or_else(|| secret("VAULT_TOKEN"));
        Login::Token(token.ok_or("Vault needs HCP_VAULT_TOKEN, or another way to log in, in the environment")?)
    };
    let settings = Settings {
        address: mount(&["HCP_VAULT_ADDR", "VAULT_ADDR"], "http://127.0.0.1:8200"),
        namespace: value(&["HCP_VAULT_NAMESPACE", "VAULT_NAMESPACE"]),
        mount: mount(&["HCP_VAULT_MOUNT_NAME"], "secret"),
        prefix: value(&["HCP_VAULT_PATH_PREFIX"]),
        engine: if value(&["SWITCHBOARD_VAULT_ENGINE"]).as_deref() == Some("1") { Engine::V1 } else { Engine::V2 },
        login,
        transport: transport(certificate, key, value(&["VAULT_CACERT"]))?,
    };
    HashiCorp::new(settings, system_clock()).map(Keeper::HashiCorp).map_err(|error| error.to_string())
}

/// The certificate we show, and the authority we trust besides the system's.
fn transport(certificate: Option<String>, key: Option<String>, authority: Option<String>) -> Result<Option<Transport>, String> {
    use rustls_pki_types::pem::PemObject;
    let file = |path: &str| std::fs::read(path).map_err(|error| format!("the file `{path}` cannot be read: {error}"));
    if authority.is_none() && (certificate.is_none() || key.is_none()) {
        return Ok(None);
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let chain: Result<Vec<_>, _> = rustls_pki_types::CertificateDer::pem_slice_iter(&file(&certificate)?).collect();
            let chain = chain.map_err(|_| format!("the file `{certificate}` holds no certificate"))?;
            let held = rustls_pki_types::PrivateKeyDer::from_pem_slice(&file(&key)?);
            Some(Identity { chain, key: held.map_err(|_| format!("the file `{key}` holds no private key"))? })
        }
        _ => None,
    };
    let extra_roots = authority.as_deref().map(file).transpose()?;
    let transport = Transport::new(TransportSettings { identity, extra_roots, ..TransportSettings::default() });
    transport.check().map_err(|error| error.to_string())?;
    Ok(Some(transport))
}

fn google(environment: &Environment) -> Result<Keeper, String> {
    let project = first(environment, &["GOOGLE_SECRET_MANAGER_PROJECT_ID"]).ok_or("Google needs GOOGLE_SECRET_MANAGER_PROJECT_ID")?;
    let tokens = match environment.get_non_empty("GOOGLE_APPLICATION_CREDENTIALS") {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("the credential file `{path}` cannot be read: {error}"))?;
            let variables = environment.clone();
            let lookup: Lookup = Arc::new(move |name| variables.get(name).map(str::to_owned));
            gcp::from_file(&text, &lookup, system_clock()).map_err(|error| error.to_string())?
        }
        None => gcp::from_metadata(gcp::METADATA_URL, system_clock()),
    };
    let address = first(environment, &["SWITCHBOARD_GOOGLE_SECRET_MANAGER_URL"]);
    SecretManager::new(&project, address.as_deref(), tokens).map(Keeper::Gcp).map_err(|error| error.to_string())
}

fn azure(environment: &Environment) -> Result<Keeper, String> {
    let address = first(environment, &["AZURE_KEY_VAULT_URI"]).ok_or("Azure needs AZURE_KEY_VAULT_URI")?;
    let scope = KeyVault::SCOPE.to_owned();
    let value = |name: &str| environment.get_non_empty(name).map(str::to_owned);
    let source = match (value("AZURE_TENANT_ID"), value("AZURE_CLIENT_ID")) {
        (Some(tenant), Some(client_id)) => {
            let authority = value("AZURE_AUTHORITY_HOST").unwrap_or_else(|| azure::AUTHORITY.to_owned()).trim_end_matches('/').to_owned();
            let application = azure::Application { authority, tenant, client_id, scope };
            match (value("AZURE_CLIENT_SECRET"), value("AZURE_FEDERATED_TOKEN_FILE")) {
                (Some(secret), _) => application.with_secret(secret.into()),
                (None, Some(file)) => application.with_federated_token(file.into()),
                (None, None) => return Err("Azure needs AZURE_CLIENT_SECRET beside AZURE_TENANT_ID and AZURE_CLIENT_ID".to_owned()),
            }
        }
        (_, client_id) => azure::managed_identity(azure::METADATA_URL, &scope, client_id.as_deref()),
    };
    let tokens = token::Tokens::new(source, system_clock());
    KeyVault::new(&address, tokens).map(Keeper::Azure).map_err(|error| error.to_string())
}
