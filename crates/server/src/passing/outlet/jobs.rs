//! Jobs: requests that a provider answers later.
//!
//! What they may cost at most is held when a job is asked for, and stays charged until its provider tells what they took. Whoever asks
//! how a job stands, or for its answers, is told when it is charged by them: once, however often and by whom it is asked.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use switchboard_engine::admit::JobBound;
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::{Call, Content};
use switchboard_engine::catalog::{ASYNC, Catalog, JOB, Outlet};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::sign::Signer;
use switchboard_engine::upstream::UpstreamBody;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::job::{self, Answers, Asked, Request};
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::problem::{Kind, Problem};

use super::{Place, Way, draft, target};
use crate::answered::Answered;
use crate::app::Acceptor;
use crate::config::Config;
use crate::money::awaited::Awaited;
use crate::refusal::Refusal;

/// Longer lines, and longer answers that tell of jobs, are not read.
const LONGEST: usize = 64 << 20;
/// What stands below a job.
const RESULTS: &str = "results";
/// Where the part of a path begins that is the jobs'.
const BEGINNINGS: [&str; 3] = ["batch", "batches", "messages"];
/// What names a file of Gemini's.
const FILES: &str = "files/";
/// What of a query belongs to every request.
const VERSION: &str = "api-version";
/// Headers by which less of an answer would come.
const PARTIAL: [header::HeaderName; 6] =
    [header::RANGE, header::IF_RANGE, header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

/// What a request shows of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// How they stand.
    Jobs,
    /// The answers of this one.
    Answers(String),
}

/// What is shown at that path, if it is one of jobs.
pub(super) fn shown(outlet: &Outlet<'_>, method: &Method, rest: &str) -> Option<Shown> {
    let is_jobs = |path: &str| outlet.known(path).is_some_and(|known| known.shape == Some(JOB));
    if *method != Method::GET {
        return None;
    }
    let (before, last) = rest.rsplit_once('/')?;
    let of_one = || before.rsplit_once('/').filter(|(jobs, _)| last == RESULTS && is_jobs(jobs));
    match of_one() {
        Some((_, id)) => Some(Shown::Answers(crate::query::decode(id))),
        None => (is_jobs(rest) || is_jobs(before)).then_some(Shown::Jobs),
    }
}

/// Takes from the headers those by which not all of an answer would come.
pub(super) fn whole(headers: &mut HeaderMap) {
    for name in &PARTIAL {
        headers.remove(name);
    }
}

/// Where jobs are: a provider, and the way to it that a request has taken.
pub(super) struct Site<'a> {
    pub(super) acceptor: &'a Arc<Acceptor>,
    pub(super) outlet: &'a Outlet<'a>,
    pub(super) catalog: &'a Catalog,
    pub(super) config: &'a Config,
    pub(super) way: &'a Way,
    pub(super) parts: &'a Parts,
    pub(super) call: &'a Call,
    pub(super) team: Option<&'a str>,
    pub(super) place: &'a Place,
    /// What shows the gateway's credential; none where the caller shows one of its own.
    pub(super) signer: Option<Arc<Signer>>,
}

