//! From a request's headers to who is asking.
//!
//! A key is known by its SHA-256; nothing else of it is kept, but for what [`crate::digest`] remembers for a while. The master key is
//! compared in constant time; a virtual key is found by its digest in the [`Directory`], which asks the store for what it does not
//! know. Keys that cannot be any are refused before anything is asked.

mod address;
pub mod caller;
pub mod directory;
pub mod guess;
pub mod guests;
pub mod mint;
pub mod resolve;
pub mod rules;
pub mod terms;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;
use switchboard_engine::admit::Book;
use switchboard_store::{Store, StoreError, Time};

pub use caller::{Caller, Credential};
pub use directory::Directory;

use crate::admin::Refused;
use crate::config::Config;
use guess::Guesses;
use mint::Pepper;
use resolve::Groups;
use terms::Policy;

pub use crate::digest::Digest;

/// How long known keys are believed while the database does not answer.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// The keys that open the gateway.
#[derive(Debug)]
pub struct Keys {
    master: Option<Digest>,
    trusted: Arc<Caller>,
    store: Option<Store>,
    directory: Arc<Directory>,
    guesses: Arc<Guesses>,
    pepper: Option<Pepper>,
    groups: Arc<Groups>,
    book: Arc<Book>,
    trust: crate::trust::Shared,
    unsealed: Arc<rules::Unsealed>,
    policy: Policy,
    /// A header of the configuration's own that may hold a key.
    header: Option<String>,
}

/// What a configuration alone does not give: it stays when the configuration changes.
#[derive(Clone, Debug, Default)]
pub struct Foundation {
    /// Where keys are kept.
    pub store: Option<Store>,
    /// Those that are known.
    pub directory: Arc<Directory>,
    /// Who guesses.
    pub guesses: Arc<Guesses>,
    /// What proofs of keys are made with.
    pub pepper: Option<Pepper>,
    /// What everybody has spent, and may spend.
    pub book: Arc<Book>,
    /// What secrets are sealed with.
    pub trust: crate::trust::Shared,
    /// Keys of providers that are open already.
    pub unsealed: Arc<rules::Unsealed>,
}

/// Headers that may hold a key besides `authorization`, in order of preference.
const FIRST: &str = "x-litellm-api-key";
const HEADERS: [&str; 4] = ["api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"];

impl Keys {
    /// The keys of that configuration. Without a master key the gateway is open.
    pub fn of(config: &Config, foundation: &Foundation) -> Self {
        let master = config.general.master_key.as_ref().map(|key| digest(key.expose().as_bytes()));
        let trusted = Arc::new(Caller::trusted(if master.is_some() { Credential::Master } else { Credential::Open }));
        // What callers may use depends on groups of models that the configuration names.
        foundation.directory.forget_all();
        let Foundation { store, directory, guesses, pepper, book, trust, unsealed } = foundation.clone();
        let policy = Policy { user_on_team_keys: config.general.budget_of_user_on_team_keys };
        Self {
            master,
            trusted,
            store,
            directory,
            guesses,
            pepper,
            groups: Arc::new(groups(config)),
            book,
            trust,
            unsealed,
            policy,
            header: config.general.key_header.clone(),
        }
    }

    /// The SHA-256 of the master key.
    pub fn master(&self) -> Option<&Digest> {
        self.master.as_ref()
    }

    /// What proofs of keys are made with.
    pub fn pepper(&self) -> Option<&Pepper> {
        self.pepper.as_ref()
    }

