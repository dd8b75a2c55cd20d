//! One call to one target: its body, its headers, its deadlines, and the sending.

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::loss::Why;
use switchboard_wire::openai_responses::MIN_OUTPUT_TOKENS;
use switchboard_wire::outline::Edits;
use switchboard_wire::prepare::{self, Prepared, Source};
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};

use crate::admit::cap_key;
use crate::asked::Asked;
use crate::call::{Call, Content};
use crate::declined;
use crate::deployment::{Deployment, JSON, Reach};
use crate::error::{Error, Retry};
use crate::health::Failure;
use crate::marking;
use crate::meter::Meter;
use crate::newer;
use crate::online;
use crate::openrouter;
use crate::own::OwnKey;
use crate::patience;
use crate::repair::Repairs;
use crate::route::Overrides;
use crate::settings::Settings;
use crate::strict;
use crate::thoughts;
use crate::upstream::{Caps, Timeouts, UpstreamReply, UpstreamRequest};
use crate::worded;
use crate::worker::Worker;

/// The Responses API's bound on an answer.
const LIMIT: &str = "max_output_tokens";

/// One call on its way to one target.
#[derive(Clone, Copy)]
pub(crate) struct Dispatch<'a> {
    /// The call.
    pub(crate) call: &'a Call,
    /// The worker it runs on.
    pub(crate) worker: &'a Worker,
    /// What the caller asks of the way it is tried.
    pub(crate) asked: &'a Asked,
    /// How the operator wants it to be tried.
    pub(crate) settings: &'a Settings,
    /// What this target changes.
    pub(crate) overrides: Option<&'a Overrides>,
    /// The caller's own key for this target.
    pub(crate) own: Option<&'a OwnKey>,
    /// Whether another model answers than the one asked for, which the answer then says.
    pub(crate) other_model: bool,
    /// Whether another account answers than the one that was asked first: what that one has sealed is nothing there.
    pub(crate) estranged: bool,
}

