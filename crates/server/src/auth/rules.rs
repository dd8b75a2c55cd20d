//! What OpenRouter's objects say of a key: the guardrails it is under, what its workspace may spend, and the keys of providers it
//! brings along.
//!
//! A key is under its own guardrail, its user's, and its workspace's, all at once: what one of them forbids, none allows. Each has
//! a budget of its own, which every key and every member under it has for itself; a workspace has budgets as a whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_engine::book::{Book, Scope};
use switchboard_engine::guidance::{Guidance, Provider, Rule};
use switchboard_engine::own::{OwnKey, OwnKeys};
use switchboard_engine::principal::Principal;
use switchboard_engine::sign::Secret;
use switchboard_engine::terms;
use switchboard_engine::terms::{Level, ScopeId, Terms, Window};
use switchboard_store::object::{GuardedKey, GuardedMember, Guardrail, Key, ProviderKey, Workspace};
use switchboard_store::vault::Cell;
use switchboard_store::{Desk, StoreError};

use super::caller::Caller;
use crate::refused::Refused;
use crate::trust::Trust;

/// The id of the workspace that keys without a team are in.
pub const DEFAULT_WORKSPACE: &str = "00000000-0000-4000-a000-000000000000";
/// The kind of the vault's cells for keys of providers.
pub const CELL: &str = "provider_key";

/// Where a key of a provider is sealed.
pub fn cell(key: &ProviderKey) -> Cell {
    Cell::new(CELL, key.id.as_str(), "key").of(key.workspace_id.as_str())
}

/// The guardrail of a workspace itself, by an id that follows from the workspace's.
pub fn default_guardrail(workspace: &str) -> String {
    uuid_of(&format!("default guardrail of {workspace}"))
}

