//! Media that a request names by URL, brought for targets that take only bytes.
//!
//! A caller does not know where a request will go, and some providers look up URLs while others do not. A target that does is left to
//! it: nothing is fetched for it. For the others the gateway fetches, once for all targets of a call, through [`crate::egress`], and
//! within bounds of number, size, time and of what all calls together may hold. What comes must be what the request says it is: a
//! page that says "not found" is no image.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem::Finder;
use switchboard_wire::chat as wire;
use switchboard_wire::chat::{ChatRequest, MediaSource};
use switchboard_wire::media::{Medium, Taker, each_wanted, type_of};
use switchboard_wire::prepare;
use switchboard_wire::problem::{Kind, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::abreast;
use crate::call::Call;
use crate::egress::{Egress, EgressError, Fetched, Policy};
use crate::error::{Error, Retry};
use crate::health::Failure;
use crate::worker::Worker;

/// How many of a call's media are fetched side by side.
const AT_ONCE: usize = 4;
/// What the bytes of all calls are counted in.
const UNIT: u64 = 1024;

/// What a request with a web address holds, however its slashes are written.
static WEB: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"http"));

/// How media are fetched.
#[derive(Clone, Debug)]
pub struct Media {
    egress: Egress,
    most: usize,
    room: Arc<Semaphore>,
    in_flight: u64,
}

impl PartialEq for Media {
    fn eq(&self, other: &Self) -> bool {
        (&self.egress, self.most, self.in_flight) == (&other.egress, other.most, other.in_flight)
    }
}

/// Shows each medium of a request that its target wants as bytes.
pub(crate) type Visit<'a> = &'a mut (dyn FnMut(&mut dyn FnMut(Medium, &mut wire::Media)) + Send);

/// What was brought for the call already, and how long it may still take.
pub(crate) type Room<'a> = (&'a Brought, Option<Duration>);

/// What was brought for one call: every URL at most once. Its bytes count until the call has ended.
#[derive(Debug, Default)]
pub struct Brought(Mutex<Vec<(String, Arc<Held>)>>);

#[derive(Debug)]
struct Held {
    fetched: Fetched,
    _room: OwnedSemaphorePermit,
}

/// A medium that is wanted: what it is to be, where it is, and its type as the caller tells it.
#[derive(Debug)]
struct Wanted {
    medium: Medium,
    url: String,
}

impl Media {
    /// Under that policy; at most so many for one call, and at most so many bytes for all calls together.
    pub fn new(policy: Policy, most: usize, in_flight: u64) -> Self {
        let room = usize::try_from(in_flight / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { egress: Egress::new(policy), most, room: Arc::new(Semaphore::new(room)), in_flight }
    }

    /// The request with all bytes that the target wants. `None`: it wants none, or what was sent is no request.
    pub(crate) async fn bring(
        &self,
        call: &Call,
        worker: &Worker,
        target: Taker<'_>,
        room: Room<'_>,
    ) -> Result<Option<ChatRequest>, Error> {
        if !call.body.has(&WEB) {
            return Ok(None);
        }
        let Ok(mut request) = prepare::read(call.door.dialect, &call.head(), &call.body) else { return Ok(None) };
        let brought = self.bring_into(&mut |each| each_wanted(&mut request, target, each), worker, room).await?;
        Ok(brought.then_some(request))
    }

    /// Puts the bytes of all media where they stand that `visit` shows. Says whether there are any.
    pub(crate) async fn bring_into(&self, visit: Visit<'_>, worker: &Worker, (brought, left): Room<'_>) -> Result<bool, Error> {
        let mut wanted: Vec<Wanted> = Vec::new();
        visit(&mut |medium, media| {
            if let MediaSource::Url(url) = &media.source
                && !wanted.iter().any(|known| known.url == *url)
            {
                wanted.push(Wanted { medium, url: url.clone() });
            }
        });
        if wanted.is_empty() {
            return Ok(false);
        }
        if wanted.len() > self.most {
            let message = format!("this request names {} media at URLs; at most {} are fetched for it", wanted.len(), self.most);
            return Err(refusal(Problem::new(Kind::BadRequest, message).with_code("too_many_media")));
        }
        wanted.retain(|wanted| brought.of(&wanted.url).is_none());
        let each = wanted.iter().map(|wanted| -> abreast::Boxed<'_, Result<(), Error>> {
            Box::pin(async move {
                let held = self.fetch(worker, wanted, left).await?;
                brought.known().push((wanted.url.clone(), Arc::new(held)));
                Ok(())
            })
        });
        abreast::all(each, AT_ONCE).await?;
        insert(visit, brought)?;
        Ok(true)
    }

