//! What a call would send to a target, for those who ask to see it. Nothing is sent.

use bytes::Bytes;
use http::HeaderMap;

use crate::asked::Asked;
use crate::call::Call;
use crate::deployment::Deployment;
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::worker::Worker;

/// A request as a target would get it, but for the credential.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it would go.
    pub url: String,
    /// The headers that every request has there, and those this one needs.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Gateway {
    /// What that call would send to that target.
    pub fn sample(&self, call: &Call, target: &Deployment, worker: &Worker) -> Result<Sample, Error> {
        let (asked, settings) = (Asked::of(call), self.settings());
        let dispatch =
            Dispatch { call, worker, asked: &asked, settings: &settings, overrides: None, own: None, other_model: false, estranged: false };
        let (spoken, reach) = dispatch.choose(target)?;
        let prepared = dispatch.prepare(target, (spoken, reach), None)?;
        let mut headers = http::HeaderMap::clone(&reach.headers);
        headers.extend(
            prepared.headers.into_iter().filter_map(|(name, value)| Some((name.parse::<http::HeaderName>().ok()?, value.parse().ok()?))),
        );
        Ok(Sample { url: format!("{}{}", reach.origin, reach.path), headers, body: prepared.body.join() })
    }
}
