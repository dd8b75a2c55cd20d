//! `switchboard chat`: a conversation at the terminal.

mod conversation;
mod server;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::conversation::{Conversation, Turn};
use self::server::Server;
use super::{Outcome, complain, say};
use crate::config::Environment;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard chat -m demo/echo \"Hello!\"
  switchboard chat -m fast --config config.yaml           without a running gateway
  git diff | switchboard chat -m openai/gpt-4o \"Review this:\"
  switchboard chat -m groq/openai/gpt-oss-120b             a conversation; Ctrl-C ends an answer, Ctrl-D the conversation

Talks to --url, else to the gateway at http://127.0.0.1:4000 if one runs there, else starts one for the time of the
conversation: from --config, or from the keys that are set. SWITCHBOARD_URL, SWITCHBOARD_API_KEY and SWITCHBOARD_MODEL stand
for the flags.")]
pub(super) struct Chat {
    /// What to say; without it, standard input or a conversation
    message: Vec<String>,
    /// The model
    #[arg(short, long)]
    model: Option<String>,
    /// What the model is told first
    #[arg(short, long, value_name = "TEXT")]
    system: Option<String>,
    /// The gateway
    #[arg(long)]
    url: Option<String>,
    /// The key to show to it (better: SWITCHBOARD_API_KEY, which other users of this machine cannot see)
    #[arg(long)]
    key: Option<String>,
    /// Start a gateway from this file for the time of the conversation
    #[arg(short, long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// The most tokens of an answer
    #[arg(long, value_name = "COUNT")]
    max_tokens: Option<u32>,
    /// The temperature
    #[arg(long)]
    temperature: Option<serde_json::Number>,
    /// Show answers when they are complete
    #[arg(long)]
    no_stream: bool,
}

impl Chat {
    pub(super) fn run(mut self, environment: Environment) -> Outcome {
        let from = |name: &str| environment.get_non_empty(name).map(str::to_owned);
        self.url = self.url.or_else(|| from("SWITCHBOARD_URL").filter(|_| self.config.is_none()));
        self.model = self.model.or_else(|| from("SWITCHBOARD_MODEL"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = runtime.block_on(Server::find(self.url.as_deref(), self.key.as_deref(), self.config.as_ref(), &environment))?;
        let outcome = runtime.block_on(self.talk(&server));
        server.stop()?;
        outcome
    }

    async fn talk(&self, server: &Server) -> Outcome {
        let model = match &self.model {
            Some(model) => model.clone(),
            None => server.only_model().await?,
        };
        let mut conversation = Conversation::new(model, self.system.as_deref(), !self.no_stream);
        conversation.max_tokens = self.max_tokens;
        conversation.temperature.clone_from(&self.temperature);
        let mut message = self.message.join(" ");
        let interactive = std::io::stdin().is_terminal();
        if !interactive {
            let mut piped = String::new();
            std::io::stdin().read_to_string(&mut piped)?;
            message = [message.as_str(), piped.trim_end()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
        }
        if !message.is_empty() {
            let turn = conversation.say(server, &message).await?;
            return Ok(if turn == Turn::Complete { ExitCode::SUCCESS } else { ExitCode::from(130) });
        }
        if !interactive {
            return Err("there is nothing to say: give a message".into());
        }
        complain(&format!("{}; Ctrl-D ends the conversation", conversation.model));
        converse(&mut conversation, server).await
    }
}

/// One message after the other, until the end of the input.
async fn converse(conversation: &mut Conversation, server: &Server) -> Outcome {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    // Reading a terminal cannot be interrupted; the thread ends with the input or with the process.
    std::thread::Builder::new().name("terminal".to_owned()).spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    loop {
        print!("> ");
        std::io::stdout().flush()?;
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(line) = line else {
            say("");
            return Ok(ExitCode::SUCCESS);
        };
        if line.trim().is_empty() {
            continue;
        }
        if let Err(error) = conversation.say(server, &line).await {
            complain(&format!("error: {error}"));
        }
    }
}
