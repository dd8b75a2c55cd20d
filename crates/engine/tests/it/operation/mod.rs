//! Operations that are no chat, through the gateway, against a scripted provider on loopback.

mod counting;
mod embedding;
mod passing;
mod reranking;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::Value;
use switchboard_engine::admit::Admission;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::{Auth, Catalog};
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::error::Error;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::meter::{Record, Recorder};
use switchboard_engine::route::{Fleet, Names};
use switchboard_engine::settings::Settings;
use switchboard_engine::sign::{Auth as Signed, Signer};
use switchboard_engine::upstream::{Origin, Timeouts};
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::{Dialect, Operation};
use tokio::io::AsyncWriteExt;

use crate::upstream::server::{Server, read_request};
use crate::upstream::{client, soon};

/// What the provider saw: path and body.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// What the meter wrote down.
#[derive(Default)]
struct Records(Mutex<Vec<Record>>);

impl Recorder for Records {
    fn record(&self, record: Box<Record>) {
        self.0.lock().unwrap().push(*record);
    }
}

/// A gateway with one deployment, and the provider behind it.
struct Rig {
    _server: Server,
    seen: Seen,
    records: Arc<Records>,
    gateway: Gateway,
    worker: Worker,
}

/// What a client got.
#[derive(Debug)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Rig {
    /// A provider that answers every body with what `reply` makes of its path and text: status line, content type, body.
    async fn new(provider: &str, model: &str, reply: fn(&str, &str) -> (u16, &'static str, Vec<u8>)) -> Self {
        let seen = Seen::default();
        let log = seen.clone();
        let server = Server::start(move |mut stream, _| {
            let log = log.clone();
            async move {
                let Some((head, body)) = read_request(&mut stream).await else { return };
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let (status, kind, answer) = reply(&path, std::str::from_utf8(&body).unwrap_or_default());
                log.lock().unwrap().push((path, body));
                let length = answer.len();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        let spec = Spec {
            id: "id".to_owned(),
            group: "public".to_owned(),
            provider: provider.to_owned(),
            model: model.to_owned(),
            base: Some(format!("http://{}", server.address)),
            ..Spec::default()
        };
        let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), Signed::None)));
        let deployment = Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).unwrap();
        let records = Arc::new(Records::default());
        let fleet = Fleet::new(vec![deployment], Names::default(), Box::new(|_, _| None));
        let gateway = Gateway::new(fleet, Admission::new(16), records.clone(), Settings::default());
        let worker = Worker { upstream: client(), timeouts: Timeouts::default() };
        Self { _server: server, seen, records, gateway, worker }
    }

    async fn call(&self, call: Call) -> Result<Got, Error> {
        let answer = soon(self.gateway.call(&call, &self.worker)).await?;
        let body = soon(answer.body.collect()).await.unwrap().to_bytes();
        Ok(Got { headers: answer.headers, body })
    }

    async fn ask(&self, operation: Operation, body: &Value) -> Result<Got, Error> {
        self.call(call(operation, body)).await
    }

    fn sent(&self) -> Vec<(String, Value)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(path, body)| (path.clone(), serde_json::from_slice(body).unwrap())).collect()
    }

    fn record(&self) -> Record {
        let records = self.records.0.lock().unwrap();
        assert_eq!(records.len(), 1, "one call, one record");
        records[0].clone()
    }
}

/// A client's call of the model `public`, in OpenAI's form where there is a choice.
fn call(operation: Operation, body: &Value) -> Call {
    let body = Frames::from(body.to_string().into_bytes());
    let content = Content::Json(Outline::scan(&body).unwrap());
    let dialect = if operation == Operation::CountTokens { Dialect::Anthropic } else { Dialect::OpenAiChat };
    let shape = if operation == Operation::Rerank { "cohere" } else { "openai" };
    Call {
        id: "call-1".to_owned(),
        door: Door { operation, dialect, flavor: Flavor::OpenAi, shape, array: false },
        principal: Arc::default(),
        model: "public".to_owned(),
        model_in_path: false,
        stream: false,
        headers: HeaderMap::new(),
        body,
        content,
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 0,
        mentioned: Default::default(),
        laid: Default::default(),
    }
}
