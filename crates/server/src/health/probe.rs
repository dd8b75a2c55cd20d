//! A short question to one deployment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde_json::{Value, json};
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::gateway::Worker;
use switchboard_engine::pattern::Wildcard;
use switchboard_engine::principal::Principal;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation};

use crate::app::App;
use crate::checks::Outcome;
use crate::clock::unix_seconds;
use crate::config::Config;
use crate::config::resolved::Deployment as Configured;

/// How long a deployment may take for its word.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens that are enough for a word.
const TOKENS: u32 = 16;
/// The voice that is asked for, where nobody names another.
const VOICE: &str = "alloy";
/// What parts a form.
const BOUNDARY: &str = "switchboard-health-check";

/// What is asked of a deployment.
pub(super) struct Probe {
    /// The deployment that is asked.
    pub(super) target: Arc<Deployment>,
    /// The deployment as configured: a pattern where the one that is asked was made for the question.
    pub(super) configured: Arc<Deployment>,
    operation: Operation,
    patience: Duration,
    max_tokens: u32,
    voice: String,
}

impl Probe {
    /// What to ask a deployment, by what it is for: by its configuration, else by its card, else whatever it serves. `None`: nothing
    /// that is cheap. An image is not, and is made only where this deployment was asked for (`wanted`).
    pub(super) fn of(deployment: &Arc<Deployment>, app: &App, config: &Config, wanted: bool) -> Option<Self> {
        let configured = config.deployments.iter().find(|configured| configured.model_info.id == deployment.spec.id);
        let target = if deployment.spec.group.contains('*') { stand_in(configured?, app)? } else { deployment.clone() };
        let mode = configured.and_then(|configured| configured.model_info.mode.as_deref());
        let mode = mode.or_else(|| target.card.as_ref()?.mode.as_deref());
        let operation = match mode {
            Some("chat" | "completion" | "responses") => Operation::Chat,
            Some("embedding") => Operation::Embeddings,
            Some("rerank") => Operation::Rerank,
            Some("moderation") => Operation::Moderations,
            Some("audio_speech") => Operation::Speech,
            Some("audio_transcription") => Operation::Transcriptions,
            Some("image_generation") if wanted => Operation::ImageGenerations,
            Some(_) => return None,
            None => [Operation::Chat, Operation::Embeddings, Operation::Rerank].into_iter().find(|operation| target.serves(*operation))?,
        };
        let check = configured.map(|configured| &configured.model_info.check);
        let probe = Self {
            operation,
            patience: check.and_then(|check| check.timeout).unwrap_or(PATIENCE),
            max_tokens: check.and_then(|check| check.max_tokens).unwrap_or(TOKENS),
            voice: check.and_then(|check| check.voice.clone()).unwrap_or_else(|| VOICE.to_owned()),
            configured: deployment.clone(),
            target,
        };
        probe.target.serves(operation).then_some(probe)
    }

    /// Asks it.
    pub(super) async fn run(self, app: &App, worker: &Worker) -> Outcome {
        let began = Instant::now();
        let answered = match tokio::time::timeout(self.patience, self.ask(app, worker)).await {
            Ok(answered) => answered,
            Err(_) => Err(Problem::new(Kind::Timeout, format!("no answer within {} s", self.patience.as_secs_f64()))),
        };
        let problem = answered.err();
        let passes = |problem: &Problem| matches!(problem.kind, Kind::RateLimited | Kind::Overloaded | Kind::Timeout);
        let spec = &self.configured.spec;
        Outcome {
            id: spec.id.clone(),
            group: spec.group.clone(),
            model: shown(&self.configured),
            is_transient: problem.as_ref().is_some_and(passes),
            error: problem.map(|problem| problem.message),
            took: began.elapsed(),
            at: unix_seconds(),
        }
    }

    async fn ask(&self, app: &App, worker: &Worker) -> Result<(), Problem> {
        let call = self.call().map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
        let answer = app.gateway.call_one(&call, worker, self.target.clone()).await;
        answer.map(drop).map_err(|error| *error.problem)
    }

    fn call(&self) -> Result<Call, switchboard_engine::wire::problem::Malformed> {
        let group = &self.target.spec.group;
        let (body, content) = if self.operation == Operation::Transcriptions {
            (Frames::from(form(group)), Content::Form(format!("multipart/form-data; boundary={BOUNDARY}")))
        } else {
            let mut body = self.question();
            body["model"] = group.as_str().into();
            let body = Frames::from(body.to_string().into_bytes());
            let outline = Outline::scan(&body)?;
            (body, Content::Json(outline))
        };
        let shape = if self.operation == Operation::Rerank { "cohere" } else { "openai" };
        Ok(Call {
            id: crate::id::of_call(),
            door: Door { operation: self.operation, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape, array: false },
            principal: Arc::new(Principal::named("health")),
            model: group.clone(),
            model_in_path: false,
            stream: false,
            headers: HeaderMap::new(),
            body,
            content,
            strict: false,
            lenient: false,
            received: Instant::now(),
            created: unix_seconds(),
            mentioned: Default::default(),
            laid: Default::default(),
        })
    }

    fn question(&self) -> Value {
        match self.operation {
            Operation::Embeddings | Operation::Moderations => json!({"input": "ok"}),
            Operation::Rerank => json!({"query": "ok", "documents": ["ok"]}),
            Operation::Speech => json!({"input": "ok", "voice": self.voice}),
            Operation::ImageGenerations => json!({"prompt": "a dot", "n": 1}),
            _ => json!({"max_tokens": self.max_tokens, "messages": [{"role": "user", "content": "Say ok."}]}),
        }
    }
}

/// A deployment as it is named in answers.
pub(super) fn shown(deployment: &Deployment) -> String {
    format!("{}/{}", deployment.spec.provider, deployment.spec.model)
}

/// The deployment of the model that a pattern is to be checked by.
fn stand_in(configured: &Configured, app: &App) -> Option<Arc<Deployment>> {
    let model = configured.model_info.check.model.as_deref()?;
    let captured = Wildcard::of(&configured.model).captured(model)?;
    let (_, group) = app.gateway.fleet().find(&Wildcard::of(&configured.model_name).filled(&captured))?;
    group.iter().find(|deployment| deployment.spec.id == configured.model_info.id).cloned()
}

/// Half a second of silence, to be written down.
fn form(model: &str) -> Vec<u8> {
    const SAMPLES: u32 = 4_000;
    let mut sound = Vec::new();
    sound.extend(b"RIFF");
    sound.extend((36 + SAMPLES).to_le_bytes());
    sound.extend(b"WAVEfmt ");
    sound.extend(16_u32.to_le_bytes());
    // One channel of eight bits, 8,000 times a second.
    for half in [1_u16, 1] {
        sound.extend(half.to_le_bytes());
    }
    for whole in [8_000_u32, 8_000] {
        sound.extend(whole.to_le_bytes());
    }
    for half in [1_u16, 8] {
        sound.extend(half.to_le_bytes());
    }
    sound.extend(b"data");
    sound.extend(SAMPLES.to_le_bytes());
    sound.resize(sound.len() + SAMPLES as usize, 0x80);
    let mut body = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n").into_bytes();
    let head = "content-disposition: form-data; name=\"file\"; filename=\"silence.wav\"\r\ncontent-type: audio/wav";
    body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").into_bytes());
    body.extend(sound);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    body
}