    async fn fetch(&self, worker: &Worker, wanted: &Wanted, left: Option<Duration>) -> Result<Held, Error> {
        let policy = self.egress.policy();
        let time = left.map_or(policy.time, |left| left.min(policy.time));
        // As many as it may become, and afterwards as many as it is.
        let most = u32::try_from(policy.bytes.min(self.in_flight) / UNIT).unwrap_or(u32::MAX);
        let room = tokio::time::timeout(time, self.room.clone().acquire_many_owned(most)).await;
        let Ok(Ok(mut room)) = room else {
            let message = "too many media are being fetched at the moment";
            return Err(refusal(Problem::new(Kind::Overloaded, message)));
        };
        let got = tokio::time::timeout(time, self.egress.get(&worker.upstream, &wanted.url)).await;
        let fetched = match got {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(error)) => return Err(unfetched(wanted, &error)),
            Err(_) => return Err(untimely(wanted)),
        };
        let size = usize::try_from((fetched.body.len() as u64).div_ceil(UNIT)).unwrap_or(usize::MAX);
        drop(room.split(room.num_permits().saturating_sub(size)));
        Ok(Held { fetched, _room: room })
    }
}

impl Brought {
    fn known(&self) -> std::sync::MutexGuard<'_, Vec<(String, Arc<Held>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, url: &str) -> Option<Arc<Held>> {
        self.known().iter().find(|(known, _)| known == url).map(|(_, held)| held.clone())
    }
}

/// Puts what was brought where its URLs stand.
fn insert(visit: Visit<'_>, brought: &Brought) -> Result<(), Error> {
    let mut failed = None;
    visit(&mut |medium, media| {
        let MediaSource::Url(url) = &media.source else { return };
        let Some(held) = brought.of(url) else { return };
        let served = held.fetched.content_type.as_ref().and_then(|kind| kind.to_str().ok());
        match type_of(medium, &held.fetched.body, media.media_type.as_deref(), served) {
            Ok(kind) => {
                media.media_type = Some(kind);
                media.source = MediaSource::Base64(STANDARD.encode(&held.fetched.body));
            }
            Err(kind) => {
                let wanted = Wanted { medium, url: url.clone() };
                failed.get_or_insert(told(&wanted, &format!("what the URL leads to is {kind}")));
            }
        }
    });
    failed.map_or(Ok(()), |problem| Err(refusal(problem)))
}

fn unfetched(wanted: &Wanted, error: &EgressError) -> Error {
    refusal(told(wanted, &error.to_string()))
}

fn untimely(wanted: &Wanted) -> Error {
    refusal(told(wanted, "the URL did not answer in time"))
}

/// What the caller is told. Of the URL it gets the host: a path or a query may be a credential, and messages are logged.
fn told(wanted: &Wanted, why: &str) -> Problem {
    let medium = wanted.medium.as_str();
    let rest = wanted.url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host: String = authority.rsplit('@').next().unwrap_or_default().chars().take(100).collect();
    let message = format!("the {medium} at `{host}`, which this model's provider takes only as bytes, could not be fetched: {why}");
    let code = if wanted.medium == Medium::Image { "invalid_image_url" } else { "invalid_media_url" };
    Problem::new(Kind::BadRequest, message).with_param("messages").with_code(code)
}

/// Another target may look up the URL itself.
fn refusal(problem: Problem) -> Error {
    Error { retry: Retry::Next, ..problem.into() }.of(Failure::Unsupported)
}
