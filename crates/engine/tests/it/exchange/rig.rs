//! A gateway in-process: scripted providers on one side, calls on the other, records in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use switchboard_engine::admit::Admission;
use switchboard_engine::answer::Answer;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::Catalog;
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::error::Error;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::meter::{Record, Recorder};
use switchboard_engine::principal::Principal;
use switchboard_engine::route::{Fleet, Names};
use switchboard_engine::settings;
use switchboard_engine::shelf::Archive;
use switchboard_engine::sign::{self, Secret, Signer};
use switchboard_engine::upstream::{Settings, Timeouts, Upstream};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;
use switchboard_wire::{Dialect, Operation};

use super::upstream::Scripted;

/// The gateway's credential for every scripted provider.
pub(crate) const KEY: &str = "canary-key-7f3a91";
/// What the client says.
pub(crate) const PROMPT: &str = "canary prompt 51c0";

/// Keeps records.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<Record>>);

impl Recorder for Memory {
    fn record(&self, record: Box<Record>) {
        self.0.lock().unwrap().push(*record);
    }
}

/// Deadlines that a test that waits for none of them never meets.
pub(crate) const PATIENT: Timeouts =
    Timeouts { connect: Duration::from_secs(20), first_byte: Duration::from_secs(60), idle: Duration::from_secs(60), total: None };

/// The gateway under test.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) worker: Worker,
    records: Arc<Memory>,
}

impl Rig {
    pub(crate) fn new(specs: Vec<Spec>) -> Self {
        Self::with(specs, Names::default(), PATIENT)
    }

    pub(crate) fn with(specs: Vec<Spec>, names: Names, timeouts: Timeouts) -> Self {
        Self::of(specs, names, (timeouts, 8, settings::Settings::default()))
    }

    /// One for many calls at a time.
    pub(crate) fn busy(specs: Vec<Spec>, names: Names, timeouts: Timeouts) -> Self {
        Self::of(specs, names, (timeouts, 1024, settings::Settings::default()))
    }

    /// One that tries calls as those settings say.
    pub(crate) fn trying(specs: Vec<Spec>, names: Names, settings: settings::Settings) -> Self {
        Self::of(specs, names, (PATIENT, 8, settings))
    }

    fn of(specs: Vec<Spec>, names: Names, (timeouts, bound, settings): (Timeouts, usize, settings::Settings)) -> Self {
        let records: Arc<Memory> = Arc::default();
        let deployments = specs.into_iter().map(build).collect();
        let fleet = Fleet::new(deployments, names, Box::new(|_, _| None));
        let gateway = Gateway::new(fleet, Admission::new(bound), records.clone(), settings);
        Self { gateway, worker: Worker { upstream: Upstream::new(Settings::default()), timeouts }, records }
    }

    /// The only record there is.
    pub(crate) fn record(&self) -> Record {
        let records = self.records.0.lock().unwrap();
        assert_eq!(records.len(), 1, "one record for one call: {records:#?}");
        assert_eq!(self.gateway.in_flight(), 0, "the permit is given back");
        let shown = format!("{:?}", records[0]);
        assert!(!shown.contains(PROMPT), "{shown}");
        assert!(!records[0].error.as_deref().unwrap_or_default().contains(KEY), "{shown}");
        records[0].clone()
    }

    /// Every record.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.0.lock().unwrap().clone()
    }

    /// Keeps answers there too.
    pub(crate) fn archive(&mut self, archive: Arc<dyn Archive>) {
        let empty = Gateway::new(
            Fleet::new(Vec::new(), Names::default(), Box::new(|_, _| None)),
            Admission::new(0),
            self.records.clone(),
            settings::Settings::default(),
        );
        self.gateway = std::mem::replace(&mut self.gateway, empty).with_archive(Some(archive));
    }

    /// The deployment of that id.
    pub(crate) fn deployment(&self, id: &str) -> Arc<Deployment> {
        self.gateway.fleet().deployments().find(|deployment| deployment.spec.id == id).unwrap().clone()
    }

    pub(crate) fn has_no_record(&self) -> bool {
        self.records.0.lock().unwrap().is_empty()
    }

    /// Takes the call and reads the answer to its end.
    pub(crate) async fn ask(&self, call: &Call) -> Told {
        told(call, self.gateway.call(call, &self.worker).await).await
    }

    /// Takes the call up to the answer's head.
    pub(crate) async fn open(&self, call: &Call) -> Answer {
        self.gateway.call(call, &self.worker).await.unwrap()
    }
}

