//! From a request's headers to who is asking.
//!
//! A key is known by its SHA-256; nothing else of it is kept, but for what [`crate::digest`] remembers for a while. The master key is
//! compared in constant time; a virtual key is found by its digest in the [`Directory`], which asks the store for what it does not
//! know. Keys that cannot be any are refused before anything is asked. Where signed tokens are accepted ([`token`]), one may stand
//! wherever a key may; a browser that sends no key may have a session ([`session`]). Both are remembered like keys.

mod address;
pub mod caller;
pub mod directory;
pub(crate) mod fetch;
pub mod guess;
pub mod guests;
pub mod mint;
pub mod owned;
pub mod password;
pub mod resolve;
pub(crate) mod returned;
pub mod rules;
pub mod session;
pub mod terms;
pub mod token;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;
use switchboard_engine::book::Book;
use switchboard_engine::pattern;
use switchboard_engine::upstream::Transport;
use switchboard_store::{Store, StoreError, Time};

pub(crate) use address::{asker, has as is_in};
pub use caller::{Caller, Credential};
pub use directory::Directory;
pub(crate) use terms::SERVICE_ACCOUNT;

use crate::config::Config;
use crate::config::resolved::JwtAuth;
use crate::refused::Refused;
use guess::Guesses;
use mint::Pepper;
use owned::Owned;
use resolve::Groups;
use session::Stamps;
use terms::Policy;

use crate::config::resolved::Gates;
use token::issuer::Places;
use token::principal::{Around, Means};
use token::{TokenError, Verifier, claims};

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
    around: Around,
    trust: crate::trust::Shared,
    unsealed: Arc<rules::Unsealed>,
    /// Signed tokens, where they are accepted.
    tokens: Option<Tokens>,
    /// Fingerprints of what people sign in with.
    stamps: Stamps,
    /// A header of the configuration's own that may hold a key.
    header: Option<String>,
    /// The addresses that may ask; none means all.
    addresses: Vec<String>,
    /// What holds for everybody.
    gates: Gates,
    /// Who is let in where no key is asked for.
    anybody: Arc<Caller>,
}

