//! A provider as a row: where it is, what it speaks, how it wants its key, and where it differs from the rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::half::{Accent, Budgets, Inputs, Thinking};
use switchboard_wire::{Dialect, Operation};

use super::auth::Auth;
use super::tools::Tools;
use crate::pattern::matches;

/// One provider, embedded or written by the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// The prefix of `provider/model` names, and the key of the row.
    pub id: String,
    /// The name people know it by.
    pub name: String,
    /// Base URL; may hold `{variable}` placeholders. Empty where only the user can know it.
    pub base: String,
    /// Environment variables which replace `base`, first set wins.
    pub base_env: Vec<String>,
    /// How the credential is shown.
    pub auth: Auth,
    /// Environment variables holding the credential, first set wins.
    pub key_env: Vec<String>,
    /// Environment variables holding a token that is shown as `authorization: Bearer <token>` instead of the key, whatever
    /// `auth` says; asked when no key is set.
    pub token_env: Vec<String>,
    /// Where a short-lived token is fetched, for [`Auth::Exchange`].
    pub token_url: Option<String>,
    /// How the key is traded there.
    pub exchange: Exchange,
    /// The placeholders of `base` and `paths`, other than `{model}`.
    pub variables: BTreeMap<String, Variable>,
    /// Chat dialects it speaks, the preferred one first.
    pub chat: Vec<Dialect>,
    /// The request shape of every other operation it serves; an absent operation is unsupported.
    pub shapes: BTreeMap<Operation, String>,
    /// What is different for one dialect or operation, keyed by its name.
    pub at: BTreeMap<String, Place>,
    /// Path templates which differ from the default, keyed by dialect or operation name, with `:stream` for the streamed form.
    pub paths: BTreeMap<String, String>,
    /// Where requests go instead at some base URLs and for some values of variables; the first that holds applies.
    pub variants: Vec<Variant>,
    /// Constant request headers.
    pub headers: BTreeMap<String, String>,
    /// Changes to every chat request body.
    pub edits: Edits,
    /// Exceptions by model name; the first match applies.
    pub rules: Vec<Rule>,
    /// How it is asked for usage at the end of a stream.
    pub stream_usage: StreamUsage,
    /// Whether the cost it states in its usage is what it bills.
    pub states_cost: bool,
    /// Models that search the web whatever they are asked, as patterns.
    pub searches: Vec<String>,
    /// What its own tools cost.
    pub tools: Tools,
    /// JSON pointer to usage, where it is not in its dialect's usual place.
    pub usage: Option<String>,
    /// The field in which it sends reasoning, where it is not its dialect's usual one.
    pub reasoning_field: Option<String>,
    /// Prefixes of model names that only choose a variant or a region, and are no part of the model's name in the price list.
    pub model_prefixes: Vec<String>,
    /// Other prefixes and slugs for this provider.
    pub aliases: Vec<String>,
    /// The names under which price lists file its models, beside its own and its aliases.
    pub price_names: Vec<String>,
    /// Author names (the `meta-llama` of `meta-llama/llama-3.3-70b`) whose models this provider makes itself.
    pub authors: Vec<String>,
    /// Its models, by what their names tell wherever they are served; the first match applies.
    pub makes: Vec<Made>,
    /// What models call their inputs, where that is left to them, by model pattern; the first match applies.
    pub inputs: Vec<(Vec<String>, Arc<Inputs>)>,
    /// The API that its answers in OpenAI's formats are made for.
    pub flavor: Flavor,
    /// Who wins a model name without prefix: the lowest rank. `None` never wins one.
    pub bare_rank: Option<u8>,
    /// What its models are called without a prefix, known or not, as patterns.
    pub bare: Vec<String>,
    /// Whether it writes versions with a hyphen where markets write a dot.
    pub hyphens: bool,
    /// The provider whose model cards hold here too.
    pub cards_of: Option<String>,
    /// Its models are told not to think by `thinking.type`, although they know efforts.
    pub thinking_switch: bool,
    /// The features of Anthropic's that it calls otherwise, or has no opt-in for (an empty name).
    pub betas: BTreeMap<String, String>,
    /// It refuses messages in OpenAI's format that hold more than OpenAI's own have.
    pub plain_messages: bool,
    /// How its own form of OpenAI's chat differs from OpenAI's.
    pub accent: Accent,
    /// When it takes marks of what to keep in a cache in messages of OpenAI's format.
    pub cache_marks: CacheMarks,
    /// The knobs beyond OpenAI's own that it takes in OpenAI's format.
    pub knobs: Vec<String>,
    /// Its answers in OpenAI's formats are in a form of its own: they are read and written anew.
    pub rewritten: bool,
    /// Models that call functions while they think in the responses API alone do so here, too.
    pub newer_calls: bool,
    /// Is a gateway itself: fields that steer one (`provider`, `models`, …) go on to it.
    pub gateway: bool,
    /// The dialects in which it looks up no web addresses, although they have a place for them.
    pub bytes_only: Vec<Dialect>,
    /// Runs on the user's own machines and needs no key.
    pub local: bool,
    /// Whether it may train on what it is sent; `None`: not known, which counts as yes.
    pub trains: Option<bool>,
    /// Whether it keeps what it is sent beyond the answer; `None`: not known, which counts as yes.
    pub retains: Option<bool>,
    /// Where its API is documented.
    pub docs: String,
    /// Whether an operator wrote the row, so that it may lead anywhere.
    pub is_own: bool,
    /// The day the row was last compared with a source, `YYYY-MM-DD`.
    pub checked: String,
    /// What a reader of the row should know.
    pub note: Option<String>,
    /// The name in public lists, where it is not [`Self::name`].
    pub listed_as: Option<String>,
    /// The slug in public lists, where it is not the id with hyphens; it is among the aliases too.
    pub slug: Option<String>,
    /// The family of the models it makes, in OpenRouter's words.
    pub family: Option<String>,
    /// Who runs it.
    pub company: Company,
    /// Where requests that are passed on as they are go.
    pub pass: Pass,
}

