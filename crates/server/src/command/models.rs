//! `switchboard models`: what is known of models and providers.

mod card;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use switchboard_engine::catalog::{Catalog, ModelCard, Provider};

use self::table::Table;
use super::{Outcome, UNUSABLE, complain, say};
use crate::config::Environment;
use crate::fleet::{overlay, unknown};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  switchboard models claude                             every model with `claude` in its name
  switchboard models anthropic/claude-sonnet-5-5        one model: limits, abilities, every price
  switchboard models --provider groq --mode chat
  switchboard models --supports vision --supports function_calling --json
  switchboard models --providers                        the providers, and the variable that holds each one's key

Prices are US dollars per million tokens. SWITCHBOARD_CATALOG names a file of newer cards (`switchboard catalog update`).")]
pub(super) struct Models {
    /// A model's name, or any text within names
    name: Option<String>,
    /// Models of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Models for this use: chat, embedding, rerank, image_generation, audio_speech, …
    #[arg(long)]
    mode: Option<String>,
    /// Models with this ability, such as vision or function_calling; may be repeated
    #[arg(long, value_name = "ABILITY")]
    supports: Vec<String>,
    /// List the providers instead
    #[arg(long)]
    providers: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(super) fn run(self, environment: &Environment) -> Outcome {
        let catalog = overlay::catalog(environment.get_non_empty("SWITCHBOARD_CATALOG").map(std::path::Path::new))?;
        if self.providers {
            self.list_providers(&catalog);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(name) = &self.provider
            && catalog.provider(name).is_none()
        {
            complain(&format!("error: {}", unknown(&catalog, name)));
            return Ok(ExitCode::from(UNUSABLE));
        }
        if let Some(unknown) = self.unknown(&catalog) {
            complain(&unknown);
            return Ok(ExitCode::from(UNUSABLE));
        }
        if let Some(name) = self.name.as_deref().filter(|_| self.is_bare()) {
            let (provider, model) = name.split_once('/').unwrap_or_default();
            if let Some(card) = catalog.model(provider, model) {
                say(&if self.json { pretty(&card::json(&card)) } else { card::text(&card, &catalog) });
                return Ok(ExitCode::SUCCESS);
            }
        }
        let found = self.find(&catalog);
        match found.as_slice() {
            [] => self.nothing(&catalog),
            cards => {
                self.show(cards);
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// What no model of the catalogue is for, or able to do, and what there is instead.
    fn unknown(&self, catalog: &Catalog) -> Option<String> {
        let modes = || catalog.models().filter_map(|card| card.mode).collect::<BTreeSet<_>>();
        let abilities = || catalog.models().flat_map(|card| card.supports).collect::<BTreeSet<_>>();
        let told = |what: &str, name: &str, known: BTreeSet<String>| {
            let list = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            (!known.contains(name)).then(|| format!("error: no model has the {what} `{name}`; there are {list}"))
        };
        let mode = self.mode.as_deref().and_then(|mode| told("mode", mode, modes()));
        mode.or_else(|| self.supports.iter().find_map(|ability| told("ability", ability, abilities())))
    }

    /// Only a name was given.
    fn is_bare(&self) -> bool {
        self.provider.is_none() && self.mode.is_none() && self.supports.is_empty()
    }

    fn find(&self, catalog: &Catalog) -> Vec<ModelCard> {
        let wanted = self.name.as_deref().map(str::to_lowercase);
        let named = |card: &ModelCard| {
            wanted.as_deref().is_none_or(|text| format!("{}/{}", card.provider, card.model).to_lowercase().contains(text))
        };
        let fits = |card: &ModelCard| {
            self.mode.as_deref().is_none_or(|mode| card.mode.as_deref() == Some(mode))
                && self.supports.iter().all(|ability| card.supports(ability) == Some(true))
                && named(card)
        };
        match &self.provider {
            Some(provider) => catalog.models_of(provider).filter(fits).collect(),
            None => catalog.models().filter(fits).collect(),
        }
    }

    /// Another spelling may be known.
    fn nothing(&self, catalog: &Catalog) -> Outcome {
        let known = self.name.as_deref().filter(|_| self.is_bare()).and_then(|name| catalog.lookup(name));
        if let Some(found) = known {
            say(&if self.json { pretty(&card::json(&found.card)) } else { card::text(&found.card, catalog) });
            return Ok(ExitCode::SUCCESS);
        }
        complain("error: no model fits; a model that is not listed can be used all the same, as `provider/model`");
        Ok(ExitCode::from(UNUSABLE))
    }

    fn show(&self, cards: &[ModelCard]) {
        if self.json {
            say(&pretty(&cards.iter().map(card::json).collect()));
            return;
        }
        let mut table = Table::new(&["MODEL", "MODE", "CONTEXT", "OUTPUT", "$IN/M", "$OUT/M", "OTHER PRICE"], 2..6);
        for card in cards {
            table.row(card::columns(card));
        }
        say(&table.to_string());
        complain(&format!("{} model{}", cards.len(), if cards.len() == 1 { "" } else { "s" }));
    }

    fn list_providers(&self, catalog: &Catalog) {
        let wanted = self.name.as_deref().or(self.provider.as_deref()).map(str::to_lowercase);
        let fits = |row: &&Provider| {
            wanted.as_deref().is_none_or(|text| row.names().any(|name| name.contains(text)) || row.name.to_lowercase().contains(text))
        };
        let rows: Vec<&Provider> = catalog.providers().filter(fits).collect();
        if self.json {
            say(&pretty(&rows.iter().map(|row| provider(row)).collect()));
            return;
        }
        let mut table = Table::new(&["PROVIDER", "NAME", "KEY", "SERVES"], 0..0);
        for row in &rows {
            let key = row.key_env.first().cloned().unwrap_or_else(|| if row.local { "none needed".to_owned() } else { "-".to_owned() });
            table.row([row.id.clone(), row.name.clone(), key, serves(row).join(" ")]);
        }
        say(&table.to_string());
    }
}

/// What a provider serves: chat, and every other operation.
fn serves(row: &Provider) -> Vec<&'static str> {
    switchboard_engine::wire::Operation::ALL.into_iter().filter(|operation| row.supports(*operation)).map(|one| one.as_str()).collect()
}

fn provider(row: &Provider) -> Value {
    let chat: Vec<&str> = row.chat.iter().map(|dialect| dialect.as_str()).collect();
    json!({
        "id": row.id, "name": row.name, "base_url": row.base, "key_variables": row.key_env, "aliases": row.aliases,
        "dialects": chat, "serves": serves(row), "local": row.local, "docs": row.docs,
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