impl Site<'_> {
    /// What the requests of the job may cost that is asked for.
    pub(super) async fn asked(&self) -> Option<JobBound> {
        self.signer.as_ref()?;
        if self.call.door.shape == ASYNC {
            return Some(JobBound::unread());
        }
        if self.call.door.shape != JOB || self.parts.method != Method::POST {
            return None;
        }
        let Some(asked) = job::asked(&self.call.body.join()) else { return Some(JobBound::unread()) };
        let (mut job, mut targets) = (JobBound::default(), HashMap::new());
        if asked.is_more {
            job.lacks();
        }
        for request in &asked.requests {
            self.add((&mut job, &mut targets), request, &asked).await;
        }
        for file in &asked.files {
            if let Err(why) = self.add_file((&mut job, &mut targets), file, &asked).await {
                tracing::warn!(why, file, "the requests of a job cannot be read");
                job.lacks();
            }
        }
        Some(job)
    }

    async fn add_file(&self, (job, targets): Held<'_>, file: &str, asked: &Asked) -> Result<(), &'static str> {
        let mut lines = self.lines(&self.file(file).ok_or("its file has an odd name")?).await?;
        while let Some(line) = lines.next().await? {
            match job::request(&line) {
                Some(request) => self.add((&mut *job, &mut *targets), &request, asked).await,
                None => job.lacks(),
            }
        }
        Ok(())
    }

    async fn add(&self, (job, targets): Held<'_>, request: &Request, asked: &Asked) {
        let named = || Some(self.call.model.clone()).filter(|_| self.call.model_in_path);
        let model = request.model.clone().or_else(|| asked.model.clone()).or_else(named).unwrap_or_default();
        let Some(call) = self.within(request, asked, &model) else { return job.lacks() };
        let target = targets.entry(model).or_insert_with_key(|model| target(self.outlet, self.catalog, self.place, model));
        let tariffs = self.acceptor.app.books.prices.tariffs();
        job.add(&call, target, (tariffs, self.acceptor.app.book.now())).await;
    }

    /// A request of the job, as if it were made by itself; none where nobody here knows what it asks for.
    fn within(&self, request: &Request, asked: &Asked, model: &str) -> Option<Call> {
        let path = request.path.as_ref().or(asked.path.as_ref());
        let door = match path {
            Some(path) => draft::door(self.outlet.provider, Some(&self.outlet.known(path.trim_start_matches('/'))?)),
            None => draft::chat(self.outlet.provider)?,
        };
        let body = Frames::from(Bytes::from(request.body.clone()));
        let content = Content::Json(Outline::scan(&body).ok()?);
        let headers = HeaderMap::new();
        Some(Call { door, model: model.to_owned(), model_in_path: false, headers, ..self.bare(body, content) })
    }

    /// The call with another body.
    fn bare(&self, body: Frames, content: Content) -> Call {
        Call { body, content, mentioned: Default::default(), laid: Default::default(), ..self.call.clone() }
    }

    /// Charges the job by its answers, before they are shown.
    pub(super) async fn settle(&self, id: &str) {
        let below = Answers::Below(RESULTS);
        self.charge(&job::Job { id: id.to_owned(), model: None, answers: Some(below) }, &self.way.rest).await;
    }

    /// Charges the jobs that an answer tells of by their answers, before it is shown.
    pub(super) async fn tell(&self, answered: Answered) -> Result<Answered, Refusal> {
        if answered.status() != StatusCode::OK {
            return Ok(answered);
        }
        let (head, body) = answered.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|_| {
            let problem = Problem::new(Kind::Upstream, "the provider's answer broke off");
            Refusal { error: problem.into(), dialect: self.call.door.dialect, flavor: self.call.door.flavor }
        })?;
        let body = body.to_bytes();
        for job in job::jobs(&body).iter().filter(|job| job.answers.is_some()) {
            let is_list = !self.way.rest.ends_with(&job.id);
            let own = if is_list { format!("{}/{}", self.way.rest, job.id) } else { self.way.rest.clone() };
            self.charge(job, &format!("{own}/{RESULTS}")).await;
        }
        Ok(Answered::from_parts(head, AnswerBody::Whole(Some(body))))
    }

    async fn charge(&self, job: &job::Job, below: &str) {
        let (app, provider) = (&self.acceptor.app, &self.outlet.provider.id);
        let charged = async {
            let Some(mut awaited) = Awaited::of(app, (provider, &job.id), job.model.clone()).await.map_err(|error| error.to_string())?
            else {
                return Ok(());
            };
            match job.answers.as_ref() {
                None => return Ok(()),
                Some(Answers::Here(lines)) => lines.iter().for_each(|line| awaited.add(job::line(line.as_bytes()))),
                Some(Answers::Below(_)) => self.read(below, &mut awaited).await?,
                Some(Answers::Files(files)) => {
                    for file in files {
                        self.read(&self.file(file).ok_or("its file has an odd name")?, &mut awaited).await?;
                    }
                }
            }
            awaited.charge(app).await.map_err(|error| error.to_string())
        };
        let charged: Result<(), String> = charged.await;
        if let Err(error) = charged {
            tracing::warn!(%error, job = %job.id, "what a job took could not be charged");
        }
    }

    async fn read(&self, rest: &str, awaited: &mut Awaited) -> Result<(), &'static str> {
        let mut lines = self.lines(rest).await?;
        while let Some(line) = lines.next().await? {
            awaited.add(job::line(&line));
        }
        Ok(())
    }

    /// Where the content of a file is; none where it has the name of none.
    fn file(&self, id: &str) -> Option<String> {
        let of_google = id.strip_prefix(FILES);
        let is_plain = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_plain(of_google.unwrap_or(id)) {
            return None;
        }
        let mut parts = self.way.rest.split('/');
        if of_google.is_some() {
            return Some(format!("{}/{id}:download?alt=media", parts.next()?));
        }
        let before: Vec<&str> = parts.take_while(|part| !BEGINNINGS.contains(part)).collect();
        Some(before.into_iter().chain(["files", id, "content"]).collect::<Vec<_>>().join("/"))
    }

    /// The lines of what is there.
    async fn lines(&self, rest: &str) -> Result<Lines, &'static str> {
        let mut parts = self.parts.clone();
        parts.method = Method::GET;
        whole(&mut parts.headers);
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            parts.headers.remove(name);
        }
        let asked = crate::query::pairs(parts.uri.query().unwrap_or_default());
        let version = asked.into_iter().find(|(name, _)| name == VERSION);
        let query = version.map(|(name, value)| format!("?{name}={}", crate::query::encode(&value))).unwrap_or_default();
        parts.uri = Uri::try_from(format!("/{query}")).map_err(|_| "it cannot be asked for")?;
        let way = Way { name: self.way.name.clone(), rest: rest.to_owned() };
        let place = Place::of((self.outlet, self.catalog), &way, (&parts, self.config), self.team);
        let place = place.map_err(|_| "it is nowhere to be found")?;
        let nothing = Content::Form(String::new());
        let mut request = place.request(self.acceptor, (&parts, &self.bare(Frames::default(), nothing)), false);
        let upstream = &self.acceptor.worker.upstream;
        let signer = self.signer.as_ref().ok_or("there is no credential for it")?;
        signer.sign(upstream, &mut request).await.map_err(|_| "there is no credential for it")?;
        let reply = upstream.send(request).await.map_err(|_| "its provider cannot be reached")?;
        if reply.status != StatusCode::OK {
            return Err("its provider does not give it");
        }
        Ok(Lines { body: reply.body, read: BytesMut::new() })
    }
}

/// What is added to, and where requests of each model go.
type Held<'a> = (&'a mut JobBound, &'a mut HashMap<String, Deployment>);

/// A body, line by line.
struct Lines {
    body: UpstreamBody,
    read: BytesMut,
}

impl Lines {
    /// The next one that is not empty.
    async fn next(&mut self) -> Result<Option<Bytes>, &'static str> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read) {
                let line = self.read.split_to(end).freeze();
                self.read.advance(1);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.read.len() > LONGEST {
                return Err("a line of it is too long");
            }
            match self.body.frame().await {
                Some(Ok(frame)) => frame.into_data().iter().for_each(|piece| self.read.extend_from_slice(piece)),
                Some(Err(_)) => return Err("it broke off"),
                None if self.read.trim_ascii().is_empty() => return Ok(None),
                None => return Ok(Some(self.read.split().freeze())),
            }
        }
    }
}
