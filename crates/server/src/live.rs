//! What is in force: the configuration that was read, with what the database adds.
//!
//! Models, credentials and settings made over the API are objects like all others. Whenever one changes, here or at another
//! gateway, they are read again on a thread of their own and laid over the configuration of the file; a changed file is laid under
//! them. Whoever wrote waits until it is in force here; other gateways follow as soon as they hear of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};
use switchboard_store::desk::{Change, Listener};
use switchboard_store::object::{Credential, Model, Object, Role, Setting, User};
use switchboard_store::vault::{Vault, VaultError};
use switchboard_store::{Desk, Store, StoreError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::auth::caller::ADMIN;
use crate::config::{Config, Laid};
use crate::fleet::Unusable;
use crate::fleet::overlay::OverlayError;
use crate::refused::Refused;
use crate::trust::Trust;

pub mod seal;

/// Somebody who waits for what was written to be in force, if anybody does.
type Waiting = Option<oneshot::Sender<()>>;

/// What came of a new configuration.
#[derive(Debug)]
pub struct Applied {
    /// What could not be made into a deployment.
    pub unusable: Vec<Unusable>,
    /// Settings that changed and that only a restart can change.
    pub restart: Vec<&'static str>,
}

/// What puts a whole configuration in force.
pub(crate) type Take<'a> = &'a dyn Fn(Arc<Config>) -> Result<Applied, OverlayError>;

/// What is in force.
#[derive(Debug)]
pub struct Live {
    state: Mutex<State>,
    /// Of each model of the database, the parameters that hold no secret.
    shown: ArcSwap<HashMap<String, Map<String, Value>>>,
    queue: UnboundedSender<Waiting>,
}

#[derive(Debug)]
struct State {
    /// The configuration as it was read.
    base: Arc<Config>,
    laid: Laid,
    unusable: Vec<Unusable>,
}

/// The other end of the queue.
#[derive(Debug)]
pub(crate) struct Wakes(UnboundedReceiver<Waiting>);

impl Wakes {
    /// Who waits, once something was written; `None`: nothing will be any more.
    pub(crate) async fn next(&mut self) -> Option<Vec<oneshot::Sender<()>>> {
        let mut waiting: Vec<_> = self.0.recv().await?.into_iter().collect();
        while let Ok(more) = self.0.try_recv() {
            waiting.extend(more);
        }
        Some(waiting)
    }
}

impl Live {
    /// Of a configuration that was read, with that laid over it.
    pub(crate) fn new(base: Arc<Config>, laid: Laid, unusable: Vec<Unusable>) -> (Self, Wakes) {
        let (queue, wakes) = unbounded_channel();
        let shown = ArcSwap::from_pointee(shown(&laid));
        (Self { state: Mutex::new(State { base, laid, unusable }), shown, queue }, Wakes(wakes))
    }

    /// Waits until everything that was written before is in force here.
    pub async fn renewed(&self) {
        let (done, waits) = oneshot::channel();
        // A gateway that stops renews nothing more.
        if self.queue.send(Some(done)).is_ok() {
            let _ = waits.await;
        }
    }

    /// Has it read again.
    pub(crate) fn wake(&self) {
        // A gateway that stops reads nothing more.
        let _ = self.queue.send(None);
    }

    /// Hears of changes.
    pub(crate) fn ear(&self) -> Arc<dyn Listener> {
        Arc::new(Ear(self.queue.clone()))
    }

    /// The configuration as it was read, without what the database adds.
    pub fn base(&self) -> Arc<Config> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).base.clone()
    }

    /// Of each model of the database, by its id, the parameters that hold no secret.
    pub fn shown(&self) -> Arc<HashMap<String, Map<String, Value>>> {
        self.shown.load_full()
    }

    /// What could not be made into a deployment.
    pub fn unusable(&self) -> Vec<Unusable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unusable.clone()
    }

    /// Puts another configuration in force, with what the database adds.
    pub(crate) fn rebase(&self, base: Arc<Config>, take: Take<'_>) -> Result<Applied, OverlayError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = take(over(&base, &state.laid))?;
        state.base = base;
        state.unusable.clone_from(&applied.unusable);
        Ok(applied)
    }

    /// Puts in force what the database has now.
    pub(crate) fn relay(&self, laid: Laid, take: Take<'_>) -> Result<(), OverlayError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.laid == laid {
            return Ok(());
        }
        let applied = take(over(&state.base, &laid))?;
        tracing::info!(models = laid.models.len(), credentials = laid.credentials.len(), "what the database adds is in force");
        for unusable in applied.unusable.iter().filter(|one| !state.unusable.contains(one)) {
            tracing::warn!(at = %unusable.at, "`{}` is left out: {}", unusable.model_name, unusable.why);
        }
        self.shown.store(Arc::new(shown(&laid)));
        state.laid = laid;
        state.unusable = applied.unusable;
        Ok(())
    }
}

/// A configuration with that laid over it. What is wrong with a part leaves that part out.
pub(crate) fn over(base: &Arc<Config>, laid: &Laid) -> Arc<Config> {
    if laid.is_empty() {
        return base.clone();
    }
    let (config, found) = base.with(laid);
    for wrong in found.errors() {
        tracing::warn!("something in the database has no effect: {}", wrong.message);
    }
    Arc::new(config)
}