/// What the client got.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Told {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts that the body holds these.
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.body.contains(part), "`{part}` is not in {self:?}");
        }
        assert!(!self.body.contains(KEY), "{self:?}");
        self
    }
}

pub(crate) async fn told(call: &Call, answered: Result<Answer, Error>) -> Told {
    match answered {
        Ok(answer) => {
            let (status, headers) = (answer.status.as_u16(), answer.headers);
            let body = answer.body.collect().await.unwrap().to_bytes();
            Told { status, headers, body: String::from_utf8(body.to_vec()).unwrap(), retry_after: None }
        }
        Err(error) => {
            let (status, body) = refuse(call, &error);
            let retry_after = error.problem.retry_after;
            Told { status: status.as_u16(), headers: HeaderMap::new(), body: String::from_utf8(body.to_vec()).unwrap(), retry_after }
        }
    }
}

/// As the server tells it.
fn refuse(call: &Call, error: &Error) -> (StatusCode, Bytes) {
    match &error.verbatim {
        Some(verbatim) => (error.problem.status(), verbatim.clone()),
        None => {
            let (status, body) = call.door.dialect.inbound().unwrap().write_problem(&error.problem, call.door.flavor);
            (status, body.into())
        }
    }
}

/// A deployment of the group `m` that speaks that dialect, at that provider.
pub(crate) fn spec(dialect: Dialect, at: &Scripted) -> Spec {
    at_address(dialect, &at.address().to_string())
}

pub(crate) fn at_address(dialect: Dialect, address: &str) -> Spec {
    let (provider, model, path) = match dialect {
        Dialect::Anthropic => ("anthropic", "claude-haiku-4-5", ""),
        Dialect::Gemini => ("gemini", "gemini-2.5-pro", "/v1beta"),
        Dialect::OpenAiResponses => ("openai", "o1-pro", "/v1"),
        Dialect::Bedrock => ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", ""),
        _ => ("baseten", "some-model", "/v1"),
    };
    Spec {
        id: format!("at-{provider}"),
        group: "m".to_owned(),
        provider: provider.to_owned(),
        model: model.to_owned(),
        base: Some(format!("http://{address}{path}")),
        secrets: vec![Secret::from(KEY)],
        ..Spec::default()
    }
}

/// The deployment of that specification.
pub(crate) fn build(spec: Spec) -> Deployment {
    let values: BTreeMap<String, String> = spec.values.clone();
    let signer = |_: &switchboard_engine::catalog::Auth, origin: &switchboard_engine::upstream::Origin| {
        let auth = sign::Auth::bearer(&Secret::from(KEY)).map_err(|error| error.to_string())?;
        Ok(Arc::new(Signer::new(origin.clone(), auth)))
    };
    Deployment::build(spec, Catalog::embedded(), &|name| values.get(name).cloned(), &signer).unwrap()
}

/// The doors of clients.
pub(crate) fn door(dialect: Dialect) -> Door {
    let shape = if dialect == Dialect::Gemini { "gemini" } else { "openai" };
    Door { operation: Operation::Chat, dialect, flavor: Flavor::OpenAi, shape, array: false }
}

/// The least a client of that dialect says.
pub(crate) fn ask(dialect: Dialect, stream: bool) -> Call {
    let body = match dialect {
        Dialect::Anthropic => {
            format!(r#"{{"model":"m","max_tokens":9,"stream":{stream},"messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#)
        }
        Dialect::Gemini => format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"{PROMPT}"}}]}}]}}"#),
        Dialect::OpenAiResponses => format!(r#"{{"model":"m","stream":{stream},"input":"{PROMPT}"}}"#),
        _ => format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#),
    };
    call(dialect, stream, &body)
}

/// A call with that body.
pub(crate) fn call(dialect: Dialect, stream: bool, body: &str) -> Call {
    let body = Frames::from(body.as_bytes().to_vec());
    Call {
        id: "call-1".to_owned(),
        door: door(dialect),
        principal: Arc::new(Principal::named("key-1")),
        model: "m".to_owned(),
        model_in_path: dialect == Dialect::Gemini,
        stream,
        headers: HeaderMap::new(),
        content: Content::Json(Outline::scan(&body).unwrap()),
        body,
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 1_700_000_000,
        mentioned: Default::default(),
        laid: Default::default(),
    }
}
