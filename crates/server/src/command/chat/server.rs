//! Whom a conversation is held with: a gateway that runs, or one for the time of the conversation.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use switchboard_engine::meter::{Record, Recorder};
use switchboard_engine::upstream::Transport;

use super::super::client::{Client, ClientError};
use crate::config::{Environment, Overrides, Secret, Source};
use crate::log::{Style, Voice};
use crate::serve::{Gate, loader};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Where a gateway usually is.
const USUAL: &str = "http://127.0.0.1:4000";

/// A gateway to talk to.
pub(super) struct Server {
    pub(super) client: Client,
    own: Option<Gate>,
}

/// Keeps no record of a conversation.
struct Silence;

impl Recorder for Silence {
    fn record(&self, _: Box<Record>) {}
}

impl Server {
    /// The gateway at that URL; else the usual one; else one of our own, from that file or the environment.
    pub(super) async fn find(
        url: Option<&str>,
        key: Option<&str>,
        config: Option<&PathBuf>,
        environment: &Environment,
    ) -> Result<Self, Error> {
        let names = ["SWITCHBOARD_API_KEY", "SWITCHBOARD_MASTER_KEY", "LITELLM_MASTER_KEY"];
        let key = key.or_else(|| names.into_iter().find_map(|name| environment.get_non_empty(name)));
        if let Some(url) = url {
            return Ok(Self { client: Client::new(url, key, Transport::default())?, own: None });
        }
        if config.is_none() {
            let client = Client::new(USUAL, key, Transport::default())?;
            let answer = client.read("/health/liveliness", None).await;
            if answer.is_ok_and(|body| body.starts_with(b"\"I'm alive")) {
                return Ok(Self { client, own: None });
            }
        }
        Self::start(config.cloned(), environment)
    }

    /// Starts a gateway of our own, on a free port, with a key that nobody else knows.
    fn start(config: Option<PathBuf>, environment: &Environment) -> Result<Self, Error> {
        let overrides = Overrides { host: Some("127.0.0.1".to_owned()), port: Some(0), workers: Some(1), ..Overrides::default() };
        let loaded = loader(Source::choose(config, environment), overrides, environment.clone()).load();
        let voice = Voice::start(Style::Plain, Some("warn"), environment);
        loaded.diagnostics.errors().for_each(|error| voice.tell(error));
        let mut config = loaded.config.ok_or("the configuration cannot be used")?;
        let key = crate::id::mint();
        config.general.master_key = Some(Secret::new(key.as_str()));
        config.switchboard.tls = None;
        let gate = Gate::start(config, Arc::new(Silence), None)?;
        for unusable in &gate.unusable {
            tracing::warn!("`{}` is left out: {}", unusable.model_name, unusable.why);
        }
        let root = gate.app.config().general.root_path.clone();
        let address = gate.addresses().into_iter().next().ok_or("the gateway listens nowhere")?;
        let client = Client::new(&format!("{address}{root}"), Some(&key), Transport::default())?;
        Ok(Self { client, own: Some(gate) })
    }

    /// The model, where there is no choice.
    pub(super) async fn only_model(&self) -> Result<String, Error> {
        let body = self.client.read("/v1/models", None).await?;
        let list: Value = serde_json::from_slice(&body).map_err(|error| ClientError::Answer(error.to_string()))?;
        let names: Vec<&str> = list["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str()).collect();
        match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err("the gateway lists no model; name one with --model".into()),
            names => {
                let some: Vec<&str> = names.iter().take(12).copied().collect();
                Err(format!("name a model with --model; there are {}: {} …", names.len(), some.join(", ")).into())
            }
        }
    }

    /// Ends the gateway, if it is our own.
    pub(super) fn stop(self) -> Result<(), Error> {
        drop(self.client);
        self.own.map_or(Ok(()), Gate::stop)
    }
}
