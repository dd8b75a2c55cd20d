//! What secrets are sealed with, and the log of what administrators do.
//!
//! The master key comes from the environment or a file; a gateway with a database of its own makes one beside it. A key that is not
//! the one the database was sealed with keeps the gateway from starting. Where the database is away at the start, it is asked later,
//! and nothing is written before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use switchboard_store::audit::Audit;
use switchboard_store::chain::{Entry, Outcome};
use switchboard_store::vault::{KeyFileError, MasterKey, Vault, VaultError};
use switchboard_store::{Store, StoreError};
use tokio::sync::OnceCell;

use crate::config::{Config, Environment};
use crate::refused::Refused;

/// How often the end of the audit log is told, where it grew.
const TELL: Duration = Duration::from_secs(60);
/// A refusal of the same caller at the same route is written down once in this time.
const AGAIN: Duration = Duration::from_secs(10);
/// Refusals that are remembered for that.
const REMEMBERED: usize = 4096;

/// Secrets cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The key's file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The key, or the database.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key that a variable holds.
    #[error("{name} cannot be used: {source}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Why.
        source: VaultError,
    },
}

/// What secrets are sealed with, and the log.
pub struct Trust {
    store: Store,
    keys: Keys,
    open: OnceCell<(Vault, Audit)>,
    refusals: Mutex<HashMap<(String, String), Instant>>,
}

/// The master key, and those before it.
#[derive(Clone, Debug)]
struct Keys {
    master: MasterKey,
    former: Vec<MasterKey>,
}

pub(crate) const KEY: &str = "SWITCHBOARD_SEALING_KEY";
pub(crate) const KEY_FILE: &str = "SWITCHBOARD_SEALING_KEY_FILE";
const FORMER: &str = "SWITCHBOARD_FORMER_SEALING_KEY";
const FORMER_FILE: &str = "SWITCHBOARD_FORMER_SEALING_KEY_FILE";
const SALT: &str = "LITELLM_SALT_KEY";
/// The file with the key that a gateway made for itself.
pub(crate) const OWN_FILE: &str = "sealing.key";

/// The key that secrets are sealed with, where there is one; of what gateways share that need not share a database (`shared`), only
/// where it was given to them: a key that one has made for itself opens nothing elsewhere.
pub(crate) fn master(config: &Config, shared: bool) -> Result<Option<MasterKey>, TrustError> {
    if shared && own_place(config).is_some() && Keys::given(&config.environment)?.is_none() {
        return Ok(None);
    }
    Ok(Keys::of(config)?.map(|keys| keys.master))
}

impl Trust {
    /// What that configuration says. Looks whether the key is the right one, unless the database is away. None where there is no key
    /// and no place for one: then nothing is sealed.
    pub fn open(config: &Config, store: &Store) -> Result<Option<Self>, TrustError> {
        let Some(keys) = Keys::of(config)? else { return Ok(None) };
        let trust = Self { store: store.clone(), keys, open: OnceCell::new(), refusals: Mutex::default() };
        match Vault::open(store, trust.keys.master.clone(), trust.keys.former.clone()) {
            Ok(vault) => trust.begin(vault)?,
            Err(VaultError::Store(error)) if error.is_outage() => {}
            Err(error) => return Err(error.into()),
        }
        store.announce(TELL, |head| tracing::info!(target: "switchboard::audit", %head, "the audit log ends here"));
        Ok(Some(trust))
    }

    fn begin(&self, vault: Vault) -> Result<(), TrustError> {
        let (opened, store) = (vault.clone(), self.store.clone());
        let audit = self.store.thread().block(async move { Ok(Audit::open(&store, &opened).await) });
        let audit = audit.map_err(VaultError::from)??;
        // Nobody else has begun.
        let _ = self.open.set((vault, audit));
        Ok(())
    }

    async fn opened(&self) -> Result<&(Vault, Audit), Refused> {
        let open = || async {
            let vault = Vault::reach(&self.store, self.keys.master.clone(), self.keys.former.clone()).await?;
            let audit = Audit::open(&self.store, &vault).await?;
            Ok((vault, audit))
        };
        self.open.get_or_try_init(open).await.map_err(|error: VaultError| refused(error))
    }

    /// What secrets are sealed with.
    pub async fn vault(&self) -> Result<&Vault, Refused> {
        self.opened().await.map(|(vault, _)| vault)
    }

    /// The log. While it cannot be written, nothing may be done that belongs into it.
    pub async fn audit(&self) -> Result<&Audit, Refused> {
        self.opened().await.map(|(_, audit)| audit)
    }

    /// Writes down that somebody was refused. That it cannot be written changes nothing for them.
    pub async fn denied(&self, denial: Denial<'_>) {
        if !self.is_new(denial.who.actor, denial.route) {
            return;
        }
        let Ok(audit) = self.audit().await else { return };
        let entry = Entry {
            actor: denial.who.actor.to_owned(),
            actor_key: denial.who.key.to_owned(),
            action: denial.action.to_owned(),
            outcome: Outcome::Denied,
            kind: "route".to_owned(),
            object: denial.route.to_owned(),
            team: denial.who.team.to_owned(),
            before: None,
            after: denial.asked.cloned(),
            source: source(denial.from),
            request_id: denial.request_id.to_owned(),
        };
        if let Err(error) = audit.append(entry).await {
            tracing::error!(%error, actor = denial.who.actor, action = denial.action, route = denial.route, "a refusal could not be written to the audit log");
        }
    }