/// Where requests that are passed on to a provider as they are go, as far as that is not below its base URL.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pass {
    /// The base URL that holds instead of the row's.
    pub base: Option<String>,
    /// Other names of the route, each with the base URL that it leads to; empty: the same one.
    pub names: BTreeMap<String, String>,
    /// Beginnings of paths that are served below another base URL.
    pub below: BTreeMap<String, String>,
    /// Chats at paths where the gateway itself never asks, the first that fits.
    pub chats: Vec<PassedChat>,
    /// What is no chat at such paths, the first that fits.
    pub calls: Vec<PassedCall>,
    /// Headers and parameters by which an answer would not say what it took: a name, or a name and a value (`alt=proto`).
    pub hushes: Vec<String>,
    /// Parts of paths at which credentials for an account are handed out, see [`Outlet::lends`](super::Outlet::lends).
    pub lends: Vec<String>,
}

impl Pass {
    /// Whether an answer to a request with that header or parameter would not say what it took.
    pub fn hushes(&self, name: &str, value: &str) -> bool {
        self.hushes.iter().any(|entry| {
            let (known, with) = entry.split_once('=').map_or((entry.as_str(), None), |(known, with)| (known, Some(with)));
            known.eq_ignore_ascii_case(name) && with.is_none_or(|with| with.eq_ignore_ascii_case(value))
        })
    }
}

/// What is asked for at a path where the gateway itself never asks, if it is no chat.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassedCall {
    /// The path.
    pub path: String,
    /// The operation; `pass_through`: nothing is read there but the model, in the path or in the body.
    pub operation: String,
    /// The form of its answer.
    #[serde(default)]
    pub shape: String,
}

/// A chat at a path where the gateway itself never asks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassedChat {
    /// The path.
    pub path: String,
    /// The path of the streamed one, where that differs.
    #[serde(default)]
    pub stream: String,
    /// Patterns of the models it holds for; none: all.
    #[serde(default)]
    pub models: Vec<String>,
    /// The dialect that is written there; none: a form of the model's own, in which nobody here reads more than what it took.
    #[serde(default)]
    pub form: Option<String>,
}

/// How a key is traded for a short-lived token, for the flows `exchange:form` and `exchange:get`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exchange {
    /// The scheme the key is shown by.
    pub scheme: String,
    /// The fields of the form.
    pub fields: BTreeMap<String, String>,
    /// Environment variables which replace fields.
    pub fields_env: BTreeMap<String, String>,
    /// Constant headers, beside those of the row.
    pub headers: BTreeMap<String, String>,
    /// A header that wants a UUID of its own for every request.
    pub request_id: Option<String>,
    /// Environment variables which replace the address, first set wins.
    pub url_env: Vec<String>,
}

/// Who runs a provider, and what they publish of themselves. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Company {
    /// The country of its headquarters, ISO 3166-1.
    pub headquarters: Option<String>,
    /// The countries of its datacenters, ISO 3166-1.
    pub datacenters: Vec<String>,
    /// Where its privacy policy is.
    pub privacy: Option<String>,
    /// Where its terms of service are.
    pub terms: Option<String>,
    /// Where it tells of outages.
    pub status: Option<String>,
}

/// A placeholder and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Variable {
    /// Names of deployment settings that hold it.
    pub params: Vec<String>,
    /// Environment variables that hold it, first set wins.
    pub env: Vec<String>,
    /// Its value when nothing else says; may hold other placeholders.
    pub default: Option<String>,
    /// Another variable that decides: its value is looked up in `cases`, and `default` is used when it is not there.
    pub by: Option<String>,
    /// Values by the value of `by`; they may hold placeholders.
    pub cases: BTreeMap<String, String>,
}

