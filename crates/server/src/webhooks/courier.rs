//! Bringing alerts to those who are told: signed, again after a failure, and never for longer than a few tries.
//!
//! The addresses that the operator wrote into the environment are trusted to name hosts within; one that came in over the API must
//! be a public one. No redirect is followed, and nothing is read of an answer but its status.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use serde_json::json;
use switchboard_engine::egress::{Egress, EgressError, Policy};
use switchboard_engine::upstream::{Origin, Settings, Upstream};

use crate::alerts::alert::Alert;
use crate::config::Config;

const SIGNATURE: HeaderName = HeaderName::from_static("x-switchboard-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-switchboard-timestamp");
const ID: HeaderName = HeaderName::from_static("x-switchboard-alert-id");
/// The pause after a first failure; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(250);
/// An answer is not longer than that.
const ANSWER: u64 = 64 << 10;

/// How an alert is written for whoever is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// LiteLLM's document.
    Webhook,
    /// `{"text": …}`
    Slack,
}

/// Where an alert goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) form: Form,
    pub(crate) url: String,
    /// Whether the operator wrote it, and not somebody over the API.
    trusted: bool,
}

/// Where alerts of that kind go by that configuration. `own` is what the operator wrote, without what came in over the API.
pub(crate) fn addresses(config: &Config, own: &Config, kind: &str) -> Vec<Address> {
    let general = &config.general.alerting;
    if general.types.as_ref().is_some_and(|types| types.iter().all(|one| one != kind)) {
        return Vec::new();
    }
    let trusted = |url: &String| {
        let named = ["WEBHOOK_URL", "SLACK_WEBHOOK_URL"].into_iter().any(|name| own.environment.get(name) == Some(url));
        named || own.general.alerting.urls.values().flatten().any(|written| written == url)
    };
    let mut found: Vec<Address> = Vec::new();
    for sink in &general.sinks {
        let (form, variable) = match sink.as_str() {
            "webhook" => (Form::Webhook, "WEBHOOK_URL"),
            "slack" => (Form::Slack, "SLACK_WEBHOOK_URL"),
            _ => continue,
        };
        let named = general.urls.get(kind).filter(|urls| form == Form::Slack && !urls.is_empty()).cloned();
        let urls = named.unwrap_or_else(|| config.environment.get_non_empty(variable).map(str::to_owned).into_iter().collect());
        found.extend(urls.into_iter().map(|url| Address { form, trusted: trusted(&url), url }));
    }
    found
}

/// What brings them.
pub(crate) struct Courier {
    upstream: Upstream,
    /// One for each trusted origin, and one for all others.
    ways: HashMap<Option<String>, Egress>,
}

/// Why an alert was not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// It could not be brought there.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The address is none.
    #[error("the address is not a URL")]
    Address,
}

impl Default for Courier {
    fn default() -> Self {
        Self { upstream: Upstream::new(Settings::default()), ways: HashMap::new() }
    }
}

impl Courier {
    /// Brings an alert there: a few tries, with growing pauses.
    pub(crate) async fn bring(&mut self, config: &Config, address: &Address, alert: &Alert) -> Result<(), Untold> {
        let said = &config.switchboard.alerts;
        let body = match address.form {
            Form::Webhook => alert.payload.to_string(),
            Form::Slack => json!({"text": alert.text()}).to_string(),
        };
        let egress = self.way(config, address)?.clone();
        let mut pause = PAUSE;
        for tried in 1.. {
            let headers = headers(&body, &alert.name, said.secret.as_ref().map(|secret| secret.expose()));
            match egress.post(&self.upstream, &address.url, (headers, Bytes::from(body.clone()))).await {
                Ok(()) => return Ok(()),
                Err(error) if tried >= said.max_attempts || !may_pass(&error) => return Err(error.into()),
                Err(_) => tokio::time::sleep(pause + pause.mul_f64(fastrand::f64() / 4.0)).await,
            }
            pause *= 2;
        }
        Ok(())
    }

    fn way(&mut self, config: &Config, address: &Address) -> Result<&Egress, Untold> {
        let said = &config.switchboard.alerts;
        let origin = Origin::of(&address.url).map_err(|_| Untold::Address)?;
        let policy = Policy { time: said.timeout, bytes: ANSWER, internal: said.private_hosts.clone(), ..Policy::default() };
        let (key, policy) = match address.trusted {
            false => (None, policy),
            true => {
                let internal = vec![origin.host().to_owned()];
                (Some(origin.to_string()), Policy { ports: vec![origin.port()], plain: !origin.is_secure(), internal, ..policy })
            }
        };
        if self.ways.get(&key).is_none_or(|known| *known.policy() != policy) {
            self.ways.insert(key.clone(), Egress::new(policy));
        }
        self.ways.get(&key).ok_or(Untold::Address)
    }
}

/// Whether the same may succeed in a moment.
fn may_pass(error: &EgressError) -> bool {
    match error {
        EgressError::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
        EgressError::Unreachable(_) => true,
        EgressError::Url(_) | EgressError::NotPublic | EgressError::NotAllowed | EgressError::TooLarge => false,
    }
}

/// When it was sent, and the proof of it: HMAC-SHA-256 of time, dot and body.
fn headers(body: &str, name: &str, secret: Option<&str>) -> HeaderMap {
    let at = crate::clock::unix_seconds();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(TIMESTAMP, HeaderValue::from(at));
    // Who is told twice can tell.
    let id = hex(&crate::digest::sha256(name.as_bytes()));
    headers.extend(HeaderValue::try_from(id).map(|id| (ID, id)));
    if let Some(secret) = secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let proof = hex(hmac::sign(&key, format!("{at}.{body}").as_bytes()).as_ref());
        headers.extend(HeaderValue::try_from(format!("t={at},v1={proof}")).map(|value| (SIGNATURE, value)));
    }
    headers
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