    /// Whoever is refused again and again fills no log.
    fn is_new(&self, actor: &str, route: &str) -> bool {
        let now = Instant::now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= REMEMBERED {
            refusals.retain(|_, at| now.duration_since(*at) < AGAIN);
        }
        let key = (actor.to_owned(), route.to_owned());
        if refusals.get(&key).is_some_and(|at| now.duration_since(*at) < AGAIN) || refusals.len() >= REMEMBERED {
            return false;
        }
        refusals.insert(key, now);
        true
    }
}

/// Who was refused, as the log names them.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// A user's id, or what stands for one.
    pub actor: &'a str,
    /// The SHA-256 of the key, in hex; empty for none.
    pub key: &'a str,
    /// The team; empty for none.
    pub team: &'a str,
}

/// A refusal, for the log.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// Whom.
    pub who: Who<'a>,
    /// The method.
    pub action: &'a str,
    /// The route.
    pub route: &'a str,
    /// What was asked for.
    pub asked: Option<&'a Value>,
    /// From where.
    pub from: Option<IpAddr>,
    /// The id of the request.
    pub request_id: &'a str,
}

/// An address as the log shows it.
pub fn source(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "local socket".to_owned(), |address| address.to_string())
}

fn refused(error: VaultError) -> Refused {
    match error {
        VaultError::Store(error) => error.into(),
        error => {
            tracing::error!(%error, "secrets cannot be opened");
            Refused::new(503, "secrets_unavailable", Value::Null, "The gateway's secrets cannot be opened; its log says why").after(5)
        }
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        refused(error)
    }
}

impl Keys {
    /// The key that the operator gives.
    fn given(environment: &Environment) -> Result<Option<MasterKey>, TrustError> {
        if let Some(key) = variable(environment, KEY)? {
            return Ok(Some(key));
        }
        match file(environment, KEY_FILE)? {
            Some(key) => Ok(Some(key)),
            None => variable(environment, SALT),
        }
    }

    fn of(config: &Config) -> Result<Option<Self>, TrustError> {
        let environment = &config.environment;
        let former = [variable(environment, FORMER)?, file(environment, FORMER_FILE)?].into_iter().flatten().collect();
        let master = match (Self::given(environment)?, own_place(config)) {
            (Some(key), _) => Some(key),
            (None, Some(folder)) => Some(MasterKey::of_file_or_new(&folder.join(OWN_FILE))?),
            (None, None) => {
                let key = of_administrator(config)?;
                if key.is_some() {
                    tracing::warn!("secrets are sealed with the master key, which can then not be changed alone; set {KEY}");
                }
                key
            }
        };
        Ok(master.map(|master| Self { master, former }))
    }
}

/// As LiteLLM does: where nothing else is said, the administrator's key seals.
fn of_administrator(config: &Config) -> Result<Option<MasterKey>, TrustError> {
    let key = config.general.master_key.as_ref().filter(|_| config.general.database_url.is_some());
    Ok(key.map(|key| MasterKey::of_text(&format!("master key: {}", key.expose()))).transpose()?)
}

/// Whether a gateway there would open what was sealed with the keys of those fingerprints. `own` is the key that one made for itself, as
/// it would find it; without a configuration nothing is known of an administrator's.
pub(crate) fn opens(
    (environment, config): (&Environment, Option<&Config>),
    own: Option<&Path>,
    sealed_by: &[String],
) -> Result<bool, TrustError> {
    let mut keys: Vec<MasterKey> = [variable(environment, FORMER)?, file(environment, FORMER_FILE)?].into_iter().flatten().collect();
    keys.extend(match (Keys::given(environment)?, own) {
        (Some(key), _) => Some(key),
        (None, Some(own)) => Some(MasterKey::of_file(own)?),
        (None, None) => config.map(of_administrator).transpose()?.flatten(),
    });
    Ok(sealed_by.iter().all(|fingerprint| keys.iter().any(|key| key.fingerprint() == fingerprint)))
}

fn variable(environment: &Environment, name: &'static str) -> Result<Option<MasterKey>, TrustError> {
    let key = environment.get_non_empty(name).map(MasterKey::of_text);
    key.transpose().map_err(|source| TrustError::Variable { name, source })
}

fn file(environment: &Environment, name: &str) -> Result<Option<MasterKey>, TrustError> {
    Ok(environment.get_non_empty(name).map(|path| MasterKey::of_file(Path::new(path))).transpose()?)
}

/// Where a gateway with a database of its own keeps its key; with a database elsewhere, every gateway must be given the same.
pub(crate) fn own_place(config: &Config) -> Option<PathBuf> {
    match &config.general.database_url {
        None => config.switchboard.data_dir.clone(),
        Some(url) => {
            let file = Path::new(url.expose().strip_prefix("sqlite:")?.split('?').next()?);
            file.parent().map(Path::to_owned).filter(|_| !url.expose().contains(":memory:"))
        }
    }
}

/// The same for commands, which need nothing else of the gateway.
pub(crate) fn of_command(config: &Config, store: &Store) -> Result<(Vault, Audit), Box<dyn std::error::Error + Send + Sync>> {
    store.migrate()?;
    let keys = Keys::of(config)?.ok_or_else(|| format!("there is no master key for secrets: set {KEY}"))?;
    let vault = Vault::open(store, keys.master, keys.former)?;
    let (opened, again) = (vault.clone(), store.clone());
    let audit = store.thread().block(async move { Ok::<_, StoreError>(Audit::open(&again, &opened).await) })??;
    Ok((vault, audit))
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Trust").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Trust that may be missing, shared.
pub type Shared = Option<Arc<Trust>>;