/// What signed tokens are read with.
#[derive(Debug)]
struct Tokens {
    verifier: Verifier,
    settings: Arc<JwtAuth>,
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
    /// Where keys of issuers are, and those that were found.
    pub places: Arc<Places>,
    /// Sign-ins that have come back from their identity provider.
    pub returned: Arc<returned::Returned>,
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
        let Foundation { store, directory, guesses, pepper, book, places, trust, unsealed, .. } = foundation.clone();
        let (policy, owned) = (Arc::new(Policy::of(config)), Arc::new(Owned::of(config)));
        directory.guests.follow(policy.clone());
        let tokens = config.general.jwt.as_ref().map(|settings| {
            // What it is made of has been looked at by whoever starts the gateway.
            let transport = crate::fleet::transport::of(config).unwrap_or_else(|_| Transport::default());
            Tokens { verifier: Verifier::new(settings, &places, transport), settings: Arc::new(settings.clone()) }
        });
        Self {
            master,
            trusted,
            store,
            directory,
            guesses,
            pepper,
            anybody: Arc::new(Caller::anybody().owning(&owned)),
            around: Around { groups: Arc::new(groups(config)), owned, book, policy },
            trust,
            unsealed,
            tokens,
            stamps: Stamps::of(config),
            header: config.general.key_header.clone(),
            addresses: config.general.addresses.clone(),
            gates: config.general.gates.clone(),
        }
    }

    /// What holds for everybody, whatever key they have.
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Somebody without a key, where none is asked for.
    pub fn anybody(&self) -> &Arc<Caller> {
        &self.anybody
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
        &self.around.groups
    }

    /// Fingerprints of what people sign in with.
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Who sends that request, or why nobody may.
    pub async fn caller(&self, headers: &HeaderMap, query: Option<&str>, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        if !self.addresses.is_empty() && !from.is_some_and(|from| self.addresses.iter().any(|allowed| is_in(allowed, from))) {
            return Err(Refused::forbidden("Access forbidden: IP address not allowed."));
        }
        let Some(master) = &self.master else { return Ok(self.trusted.clone()) };
        let Some(given) = presented(headers, query, self.header.as_deref()) else {
            if let Some(secret) = session::cookie(headers) {
                return Box::pin(self.of_session(secret, from)).await;
            }
            let message = "Authentication Error, No api key passed in.";
            return Err(Refused::unauthenticated("auth_error", json!("None"), message));
        };
        let key = crate::digest::sha256(given.as_bytes());
        if same(&key, master) {
            return Ok(self.trusted.clone());
        }
        let caller = match self.directory.known(&key) {
            // What became of it since, nobody could tell.
            Some(Some(_)) if self.is_silent() && !self.gates.serves_unverified => return Err(StoreError::Silent.into()),
            // A raise of its budget has ended, or the like.
            Some(Some(known)) if known.until.is_some_and(|until| until <= Time::now()) => {
                self.directory.forget_key(&hex::encode(key));
                self.vouched(Box::pin(self.look_up(&given, key, from)).await, (key, known))?
            }
            Some(Some(known)) => known,
            // Somebody who goes on using a deleted key is no guesser.
            Some(None) => return Err(unknown(&given, &key)),
            // Who is known is known at once: the way there is not carried along with every call.
            None => Box::pin(self.look_up(&given, key, from)).await?,
        };
        caller.admit(Time::now(), from).map(|()| caller)
    }

    /// Whether the database has not answered for so long that nobody is believed any more.
    fn is_silent(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.silence() > PATIENCE)
    }

    /// What a look-up found of somebody who is known. Where the database is away and the operator would rather serve than know, that is
    /// whoever was known last. A stranger, or a key that was blocked, is nobody's to vouch for.
    fn vouched(&self, found: Result<Arc<Caller>, Refused>, (key, last): (Digest, Arc<Caller>)) -> Result<Arc<Caller>, Refused> {
        match found {
            Err(refused) if self.gates.serves_unverified && refused.is_outage() => {
                tracing::warn!("a caller is let in as it was known last (allow_requests_on_db_unavailable)");
                self.directory.remember(key, last.clone());
                Ok(last)
            }
            found => found,
        }
    }

    /// A caller as it is believed: for so long as the configuration says.
    fn believed(&self, caller: Caller) -> Caller {
        let Some(wait) = self.gates.believed_for else { return caller };
        let end = Time::now().plus_seconds(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).clamp(1, 86_400));
        Caller { until: Some(caller.until.map_or(end, |until| until.min(end))), ..caller }
    }

    /// The holder of what is not known yet.
    async fn look_up(&self, given: &str, key: Digest, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        match &self.tokens {
            // Nobody guesses signatures: whoever comes with an old token is not counted as one who tries keys.
            Some(tokens) if Verifier::may_be_token(given) => {
                let store = self.store.as_ref().ok_or_else(Refused::no_store)?;
                let read = || self.of_token(tokens, store, given);
                self.directory.find(key, read).await?.ok_or_else(|| unknown(given, &key))
            }
            Some(_) | None => self.guessed(given, key, from).await,
        }
    }

    async fn of_token(&self, tokens: &Tokens, store: &Store, given: &str) -> Result<Option<Caller>, Refused> {
        let (said, issuer) = tokens.verifier.claims(given).await.map_err(disbelieved)?;
        let bearer = claims::read(&tokens.settings, &issuer.fields, &said)?;
        let name = said.get("iss").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let (settings, pepper, around) = (tokens.settings.clone(), self.pepper.clone(), self.around.clone());
        let means = Means { settings, unmapped: issuer.unmapped, pepper, around };
        token::principal::caller(store, means, bearer, name).await.map(|caller| Some(self.believed(caller)))
    }

    /// The holder of a session, by its secret.
    pub async fn of_session(&self, secret: &str, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        let over =
            || Refused::unauthenticated("expired_session", json!("None"), "Authentication Error, the session is over; sign in again");
        let store = self.store.as_ref().ok_or_else(over)?;
        let id = digest(secret.as_bytes());
        match self.directory.known(&id) {
            Some(Some(_)) if store.silence() > PATIENCE => return Err(StoreError::Silent.into()),
            Some(Some(known)) if known.until.is_some_and(|until| until <= Time::now()) => self.directory.forget_key(&hex::encode(id)),
            Some(Some(_)) | None => {}
            Some(None) => return Err(over()),
        }
        let read = || {
            let (hash, stamps, around) = (hex::encode(id), self.stamps.clone(), self.around.clone());
            store.read(move |desk| async move { session::caller(&desk, &hash, &stamps, &around).await })
        };
        let caller = self.directory.find(id, read).await?.ok_or_else(over)?;
        caller.admit(Time::now(), from).map(|()| caller)
    }

    /// The holder of a key that is not known yet; wrong ones are counted against the address they come from.
    async fn guessed(&self, given: &str, key: Digest, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
        if mint::is_made(given) {
            self.guesses.check_made(from)?
        } else {
            self.guesses.check(from)?
        }
        let found = self.stranger(given, key).await;
        if found.as_ref().is_err_and(|refused| refused.status == http::StatusCode::UNAUTHORIZED) {
            self.guesses.failed_with(from, key);
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
        let (hash, pepper, given) = (hex::encode(key), self.pepper.clone(), given.to_owned());
        let Around { groups, owned, book, policy } = self.around.clone();
        let read = store
            .soon(move |desk| async move {
                let Some(key) = resolve::key(&desk, &hash).await? else { return Ok(None) };
                // A row without the right proof was not written by a gateway that knows the pepper.
                if pepper.is_some_and(|pepper| !pepper.proves(key.verifier.as_deref(), &given, &hash)) {
                    tracing::warn!(key = key.key_name, "a key's row does not bear the proof of this gateway's pepper");
                    return Ok(None);
                }
                let around = resolve::surroundings(&desk, &key).await?;
                let allowance = terms::of(&book, &key, (&around, &groups), &policy);
                let rules = rules::Rules::read(&desk, &key).await?;
                let caller = resolve::caller(&key, &around, &groups, allowance).owning(&owned);
                Ok::<_, Refused>(Some((caller, rules)))
            })
            .await?;
        let Some((mut caller, mut rules)) = read else { return Ok(None) };
        rules.unseal(self.trust.as_deref(), &self.unsealed).await?;
        rules.govern(&mut caller, &self.around.book);
        Ok(Some(self.believed(caller)))
    }
}