    /// Groups of models by name.
    pub fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// Who sends that request, or why nobody may.
    pub async fn caller(&self, headers: &HeaderMap, query: Option<&str>, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        let Some(master) = &self.master else { return Ok(self.trusted.clone()) };
        let Some(given) = presented(headers, query, self.header.as_deref()) else {
            let message = "Authentication Error, No api key passed in.";
            return Err(Refused::unauthenticated("auth_error", json!("None"), message));
        };
        let key = crate::digest::sha256(given.as_bytes());
        if same(&key, master) {
            return Ok(self.trusted.clone());
        }
        let caller = match self.directory.known(&key) {
            // What became of it since, nobody could tell.
            Some(Some(_)) if self.store.as_ref().is_some_and(|store| store.silence() > PATIENCE) => {
                return Err(StoreError::Silent.into());
            }
            // A raise of its budget has ended, or the like.
            Some(Some(known)) if known.until.is_some_and(|until| until <= Time::now()) => {
                self.directory.forget_key(&hex(&key));
                self.guessed(&given, key, from).await?
            }
            Some(Some(known)) => known,
            // Somebody who goes on using a deleted key is no guesser.
            Some(None) => return Err(unknown(&given, &key)),
            None => self.guessed(&given, key, from).await?,
        };
        caller.admit(Time::now(), from).map(|()| caller)
    }

    /// The holder of a key that is not known yet; wrong ones are counted against the address they come from.
    async fn guessed(&self, given: &str, key: Digest, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        self.guesses.check(from)?;
        let found = self.stranger(given, key).await;
        if found.as_ref().is_err_and(|refused| refused.status == http::StatusCode::UNAUTHORIZED) {
            self.guesses.failed(from);
            self.directory.none(key);
        }
        found
    }

    /// The holder of a key that is not known yet.
    async fn stranger(&self, given: &str, key: Digest) -> Result<Arc<Caller>, Refused> {
        if !given.starts_with("sk-") {
            return Err(unknown(given, &key));
        }
        // Without a database there is no other key than the master's, which is known for certain: LiteLLM's 400 would say less.
        let Some(store) = self.store.as_ref().filter(|_| mint::may_be_key(given)) else { return Err(unknown(given, &key)) };
        let read = || self.read(store, given, key);
        self.directory.find(key, read).await?.ok_or_else(|| unknown(given, &key))
    }

    async fn read(&self, store: &Store, given: &str, key: Digest) -> Result<Option<Caller>, Refused> {
        let (hash, groups, pepper) = (hex(&key), self.groups.clone(), self.pepper.clone());
        let (book, policy) = (self.book.clone(), self.policy.clone());
        let proof = pepper.map(|pepper| pepper.proof(given));
        let read = store
            .read(move |desk| async move {
                let Some(key) = resolve::key(&desk, &hash).await? else { return Ok(None) };
                // A row without the right proof was not written by a gateway that knows the pepper.
                if proof.is_some_and(|proof| key.verifier.as_deref() != Some(proof.as_str())) {
                    tracing::warn!(key = key.key_name, "a key's row does not bear the proof of this gateway's pepper");
                    return Ok(None);
                }
                let around = resolve::surroundings(&desk, &key).await?;
                let allowance = terms::of(&book, &key, &around, &policy);
                let rules = rules::Rules::read(&desk, &key).await?;
                Ok::<_, Refused>(Some((resolve::caller(&key, &around, &groups, allowance), rules)))
            })
            .await?;
        let Some((mut caller, mut rules)) = read else { return Ok(None) };
        rules.unseal(self.trust.as_deref(), &self.unsealed).await?;
        caller.filters = crate::guard::Filters::of(&rules.filters());
        caller.kept_share = rules.kept_share();
        rules.bind(Arc::make_mut(&mut caller.principal), &self.book);
        Ok(Some(caller))
    }
}

/// The refusal of a key nobody has. What is told of it is what its sender knows.
fn unknown(given: &str, key: &Digest) -> Refused {
    if !given.starts_with("sk-") {
        let message = "Authentication Error, LiteLLM Virtual Key expected. Received=****, expected to start with 'sk-'.";
        return Refused::unauthenticated("auth_error", json!("None"), message);
    }
    let message = format!(
        "Authentication Error, Invalid proxy server token passed. Received API Key = {}, Key Hash (Token) ={}. Unable to find token in \
         cache or `LiteLLM_VerificationTokenTable`",
        mint::short(given),
        hex(key)
    );
    Refused::unauthenticated("token_not_found_in_db", json!("key"), message)
}