/// An id in the form of a UUID that follows from a text.
pub fn uuid_of(text: &str) -> String {
    let hex = hex::encode(crate::digest::sha256(text.as_bytes()));
    format!("{}-{}-5{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// What is known of a key's surroundings in OpenRouter's manner.
#[derive(Debug, Default)]
pub struct Rules {
    guardrails: Vec<(Guardrail, String)>,
    workspace: Option<Workspace>,
    keys: Vec<ProviderKey>,
    opened: HashMap<String, Secret>,
}

/// Secrets that are open already, by id and revision: that a key is looked up again is no reason to unseal anew.
#[derive(Debug, Default)]
pub struct Unsealed(Mutex<HashMap<(String, u64), Secret>>);

impl Rules {
    /// Reads them.
    pub async fn read(desk: &Desk, key: &Key) -> Result<Self, StoreError> {
        let place = key.team_id.as_deref().unwrap_or(DEFAULT_WORKSPACE);
        let mut rules = Self { workspace: desk.get(place).await?, ..Self::default() };
        let of_key: Option<GuardedKey> = desk.get(key.account()).await?;
        if let Some(guarded) = of_key {
            rules.add(desk, &guarded.guardrail_id, key.account()).await?;
        }
        if let Some(user) = &key.user_id
            && let Some(guarded) = desk.get::<GuardedMember>(user).await?
        {
            rules.add(desk, &guarded.guardrail_id, user).await?;
        }
        // That of the workspace holds for the key and, over all their keys, for the member.
        let default = default_guardrail(place);
        if !key.account().is_empty() {
            rules.add(desk, &default, key.account()).await?;
        }
        if let Some(user) = &key.user_id {
            rules.add(desk, &default, user).await?;
        }
        let mut keys: Vec<ProviderKey> = desk.of_team(place).await?;
        let allowed =
            |list: &Option<Vec<String>>, one: Option<&str>| list.as_ref().is_none_or(|list| list.iter().any(|id| Some(id.as_str()) == one));
        keys.retain(|own| {
            !own.disabled
                && allowed(&own.allowed_api_key_hashes, Some(&key.token))
                && allowed(&own.allowed_user_ids, key.user_id.as_deref())
        });
        keys.sort_by_key(|own| own.sort_order);
        rules.keys = keys;
        Ok(rules)
    }

    async fn add(&mut self, desk: &Desk, id: &str, whose: &str) -> Result<(), StoreError> {
        if let Some(guardrail) = desk.get::<Guardrail>(id).await? {
            self.guardrails.push((guardrail, whose.to_owned()));
        }
        Ok(())
    }

    /// Opens the keys of providers. What does not open is left out, and told in the log.
    pub async fn unseal(&mut self, trust: Option<&Trust>, known: &Unsealed) -> Result<(), Refused> {
        let Some(trust) = trust.filter(|_| !self.keys.is_empty()) else { return Ok(()) };
        for key in &self.keys {
            let name = (key.id.clone(), key.revision);
            let at_hand = known.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            let secret = match at_hand {
                Some(secret) => Some(secret),
                None => {
                    trust.vault().await?.get(cell(key)).await?.and_then(|opened| Some(Secret::from(std::str::from_utf8(&opened).ok()?)))
                }
            };
            let Some(secret) = secret else {
                tracing::error!(key = %key.id, provider = %key.provider, "the sealed key of a provider is missing");
                continue;
            };
            let mut all = known.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(id, revision), _| *id != key.id || *revision == key.revision);
            all.insert(name, secret.clone());
            self.opened.insert(key.id.clone(), secret);
        }
        Ok(())
    }

    /// Has them hold for a caller.
    pub fn govern(self, caller: &mut Caller, book: &Book) {
        caller.filters = crate::guard::Filters::of(&self.filters());
        caller.kept_share = self.kept_share();
        self.bind(Arc::make_mut(&mut caller.principal), book);
    }

    /// Has them hold for a principal.
    fn bind(self, principal: &mut Principal, book: &Book) {
        let mut scopes: Vec<Arc<Scope>> = Vec::new();
        let mut guidance = Guidance::default();
        let mut counts = self.workspace.as_ref().is_some_and(|workspace| workspace.include_byok_in_budgets);
        for (guardrail, whose) in &self.guardrails {
            counts |= guardrail.include_byok_in_budgets;
            let window = guardrail.reset_interval.as_deref().and_then(Window::parse).unwrap_or(Window::Lifetime);
            let budgets = guardrail.limit_usd.map(|limit| terms::Budget::new(limit.0, window)).into_iter().collect();
            let id = format!("{}/{whose}", guardrail.id);
            scopes
                .push(book.scope(ScopeId::new(Level::Guardrail, id), Terms { name: guardrail.name.clone(), budgets, ..Terms::default() }));
            guidance.rules.push(rule(guardrail));
        }
        if let Some(workspace) = &self.workspace {
            let window = |interval: &Option<String>| interval.as_deref().and_then(Window::parse).unwrap_or(Window::Lifetime);
            let budgets = workspace.budgets.iter().map(|budget| terms::Budget::new(budget.limit_usd.0, window(&budget.reset_interval)));
            let name = workspace.name.clone().unwrap_or_else(|| workspace.id.clone());
            let terms = Terms { name, budgets: budgets.collect(), ..Terms::default() };
            scopes.push(book.scope(ScopeId::new(Level::Workspace, workspace.id.as_str()), terms));
            guidance.provider.sort = sort(workspace.default_provider_sort.as_deref());
        }
        principal.scopes.extend(scopes);
        if !guidance.rules.is_empty() || guidance.provider.sort.is_some() {
            principal.guidance = Some(Arc::new(guidance));
        }
        counts |= principal_counts(principal);
        let keys: Vec<Arc<OwnKey>> = self.keys.into_iter().filter_map(|key| own(key, &self.opened)).map(Arc::new).collect();
        principal.own_keys = (!keys.is_empty()).then(|| Arc::new(OwnKeys { keys, counts, instead: None }));
    }

    /// The content filters of all of them.
    pub fn filters(&self) -> Vec<&Guardrail> {
        let filters = |guardrail: &&Guardrail| guardrail.content_filters.is_some() || guardrail.content_filter_builtins.is_some();
        self.guardrails.iter().map(|(guardrail, _)| guardrail).filter(filters).collect()
    }

    /// Whether what is asked and answered is kept for those who asked, and how much of it.
    pub fn kept_share(&self) -> f64 {
        let kept = self.workspace.as_ref().filter(|workspace| workspace.is_observability_io_logging_enabled);
        kept.map_or(0.0, |workspace| workspace.io_logging_sampling_rate.unwrap_or(1.0))
    }
}

/// Whether the key itself says that its own keys count.
fn principal_counts(principal: &Principal) -> bool {
    let Some(metadata) = &principal.metadata else { return false };
    let metadata: Option<serde_json::Value> = serde_json::from_str(metadata).ok();
    metadata.is_some_and(|metadata| metadata["include_byok_in_limit"] == true)
}

fn own(key: ProviderKey, opened: &HashMap<String, Secret>) -> Option<OwnKey> {
    let secret = opened.get(&key.id)?.clone();
    Some(OwnKey { id: key.id, provider: key.provider, secret, is_fallback: key.is_fallback, models: key.allowed_models, is_token: false })
}

fn sort(named: Option<&str>) -> Option<switchboard_engine::guidance::Sort> {
    serde_json::from_value(serde_json::Value::from(named?)).ok()
}

/// A guardrail as routing knows rules.
fn rule(guardrail: &Guardrail) -> Rule {
    let retention = [
        ("anthropic", guardrail.enforce_zdr_anthropic),
        ("google", guardrail.enforce_zdr_google),
        ("openai", guardrail.enforce_zdr_openai),
        ("xai", guardrail.enforce_zdr_xai),
        ("other", guardrail.enforce_zdr_other),
    ];
    let enforced = |(_, own): &(&str, Option<bool>)| own.or(guardrail.enforce_zdr) == Some(true);
    Rule {
        models: guardrail.allowed_models.clone(),
        ignored_models: guardrail.ignored_models.clone().unwrap_or_default(),
        provider: Provider {
            only: guardrail.allowed_providers.clone(),
            ignore: guardrail.ignored_providers.clone(),
            ..Provider::default()
        },
        unretained: retention.into_iter().filter(enforced).map(|(maker, _)| maker).collect(),
        no_paid_training: guardrail.enable_paid_model_training == Some(false),
        no_free_training: guardrail.enable_free_model_training == Some(false) || guardrail.enable_free_model_publication == Some(false),
    }
}