fn shown(laid: &Laid) -> HashMap<String, Map<String, Value>> {
    let one = |entry: &Map<String, Value>| {
        let (id, params) = (entry.get("model_info")?.get("id")?.as_str()?, entry.get("litellm_params")?.as_object()?);
        Some((id.to_owned(), seal::apart(params.clone()).0))
    };
    laid.models.iter().filter_map(one).collect()
}

struct Ear(UnboundedSender<Waiting>);

impl Listener for Ear {
    fn changed(&self, changes: &[Change]) {
        let concerns = |change: &Change| [Model::KIND, Credential::KIND, Setting::KIND, "*"].contains(&change.kind.as_str());
        if changes.iter().any(concerns) {
            // A gateway that stops hears nothing more.
            let _ = self.0.send(None);
        }
    }
}

/// What the database adds, at the start. Where it is away, nothing yet: it is heard of when it is back.
pub(crate) fn at_start(store: Option<&Store>, trust: Option<&Arc<Trust>>) -> Laid {
    let Some(store) = store else { return Laid::default() };
    let (own, trust) = (store.clone(), trust.cloned());
    let read = store.thread().block(async move {
        let vault = match &trust {
            Some(trust) => trust.vault().await.ok().cloned(),
            None => None,
        };
        own.read(move |desk| async move { gathered(&desk, vault.as_ref()).await }).await
    });
    read.unwrap_or_else(|error: StoreError| {
        tracing::warn!(%error, "what the database adds to the configuration is not known yet");
        Laid::default()
    })
}

pub(crate) async fn read(store: &Store, trust: Option<&Trust>) -> Result<Laid, Refused> {
    let vault = match trust {
        Some(trust) => Some(trust.vault().await?.clone()),
        None => None,
    };
    store.read(move |desk| async move { gathered(&desk, vault.as_ref()).await.map_err(Refused::from) }).await
}

async fn gathered(desk: &Desk, vault: Option<&Vault>) -> Result<Laid, StoreError> {
    let mut laid = Laid::default();
    for model in desk.all::<Model>().await? {
        if is_brought(desk, &model).await? {
            laid.brought.insert(model.model_id.clone());
        }
        match seal::params(desk, vault, &model).await {
            Ok(params) => laid.models.push(entry(model, params)),
            Err(error) => cannot_open("model", &model.model_id, error)?,
        }
    }
    for credential in desk.all::<Credential>().await? {
        match seal::values(desk, vault, &credential).await {
            Ok(values) => {
                let row = json!({"credential_name": credential.credential_name, "credential_values": values});
                laid.credentials.extend(row.as_object().cloned());
            }
            Err(error) => cannot_open("credential", &credential.credential_name, error)?,
        }
    }
    for setting in desk.all::<Setting>().await? {
        match seal::setting(desk, vault, &setting).await {
            Ok(values) if setting.section == seal::VARIABLES => {
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                laid.variables.extend(values.into_iter().map(|(name, value)| (name, text(value))));
            }
            Ok(values) => {
                laid.settings.insert(setting.section, values);
            }
            Err(error) => cannot_open("setting", &setting.section, error)?,
        }
    }
    Ok(laid)
}

/// One that cannot be opened is left out; that the database is away is another matter.
fn cannot_open(kind: &str, id: &str, error: VaultError) -> Result<(), StoreError> {
    match error {
        VaultError::Store(error) => Err(error),
        error => {
            tracing::error!(%error, kind, id, "its secrets do not open; it is left out");
            Ok(())
        }
    }
}

/// A model as an entry of `model_list`.
fn entry(model: Model, params: Map<String, Value>) -> Map<String, Value> {
    let mut info = model.model_info;
    info.insert("id".to_owned(), model.model_id.into());
    info.insert("db_model".to_owned(), true.into());
    info.insert("blocked".to_owned(), model.blocked.into());
    let mut stamp = |name: &str, value: Value| info.insert(name.to_owned(), value);
    stamp("created_at", json!(model.created_at));
    stamp("created_by", json!(model.created_by));
    stamp("updated_at", json!(model.updated_at));
    stamp("updated_by", json!(model.updated_by));
    let mut entry = Map::new();
    entry.insert("model_name".to_owned(), model.model_name.into());
    entry.insert("litellm_params".to_owned(), params.into());
    entry.insert("model_info".to_owned(), info.into());
    entry
}

/// Whether a team has brought a model, also where that was not noted: then its own people count as those who did.
pub(crate) async fn is_brought(desk: &Desk, model: &Model) -> Result<bool, StoreError> {
    if let Some(noted) = model.brought {
        return Ok(noted);
    }
    if model.team().is_none() {
        return Ok(false);
    }
    for writer in [&model.created_by, &model.updated_by].into_iter().flatten().filter(|writer| *writer != ADMIN) {
        if desk.get::<User>(writer).await?.is_some_and(|user| user.user_role != Some(Role::ProxyAdmin)) {
            return Ok(true);
        }
    }
    Ok(false)
}