/// What is different for one dialect or operation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Another base URL.
    pub base: Option<String>,
    /// Whether it is below a base URL of the user's own wherever that is: what goes there is one gateway for all of it.
    pub follows: bool,
    /// Environment variables which replace that base.
    pub base_env: Vec<String>,
    /// Another way to show the credential.
    pub auth: Option<Auth>,
    /// Further constant headers.
    pub headers: BTreeMap<String, String>,
}

/// Where requests go, and how the credential is shown, if all that it says holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Variant {
    /// A pattern of the user's own base URL, without its scheme; none: whatever that is.
    pub base: Option<String>,
    /// Values of variables, as the user says them.
    pub values: BTreeMap<String, Vec<String>>,
    /// Paths that differ.
    pub paths: BTreeMap<String, String>,
    /// Another way to show the credential.
    pub auth: Option<Auth>,
}

/// Changes to a request body before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Edits {
    /// Top-level fields to take away.
    pub remove: Vec<String>,
    /// Top-level fields to rename, old name to new name; where the new name is there already, the old field is taken away.
    pub rename: BTreeMap<String, String>,
    /// Top-level fields to set, as JSON text.
    pub set: BTreeMap<String, String>,
}

impl Edits {
    /// Nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.rename.is_empty() && self.set.is_empty()
    }
}

/// An exception for some models of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rule {
    /// Model patterns; `*` stands for any text.
    pub models: Vec<String>,
    /// A prefix taken off the model name before it is sent.
    pub strip: Option<String>,
    /// The chat dialects these models speak instead; empty leaves the provider's.
    pub chat: Vec<Dialect>,
    /// The shapes of operations that differ.
    pub shapes: BTreeMap<Operation, String>,
    /// Another base URL.
    pub base: Option<String>,
    /// Paths that differ.
    pub paths: BTreeMap<String, String>,
    /// Further changes to request bodies.
    pub edits: Edits,
}

/// Models of one maker, and what is known of them from their names alone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Made {
    /// Model patterns; none: all others that the maker is known to make.
    pub models: Vec<String>,
    /// How those that can think are told to, where their cards do not say so.
    pub thinking: Option<Thinking>,
    /// Whether they are taken to think where no card says that they can.
    pub presumed: bool,
    /// The efforts they know, where no card says so.
    pub efforts: Vec<String>,
    /// The budgets of reasoning they take.
    pub budgets: Option<Budgets>,
    /// Whether those that think want the newer name of the token limit.
    pub newer_limit: bool,
    /// Whether they call functions while they think in the responses API alone.
    pub newer_calls: bool,
    /// Whether those that cannot but think take none of the knobs of sampling.
    pub unsampled: bool,
}

/// When a provider takes marks of what to keep in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMarks {
    /// It refuses or ignores them.
    #[default]
    Never,
    /// At an address of the operator's own, where another may answer.
    Elsewhere,
    /// Always.
    Always,
}

/// How a provider reports usage at the end of an OpenAI-shaped stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StreamUsage {
    /// When asked by `stream_options.include_usage`.
    #[default]
    Option,
    /// Always; `stream_options` is refused or ignored.
    Always,
    /// Never.
    Never,
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The text is not TOML of the expected shape.
    #[error("provider rows: {0}")]
    Toml(String),
    /// A field of a row holds what it cannot hold.
    #[error("provider `{provider}`: {why}")]
    Field {
        /// The row.
        provider: String,
        /// What is wrong, and with which field.
        why: String,
    },
}

impl Provider {
    /// Whether it serves the operation for any model.
    pub fn supports(&self, operation: Operation) -> bool {
        match operation {
            Operation::Chat => !self.chat.is_empty() || self.rules.iter().any(|rule| !rule.chat.is_empty()),
            other => self.shapes.contains_key(&other) || self.rules.iter().any(|rule| rule.shapes.contains_key(&other)),
        }
    }