/// Groups of models, as the deployments of a configuration name them.
fn groups(config: &Config) -> Groups {
    let mut groups = Groups::new();
    for deployment in &config.deployments {
        for group in &deployment.model_info.access_groups {
            let models = groups.entry(group.clone()).or_default();
            if !models.contains(&deployment.model_name) {
                models.push(deployment.model_name.clone());
            }
        }
    }
    groups
}

/// The key a request shows.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&str>, own: Option<&str>) -> Option<Cow<'a, str>> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let first = own.and_then(text).or_else(|| text(FIRST)).map(bare);
    let bearer = || text(AUTHORIZATION.as_str()).map(bare);
    let named = first.or_else(bearer).or_else(|| HEADERS.into_iter().find_map(text)).map(Cow::Borrowed);
    named.or_else(|| crate::query::value(query?, "key").map(Cow::Owned))
}

/// A header's value without the word `Bearer`.
fn bare(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
        Some(_) | None => value,
    }
}

/// The SHA-256 of a key.
pub fn digest(bytes: &[u8]) -> Digest {
    crate::digest::sha256(bytes)
}

/// A digest in hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The digest that was written in hex.
pub fn digest_of_hex(text: &str) -> Option<Digest> {
    let bytes = text.as_bytes();
    let mut out = [0; 32];
    if bytes.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// Compares without telling by its time where the first difference is.
fn same(left: &Digest, right: &Digest) -> bool {
    left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(master: Option<&str>) -> Keys {
        let foundation = Foundation::default();
        let credential = if master.is_some() { Credential::Master } else { Credential::Open };
        Keys {
            master: master.map(|key| digest(key.as_bytes())),
            trusted: Arc::new(Caller::trusted(credential)),
            store: None,
            directory: foundation.directory,
            guesses: foundation.guesses,
            pepper: None,
            groups: Arc::default(),
            book: Arc::default(),
            trust: None,
            unsealed: Arc::default(),
            policy: Policy::default(),
            header: None,
        }
    }

    #[test]
    fn a_key_may_come_in_any_usual_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ask = |keys: &Keys, name: &'static str, value: &str, query: Option<&str>| {
            let mut headers = HeaderMap::new();
            if !name.is_empty() {
                headers.insert(name, value.parse().expect("a header"));
            }
            runtime.block_on(keys.caller(&headers, query, None)).map(|caller| caller.principal.key.clone())
        };
        let keys = keys(Some("sk-right"));
        for name in ["authorization", "x-litellm-api-key", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key"] {
            assert_eq!(ask(&keys, name, "sk-right", None).expect("known"), "master", "{name}");
            assert!(ask(&keys, name, "sk-wrong", None).is_err(), "{name}");
        }
        assert!(ask(&keys, "authorization", "Bearer sk-right", None).is_ok());
        assert!(ask(&keys, "authorization", "bearer  sk-right", None).is_ok());
        assert!(ask(&keys, "x-litellm-api-key", "Bearer sk-right", None).is_ok());
        assert!(ask(&keys, "", "", Some("alt=sse&key=sk-right")).is_ok());
        assert!(ask(&keys, "", "", Some("key=sk-wrong")).is_err());
        assert!(ask(&keys, "", "", None).is_err());
        assert!(ask(&self::keys(None), "", "", None).is_ok());
    }

    #[test]
    fn a_digest_comes_back_from_hex() {
        let digest = digest(b"sk-1234");
        assert_eq!(digest_of_hex(&hex(&digest)), Some(digest));
        assert_eq!(digest_of_hex("88"), None);
        assert_eq!(digest_of_hex(&"g".repeat(64)), None);
    }
}
