//! Limits and budgets by rule, in TrueFoundry's form: whom a rule is for, how much, and by what it is counted apart.
//!
//! Every rule that a call matches holds for it, whatever its place in the file: their documents let the first one decide, which makes
//! a narrow rule the way around a broad one. A rule that counts by user has one pool for each user, and so on; how many pools there
//! may be is bounded, since callers choose metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use switchboard_engine::book::{Book, Scope};
use switchboard_engine::call::{Call, Content};
use switchboard_engine::pattern::matches;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, ScopeId, Terms};

/// The header of metadata, as TrueFoundry's clients send it.
const METADATA: &str = "x-tfy-metadata";
/// The most pools of one rule; calls that would need more share one.
const MOST_POOLS: usize = 10_000;
/// Longer values are cut, as TrueFoundry bounds them.
const LONGEST: usize = 128;

/// Whom something is for: those listed, but for those listed; anybody where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Among {
    /// One of these, where there are any.
    pub any_of: Vec<String>,
    /// None of these.
    pub none_of: Vec<String>,
}

/// By what a rule counts apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each user.
    User,
    /// Each model asked for.
    Model,
    /// Each virtual account: a key that has an alias, by it.
    Account,
    /// Each value under that name in the call's metadata.
    Metadata(String),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// `user:…`, `team:…`, `virtualaccount:…`.
    pub subjects: Among,
    /// The models asked for.
    pub models: Among,
    /// What the call's metadata must say.
    pub metadata: BTreeMap<String, Among>,
    /// How much.
    pub terms: Terms,
    /// By what it is counted apart; by nothing: one pool for all.
    pub per: Vec<Per>,
    /// Other terms for those users.
    pub overrides: Vec<(Vec<String>, Terms)>,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// The pools of each rule there have been.
    pools: Mutex<BTreeMap<usize, BTreeSet<String>>>,
}

impl Among {
    fn has(&self, said: &[String]) -> bool {
        let listed = |list: &[String]| list.iter().any(|pattern| said.iter().any(|said| matches(pattern, said)));
        (self.any_of.is_empty() || listed(&self.any_of)) && !listed(&self.none_of)
    }
}

impl Rules {
    /// Those rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, pools: Mutex::default() }
    }

    /// Whether there are none.
    pub fn are_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The scopes of all rules that hold for a call of that model.
    pub fn scopes(&self, book: &Book, call: &Call, model: &str) -> Vec<Arc<Scope>> {
        let subjects = subjects(&call.principal);
        let metadata = if self.rules.iter().any(Rule::asks_metadata) { metadata(call) } else { Default::default() };
        let named = [model.to_owned()];
        let of = |(at, rule): (usize, &Rule)| {
            let said = |name: &String| metadata.get(name).cloned().into_iter().collect::<Vec<_>>();
            let fits = rule.subjects.has(&subjects)
                && rule.models.has(&named)
                && rule.metadata.iter().all(|(name, among)| metadata.contains_key(name) && among.has(&said(name)));
            let pool = fits.then(|| rule.pool(&call.principal, model, &metadata))??;
            let terms = rule.overrides.iter().find(|(users, _)| users.iter().any(|user| is_user(&call.principal, user)));
            let terms = terms.map_or(&rule.terms, |(_, terms)| terms).clone();
            Some(book.scope(ScopeId::new(Level::Rule, self.bounded(at, &rule.id, pool)), terms))
        };
        self.rules.iter().enumerate().filter_map(of).collect()
    }

    /// A pool's id; one for all that are too many.
    fn bounded(&self, at: usize, id: &str, pool: String) -> String {
        if pool.is_empty() {
            return id.to_owned();
        }
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.entry(at).or_default();
        if !known.contains(&pool) && known.len() >= MOST_POOLS {
            return format!("{id}|others");
        }
        let whole = format!("{id}|{pool}");
        known.insert(pool);
        whole
    }
}

impl Rule {
    fn asks_metadata(&self) -> bool {
        !self.metadata.is_empty() || self.per.iter().any(|per| matches!(per, Per::Metadata(_)))
    }

    /// Which of its pools a call is in. None: it has nothing that the rule counts by, and so the rule is not for it.
    fn pool(&self, principal: &Principal, model: &str, metadata: &BTreeMap<String, String>) -> Option<String> {
        let mut pool = Vec::new();
        for per in &self.per {
            let (name, value) = match per {
                Per::User => ("user", principal.user.as_deref().or(principal.user_email.as_deref())?),
                Per::Model => ("model", model),
                Per::Account => ("account", principal.key_alias.as_deref()?),
                Per::Metadata(name) => (name.as_str(), metadata.get(name)?.as_str()),
            };
            pool.push(format!("{name}={}", &value[..value.floor_char_boundary(LONGEST)]));
        }
        Some(pool.join("|"))
    }
}

fn is_user(principal: &Principal, user: &str) -> bool {
    let user = user.strip_prefix("user:").unwrap_or(user);
    [&principal.user, &principal.user_email].into_iter().flatten().any(|known| known == user)
}

/// What a caller may be listed as.
fn subjects(principal: &Principal) -> Vec<String> {
    let named = |kind: &'static str, name: &Option<String>| name.as_ref().map(|name| format!("{kind}:{name}"));
    let known = [
        named("user", &principal.user),
        named("user", &principal.user_email),
        named("team", &principal.team),
        named("team", &principal.team_alias),
        named("virtualaccount", &principal.key_alias),
        Some("team:everyone".to_owned()),
    ];
    known.into_iter().flatten().collect()
}

/// What a call says of itself, and what its key says, which counts for more: callers cannot lie about what is stamped on their key.
fn metadata(call: &Call) -> BTreeMap<String, String> {
    let header = call.headers.get(METADATA).and_then(|value| value.to_str().ok()).and_then(|text| serde_json::from_str(text).ok());
    let body = match &call.content {
        Content::Json(outline) => outline.read::<Value>(&call.body, "metadata").ok().flatten(),
        Content::Form(_) => None,
    };
    let key = call.principal.metadata.as_ref().and_then(|text| serde_json::from_str(text).ok());
    let mut all = BTreeMap::new();
    for said in [body, header, key].into_iter().flatten() {
        let Value::Object(said) = said else { continue };
        for (name, value) in said {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            all.insert(name, text);
        }
    }
    all
}
