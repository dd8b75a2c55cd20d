//! The keys of those whose tokens are believed.
//!
//! They are fetched when they are first needed, and again when they are old or when a token names a key that is not among them; the
//! latter at most once in half a minute, however many such tokens come. While their place is away, the last ones are believed for a
//! day. What was found outlives a change of the configuration.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use switchboard_engine::upstream::{Origin, Transport};

use crate::auth::fetch::{self, Question};

/// Between two fetches for keys that are not known, at least this much time passes.
const PAUSE: Duration = Duration::from_secs(30);
/// Between two where there are none at all.
const AGAIN: Duration = Duration::from_secs(1);
/// No set has more keys.
const MOST: usize = 128;
/// What tells a discovery document from a set of keys.
const DISCOVERY: &str = ".well-known/openid-configuration";

/// Keys cannot be had. `Display` says where they were looked for, which the operator has written.
#[derive(Debug, thiserror::Error)]
#[error("the keys at {0} cannot be fetched")]
pub struct Away(pub String);

/// Every place of keys, so that each is asked once however many configurations name it.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<String, Arc<Place>>>);

impl Places {
    /// That place.
    pub fn at(&self, url: &str) -> Arc<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(url.to_owned()).or_insert_with(|| Arc::new(Place::new(url))).clone()
    }
}

/// Where keys are, and those that were found.
pub struct Place {
    url: String,
    state: Mutex<State>,
    gate: tokio::sync::Mutex<()>,
}

/// How long keys are believed.
#[derive(Clone, Copy, Debug)]
pub struct Belief {
    /// After this long they are looked at again.
    pub ttl: Duration,
    /// So long they are believed while their place is away.
    pub patience: Duration,
}

#[derive(Default)]
struct State {
    set: Arc<Vec<Jwk>>,
    /// When they were found.
    found: Option<Instant>,
    /// When they were last looked for.
    asked: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    jwks_uri: String,
}

/// Keys whose kind is not known here are left out, not the whole set refused.
#[derive(Deserialize)]
struct Loose {
    keys: Vec<serde_json::Value>,
}

impl Place {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), state: Mutex::default(), gate: tokio::sync::Mutex::new(()) }
    }

    /// The keys that may have that id; all where a token names none. Fetched where none is known.
    pub async fn keys(&self, id: Option<&str>, belief: Belief, transport: &Transport) -> Result<Vec<Jwk>, Away> {
        let now = Instant::now();
        let (known, fresh) = self.known(id, now, belief.ttl);
        if !known.is_empty() && fresh {
            return Ok(known);
        }
        let fetched = self.fetch(now, transport).await;
        // What is old is believed for a while if there is nothing newer.
        let (known, believed) = self.known(id, Instant::now(), belief.patience);
        match fetched {
            Err(error) if !believed => Err(error),
            Ok(()) | Err(_) => Ok(known),
        }
    }

    fn known(&self, id: Option<&str>, now: Instant, age: Duration) -> (Vec<Jwk>, bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = state.found.is_some_and(|found| now.duration_since(found) < age);
        let fits = |key: &&Jwk| id.is_none_or(|id| key.common.key_id.as_deref().is_none_or(|own| own == id));
        (state.set.iter().filter(fits).cloned().collect(), fresh)
    }

    /// Whether somebody may look now. A look that fails counts too.
    fn may_ask(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = if state.found.is_some() { PAUSE } else { AGAIN };
        let rested = state.asked.is_none_or(|asked| now.duration_since(asked) >= pause);
        if rested {
            state.asked = Some(now);
        }
        rested
    }

    async fn fetch(&self, since: Instant, transport: &Transport) -> Result<(), Away> {
        let _gate = self.gate.lock().await;
        let found = self.state.lock().unwrap_or_else(PoisonError::into_inner).found;
        let away = || Away(fetch::shown(&self.url).to_owned());
        // Somebody else looked while this waited.
        if found.is_some_and(|found| found > since) {
            return Ok(());
        }
        if !self.may_ask(Instant::now()) {
            return found.map(|_| ()).ok_or_else(away);
        }
        let Some(set) = self.read(transport).await else {
            tracing::warn!(url = fetch::shown(&self.url), "the keys of signed tokens cannot be fetched");
            return Err(away());
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.set = Arc::new(set);
        state.found = Some(Instant::now());
        Ok(())
    }

    async fn read(&self, transport: &Transport) -> Option<Vec<Jwk>> {
        let first = document(transport, &self.url).await?;
        let body = if self.url.contains(DISCOVERY) && !self.url.ends_with("/jwks") {
            let found: Discovery = serde_json::from_slice(&first).ok()?;
            // The operator wrote the one address; what it names elsewhere must be in the open.
            match Origin::of(&self.url).ok()? == Origin::of(&found.jwks_uri).ok()? {
                true => document(transport, &found.jwks_uri).await?,
                false => fetch::ask_outside(transport, &found.jwks_uri).await?,
            }
        } else {
            first
        };
        let loose: Loose = serde_json::from_slice(&body).ok()?;
        Some(loose.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok()).collect())
    }
}

async fn document(transport: &Transport, url: &str) -> Option<Bytes> {
    let (status, body) = fetch::ask(transport, Question::of(url)).await?;
    (status == StatusCode::OK).then_some(body)
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Place").field("url", &fetch::shown(&self.url)).finish_non_exhaustive()
    }
}