    /// The exception that holds for a model, if there is one.
    pub fn rule(&self, model: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.models.iter().any(|pattern| matches(pattern, model)))
    }

    /// Whether that model's name tells that this provider made it.
    pub fn has_made(&self, model: &str) -> bool {
        self.makes.iter().any(|made| made.models.iter().any(|pattern| matches(pattern, model)))
    }

    /// What the name of a model of this maker's tells.
    pub fn made(&self, model: &str) -> Option<&Made> {
        self.makes.iter().find(|made| made.models.is_empty() || made.models.iter().any(|pattern| matches(pattern, model)))
    }

    /// What that model calls its inputs, where it is unusual.
    pub fn inputs_of(&self, model: &str) -> Option<&Arc<Inputs>> {
        self.inputs.iter().find(|(models, _)| models.iter().any(|pattern| matches(pattern, model))).map(|(_, inputs)| inputs)
    }

    /// The chat dialects a model of this provider can be reached by, the preferred one first.
    pub fn chat_dialects(&self, model: &str) -> &[Dialect] {
        self.chat_by(self.rule(model))
    }

    /// The same of a model for which that rule holds.
    pub(super) fn chat_by<'a>(&'a self, rule: Option<&'a Rule>) -> &'a [Dialect] {
        match rule {
            Some(rule) if !rule.chat.is_empty() => &rule.chat,
            Some(_) | None => &self.chat,
        }
    }

    /// The dialect to speak to this provider when the client speaks `client`: the same one where possible. With a base URL
    /// of the user's own, a dialect that lives elsewhere is chosen only if its place below that URL is known.
    pub fn dialect_for(&self, client: Dialect, model: &str, own_base: Option<&str>) -> Option<Dialect> {
        let reached = |dialect: &&Dialect| match (own_base, self.at.get(dialect.as_str())) {
            (Some(own), Some(Place { base: Some(there), .. })) => self.moved(own, there).is_some(),
            _ => true,
        };
        let spoken = self.chat_dialects(model);
        let same = spoken.iter().find(|dialect| **dialect == client);
        same.filter(reached).or_else(|| spoken.iter().find(reached)).copied()
    }

    /// Where `there`, a base URL of this row beside the main one, is for a user who moved the main one to `own`: the part in
    /// which `there` differs from the main base is exchanged at the end of `own`, or in its host where the two are hosts of one family.
    /// `None` where `own` has nothing of the main base and the place follows it nowhere.
    pub(super) fn moved(&self, own: &str, there: &str) -> Option<String> {
        if there == self.base {
            return Some(own.to_owned());
        }
        let segments = |url: &str| url.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (main, there_parts) = (segments(&self.base), segments(there));
        let common = main.iter().zip(&there_parts).take_while(|(one, other)| one == other).count();
        let parts = segments(own.trim_end_matches('/'));
        let follows = self.at.values().any(|place| place.follows && place.base.as_deref() == Some(there));
        let below = |kept: &[String], rest: usize| [kept, &there_parts[rest..]].concat().join("/");
        // Scheme, nothing, host: less in common is another host.
        if common < HOST_PARTS {
            let host = renamed_host(main.get(HOST)?, there_parts.get(HOST)?, parts.get(HOST)?);
            let moved = host.map(|host| [&parts[..HOST], &[host], &parts[HOST_PARTS..]].concat());
            return moved.or_else(|| follows.then(|| parts.clone())).map(|kept| below(&kept, HOST_PARTS));
        }
        let said = |kept: &usize| common < there_parts.len() && parts[..*kept].ends_with(&there_parts[common..]);
        if let Some(kept) = (HOST_PARTS..=parts.len()).find(said) {
            return Some(parts[..kept].join("/"));
        }
        let kept = parts.len().checked_sub(main.len() - common).filter(|kept| *kept >= HOST_PARTS && parts[*kept..] == main[common..]);
        kept.or(follows.then_some(parts.len())).map(|kept| below(&parts[..kept], common))
    }

    /// The request shape of an operation other than chat, of a model for which that rule holds.
    pub(super) fn shape_by<'a>(&'a self, rule: Option<&'a Rule>, operation: Operation) -> Option<&'a str> {
        let by_rule = rule.and_then(|rule| rule.shapes.get(&operation));
        by_rule.or_else(|| self.shapes.get(&operation)).map(String::as_str)
    }

    /// The name in public lists.
    pub fn listed_name(&self) -> &str {
        self.listed_as.as_deref().unwrap_or(&self.name)
    }

    /// The slug in public lists, as in `provider/variant` tags.
    pub fn slug(&self) -> String {
        self.slug.clone().unwrap_or_else(|| self.id.replace('_', "-"))
    }

    /// Every name that leads to this row: the id first, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }
}

/// Where the host stands among the parts of a URL, and how many there are with it.
const HOST: usize = 2;
const HOST_PARTS: usize = HOST + 1;

/// The user's own host as `there` differs from `main`: by one label, which the user's has too.
fn renamed_host(main: &str, there: &str, own: &str) -> Option<String> {
    let mut differing = main.split('.').zip(there.split('.')).filter(|(one, other)| one != other);
    let (one, other) = differing.next()?;
    let plain = differing.next().is_none() && !one.contains('{') && main.split('.').count() == there.split('.').count();
    (plain && own.split('.').any(|label| label == one)).then(|| own.replacen(one, other, 1))
}
