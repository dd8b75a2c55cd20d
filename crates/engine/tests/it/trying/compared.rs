//! Answers that are compared with those of copies: however they came about, what their callers got is what is compared.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_engine::deployment::Shadow;
use switchboard_engine::experiment::{Job, Mirror};
use switchboard_engine::route::Names;
use switchboard_engine::settings::{Service, Settings};
use switchboard_wire::Dialect;

use super::{numbered, serve};
use crate::exchange::rig::{Rig, ask};
use crate::exchange::upstream::{Act, Scripted, cut, stream};
use crate::exchange::words::{content, opening, streamed, text_of_stream};

const CHAT: Dialect = Dialect::OpenAiChat;

/// Keeps the copies.
#[derive(Default)]
struct Copies(Mutex<Vec<Job>>);

impl Mirror for Copies {
    fn reflect(&self, job: Job) {
        self.0.lock().unwrap().push(job);
    }
}

/// A gateway whose first deployment has a shadow with a judge.
async fn compared(acts: [Act; 2], settings: Settings) -> (Arc<Rig>, Arc<Copies>, [Scripted; 2]) {
    let [first, second] = acts;
    let upstreams = [Scripted::start(vec![first]).await, Scripted::start(vec![second]).await];
    let mut specs = vec![numbered(0, CHAT, &upstreams[0]), numbered(1, CHAT, &upstreams[1])];
    specs[0].shadows = vec![Arc::new(Shadow { judge: Some("judge".to_owned()), ..Shadow::silent("quiet") })];
    let rig = Arc::new(Rig::trying(specs, Names::default(), settings));
    let copies = Arc::new(Copies::default());
    rig.gateway.reflect_to(copies.clone());
    (rig, copies, upstreams)
}

/// What the judge would be shown of the caller's answer.
async fn heard(copies: &Copies) -> Option<String> {
    let jobs = std::mem::take(&mut *copies.0.lock().unwrap());
    assert_eq!(jobs.len(), 1, "one request, one copy");
    let kept = jobs.into_iter().next().unwrap().answer.unwrap();
    kept.await.ok()?.text()
}

#[tokio::test]
async fn answers_begun_early_are_compared() {
    let slow = Act::After(Duration::from_millis(200), Box::new(stream(&streamed(CHAT))));
    let settings = Settings { early_headers_after: Some(Duration::from_millis(30)), ..Settings::default() };
    let (rig, copies, _upstreams) = compared([slow, Act::Hold], settings).await;
    let told = serve(&rig, &ask(CHAT, true)).await;
    assert_eq!(told.header("x-switchboard-early-headers"), Some("1"));
    assert_eq!(heard(&copies).await.as_deref(), Some("Hello there"));
}

#[tokio::test]
async fn answers_that_another_provider_went_on_with_are_compared() {
    let broken = cut(&format!("{}{}", opening(CHAT), content(CHAT, "Well. ")));
    let settings = Settings { continue_streams: true, ..Settings::default() };
    let (rig, copies, _upstreams) = compared([broken, stream(&streamed(CHAT))], settings).await;
    let told = serve(&rig, &ask(CHAT, true)).await;
    let said = text_of_stream(CHAT, &told.body);
    assert_eq!(heard(&copies).await, Some(said));
}

#[tokio::test]
async fn an_answer_that_several_share_is_compared_once() {
    let slow = Act::After(Duration::from_millis(150), Box::new(stream(&streamed(CHAT))));
    let service = Service { coalesce: true, ..Service::default() };
    let (rig, copies, upstreams) = compared([slow, Act::Hold], Settings { service, ..Settings::default() }).await;
    let request = ask(CHAT, true);
    let (one, other) = tokio::join!(serve(&rig, &request), serve(&rig, &request));
    assert_eq!((text_of_stream(CHAT, &one.body), upstreams[0].requests().len()), (text_of_stream(CHAT, &other.body), 1));
    assert_eq!(heard(&copies).await.as_deref(), Some("Hello there"));
}