impl Dispatch<'_> {
    /// The model as an answer of that target names it: as it was asked for; where another one answers, as callers may ask for that.
    pub(crate) fn model<'a>(&'a self, target: &'a Deployment) -> &'a str {
        match (self.other_model, self.call.door.flavor) {
            (false, _) => &self.call.model,
            (true, Flavor::OpenRouter) => target.listed_name(),
            (true, _) => &target.spec.group,
        }
    }

    /// How the target is spoken to.
    pub(crate) fn choose<'t>(&self, target: &'t Deployment) -> Result<(Dialect, &'t Reach), Error> {
        let operation = self.call.door.operation;
        let spoken = target.dialect_for(self.call.door.dialect);
        // Where a provider has both, models that search do so in the newer form, and all where the operator wants it. Another gateway
        // gets the words for a search as they are.
        let newer = spoken == Some(Dialect::OpenAiChat)
            && (target.spec.newer_form || !target.gateway && online::is_wanted(self.call) || newer::is_needed(self.call, target));
        let spoken = target.chat.iter().copied().find(|dialect| newer && *dialect == Dialect::OpenAiResponses).or(spoken);
        let reach = spoken.and_then(|spoken| target.reach(operation, Some(spoken), self.call.stream));
        match (spoken, reach) {
            (Some(spoken), Some(reach)) => Ok((spoken, reach)),
            _ => {
                let error = Error::not_served(&self.call.model, operation.as_str());
                Err(Error { retry: Retry::Next, ..error }.of(Failure::Unsupported))
            }
        }
    }

    /// The request as the target wants it.
    pub(crate) fn prepare(&self, target: &Deployment, (spoken, reach): (Dialect, &Reach), cap: Option<u64>) -> Result<Prepared, Error> {
        if let Some(call) = worded::of(self.call, spoken, reach)? {
            return Dispatch { call: &call, ..*self }.prepare_worded(target, (spoken, reach), cap);
        }
        self.prepare_worded(target, (spoken, reach), cap)
    }

    fn prepare_worded(&self, target: &Deployment, (spoken, reach): (Dialect, &Reach), cap: Option<u64>) -> Result<Prepared, Error> {
        match marking::marked(self.call, target, spoken)? {
            Some(call) => Dispatch { call: &call, ..*self }.prepare_marked(target, (spoken, reach), cap),
            None => self.prepare_marked(target, (spoken, reach), cap),
        }
    }

    fn prepare_marked(&self, target: &Deployment, (spoken, reach): (Dialect, &Reach), cap: Option<u64>) -> Result<Prepared, Error> {
        let Content::Json(outline) = &self.call.content else {
            return Err(Problem::new(Kind::BadRequest, "the request's body must be JSON").into());
        };
        let repairs = self.settings.repairs;
        if repairs == Repairs::default() {
            return self.prepare_from(target, (spoken, reach), cap, &Source::Bytes(&self.call.body, outline));
        }
        let cap = cap.into_iter().chain(repairs.cap(self.call, target)).min();
        match repairs.of(self.call, spoken).map_err(untaken)? {
            Some(request) => self.prepare_from(target, (spoken, reach), cap, &Source::Rewritten(&request)),
            None => self.prepare_from(target, (spoken, reach), cap, &Source::Bytes(&self.call.body, outline)),
        }
    }

    /// The same from that source.
    pub(crate) fn prepare_from(
        &self,
        target: &Deployment,
        (spoken, reach): (Dialect, &Reach),
        cap: Option<u64>,
        source: &Source<'_>,
    ) -> Result<Prepared, Error> {
        let call = self.call;
        let mut edits = reach.edits.clone();
        self.edit(&mut edits, target, spoken, reach);
        if let (Some(cap), Some(key)) = (cap, cap_key(spoken, target.profile.max_completion_tokens == Some(true))) {
            key.set(cap, &mut edits);
        }
        let laid = self.laid(target);
        let route = prepare::Route {
            from: call.door.dialect,
            to: spoken,
            profile: &target.profile,
            edits: &edits,
            laid: &laid,
            fitted: openrouter::is_fitted(call, target),
            lenient: strict::is_lenient(call, target),
        };
        let mut prepared = prepare::prepare(&route, &call.head(), source).map_err(untaken)?;
        if self.raised(spoken) {
            prepared.losses.add(LIMIT, Why::Clamped);
        }
        if declined::is_providers(call) && !declined::goes_to(call, target, spoken) {
            prepared.losses.dropped(declined::FIELD);
        }
        if self.estranged && spoken == Dialect::OpenAiResponses {
            thoughts::unseal(&mut prepared).map_err(untaken)?;
        }
        if let Some(problem) = strict::refusal(call, &target.spec.model, &prepared.losses) {
            return Err(untaken(problem));
        }
        Ok(prepared)
    }

    /// Adds to the row's edits what this call needs: the model's name, usage in streams, nothing meant for the gateway alone.
    fn edit(&self, edits: &mut Edits, target: &Deployment, spoken: Dialect, reach: &Reach) {
        let call = self.call;
        let Some(outbound) = spoken.outbound() else { return };
        if let Some(key) = outbound.model_key()
            && !edits.remove.iter().any(|removed| removed == key)
            && (call.model != reach.model || spoken != call.door.dialect || call.model_in_path)
        {
            edits.set.push((key.to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
        }
        if let Some(overrides) = self.overrides {
            edits.set.extend(overrides.params.iter().cloned());
        }
        let Content::Json(outline) = &call.content else { return };
        worded::lay(edits, call, spoken);
        if self.raised(spoken) {
            edits.set.push((LIMIT.to_owned(), MIN_OUTPUT_TOKENS.to_string()));
        }
        edits.lose.extend(strict::untaken(call, target, (spoken, outline)));
        edits.lose.retain(|key| !self.wishes(target).any(|wish| wish == key));
        if spoken == call.door.dialect {
            let goes_on = |key: &str| key == declined::FIELD && declined::goes_to(call, target, spoken);
            let known = outline.entries().iter().filter(|entry| target.is_kept_from(spoken, &entry.key) && !goes_on(&entry.key));
            edits.remove.extend(known.map(|entry| entry.key.clone().into_owned()));
            if call.stream && target.ask_usage {
                edits.set.extend(outbound.metering_edits(outline, &call.body).set);
            }
        }
    }

    /// The fields that the caller, or the operator, wants in the provider's own body as they are said.
    fn wishes<'f>(&'f self, target: &'f Deployment) -> impl Iterator<Item = &'f String> {
        self.call.laid.iter().chain(&target.spec.allowed)
    }

    /// What is so wanted of what the call says, but for what steers the gateway.
    pub(crate) fn laid(&self, target: &Deployment) -> Vec<(String, String)> {
        let (call, Content::Json(outline)) = (self.call, &self.call.content) else { return Vec::new() };
        let kept = self.wishes(target).filter(|key| !target.is_kept_from(call.door.dialect, key));
        let said = kept.filter_map(|key| {
            let value = outline.get(key)?.value;
            let json = String::from_utf8(call.body.slice(value.start, value.end).to_vec()).ok()?;
            Some((key.clone(), json))
        });
        said.collect()
    }

    /// Whether a request that passes as it came asks for less than the Responses API gives at least, which refuses that.
    fn raised(&self, spoken: Dialect) -> bool {
        let passes = spoken == Dialect::OpenAiResponses && self.call.door.dialect == spoken;
        passes && self.call.amount(LIMIT).is_some_and(|asked| (1..MIN_OUTPUT_TOKENS).contains(&asked))
    }

    /// Sends a body to a target.
    pub(crate) async fn send(
        &self,
        target: &Deployment,
        reach: &Reach,
        (body, needed, content_type): (Frames, Vec<(&'static str, String)>, &str),
        meter: Option<&mut Meter>,
    ) -> Result<UpstreamReply, Error> {
        crate::failpoint::hit("sending");
        // Where the credential is constant, so are all headers but what this call adds.
        let shared = self.own.is_none() && self.overrides.is_none_or(Overrides::leave_headers);
        let preset = reach.preset.as_ref().filter(|_| shared).cloned();
        let mut headers = if preset.is_some() { HeaderMap::new() } else { HeaderMap::clone(&reach.headers) };
        if content_type != JSON
            && let Ok(value) = HeaderValue::try_from(content_type)
        {
            headers.insert(CONTENT_TYPE, value);
        }
        crate::control::forward(&self.call.headers, reach, &mut headers);
        if let Some(forwarding) = &self.settings.forwarding {
            forwarding.add(self.call, (target, reach), &mut headers);
        }
        if reach.headers.contains_key(crate::hops::HOPS) {
            crate::hops::pass_on(&self.call.headers, &mut headers);
        }
        for (name, value) in needed {
            add(&mut headers, name, &value);
        }
        if let Some(overrides) = self.overrides {
            overrides.change(&mut headers);
        }
        let mut request = UpstreamRequest::new(Method::POST, reach.origin.clone(), reach.path.clone());
        request.headers = headers;
        request.body = body.into_parts();
        request.timeouts = self.timeouts(target);
        request.caps = match self.call.door.operation {
            _ if self.call.stream => Caps::STREAM,
            Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations => Caps::MEDIA,
            _ => Caps::WHOLE,
        };
        request.transport = target.spec.transport.clone();
        match (preset, self.own) {
            (_, Some(own)) => {
                let signed = own.sign(reach, &self.worker.upstream, &mut request).await;
                signed.map_err(|error| Error::credential(&target.provider_name, error))?;
            }
            (Some(preset), None) => request.preset = Some(preset),
            (None, None) => {
                let signed = reach.signer.sign(&self.worker.upstream, &mut request).await;
                signed.map_err(|error| Error::credential(&target.provider_name, error))?;
            }
        }
        let overhead = self.call.received.elapsed();
        if let Some(meter) = meter {
            meter.dispatch()?;
            meter.note(|record| {
                record.attempts += 1;
                record.overhead.get_or_insert(overhead);
            });
        }
        let failed = if self.call.principal.detour.is_some() { Error::dial_elsewhere } else { Error::dial };
        let reply = self.worker.upstream.send(request).await.map_err(failed)?;
        if self.own.is_none() {
            reach.signer.answered(reply.status);
        }
        Ok(reply)
    }

    /// The deadlines at that target.
    pub(crate) fn timeouts(&self, target: &Deployment) -> Timeouts {
        let own = self.overrides.and_then(|overrides| overrides.timeout);
        patience::of(self.worker.timeouts, self.call, self.asked, target, own)
    }
}

/// What one target cannot express another may.
fn untaken(problem: Problem) -> Error {
    let other = problem.kind == Kind::Unsupported;
    let retry = if other { Retry::Next } else { Retry::Never };
    let failure = if other { Failure::Unsupported } else { Failure::Own };
    Error { retry, ..problem.into() }.of(failure)
}

/// Adds a header, if its value can be one; takes it away where there is none.
pub(crate) fn add(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if value.is_empty() {
        headers.remove(name);
    } else if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