/// The refusal of a token. That an issuer's keys cannot be had is not its sender's fault.
fn disbelieved(error: TokenError) -> Refused {
    match error {
        TokenError::Away(_) => {
            let message = "The keys of the token's issuer cannot be fetched at the moment; try again soon";
            Refused::new(503, "identity_provider_unavailable", serde_json::Value::Null, message).after(1)
        }
        error => Refused::unauthenticated("auth_error", json!("None"), format!("Authentication Error, {error}")),
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
        hex::encode(key)
    );
    Refused::unauthenticated("token_not_found_in_db", json!("key"), message)
}

/// Groups of models, as the deployments of a configuration name them. Of a pattern a group has what no other entry takes.
fn groups(config: &Config) -> Groups {
    let names = || config.deployments.iter().map(|deployment| deployment.model_name.as_str());
    let mut groups = Groups::new();
    for deployment in config.deployments.iter().filter(|deployment| !deployment.model_info.access_groups.is_empty()) {
        let model = pattern::among(&deployment.model_name, names());
        for group in &deployment.model_info.access_groups {
            let models = groups.entry(group.clone()).or_default();
            if !models.contains(&model) {
                models.push(model.clone());
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

/// The digest that was written in hex.
pub fn digest_of_hex(text: &str) -> Option<Digest> {
    let mut out = [0; 32];
    hex::decode_to_slice(text, &mut out).ok()?;
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
            around: Around { groups: Arc::default(), owned: Arc::default(), book: Arc::default(), policy: Arc::default() },
            trust: None,
            unsealed: Arc::default(),
            tokens: None,
            stamps: Stamps::default(),
            header: None,
            addresses: Vec::new(),
            gates: Gates::default(),
            anybody: Arc::new(Caller::anybody()),
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
        assert_eq!(digest_of_hex(&hex::encode(digest)), Some(digest));
        assert_eq!(digest_of_hex("88"), None);
        assert_eq!(digest_of_hex(&"g".repeat(64)), None);
    }
}
