//! What the request writer keeps at hand.

use serde::Serialize;

use super::HERE;
use super::names::Names;
use crate::chat::{CacheMark, ChatRequest};
use crate::extra::Extra;
use crate::half::Profile;
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::pen::{Refusal, knob};

/// Models that share the words in which Converse passes on what it has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's.
    Claude,
    /// Amazon's Nova.
    Nova,
    /// OpenAI's open models.
    GptOss,
    /// Mistral's.
    Mistral,
    /// Cohere's.
    Command,
    /// All others.
    Other,
}

impl Family {
    fn of(request: &ChatRequest, profile: &Profile) -> Self {
        let vendor = profile.vendor.as_deref().unwrap_or_default();
        // The caller's name for the model need not tell what it is; the target's does.
        let models = [request.model.to_ascii_lowercase(), profile.model.as_deref().unwrap_or_default().to_ascii_lowercase()];
        let is_named = |names: &[&str]| names.iter().any(|name| models.iter().any(|model| model.contains(name)));
        let says = |vendors: &[&str], names: &[&str]| vendors.contains(&vendor) || is_named(names);
        match () {
            () if says(&["anthropic"], &["anthropic.", "claude"]) => Family::Claude,
            () if says(&["openai"], &["gpt-oss"]) => Family::GptOss,
            () if says(&[], &["nova-"]) => Family::Nova,
            () if says(&["mistral", "mistralai"], &["mistral."]) => Family::Mistral,
            () if says(&["cohere"], &["cohere."]) => Family::Command,
            () => Family::Other,
        }
    }
}

/// The state of a request under way.
pub(super) struct Pen<'a> {
    /// What the target can do.
    pub(super) profile: &'a Profile,
    pub(super) family: Family,
    pub(super) losses: Losses,
    pub(super) names: Names,
    /// `additionalModelRequestFields`, values as JSON text.
    pub(super) additional: Vec<(String, Vec<u8>)>,
    /// Claude's features that the body needs to be opted into.
    pub(super) betas: Vec<String>,
    /// The tool that stands for the JSON answer.
    pub(super) json_tool: Option<String>,
    pub(super) refused: Refusal,
}

impl<'a> Pen<'a> {
    pub(super) fn new(request: &ChatRequest, profile: &'a Profile) -> Self {
        Self {
            profile,
            family: Family::of(request, profile),
            losses: Losses::new(),
            names: Names::new(request),
            additional: Vec::new(),
            betas: Vec::new(),
            json_tool: None,
            refused: Refusal::new(HERE),
        }
    }

    /// Opts into a feature.
    pub(super) fn beta(&mut self, name: &str) {
        if !self.betas.iter().any(|known| known == name) {
            self.betas.push(name.to_owned());
        }
    }

    /// Adds a field in the model's own words.
    pub(super) fn add<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        let mut json = Vec::new();
        json::write_value(&mut json, value);
        self.add_raw(key, json);
    }

    /// Adds an object in the model's own words.
    pub(super) fn add_object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.add_raw(key, json::object(write));
    }

    /// Adds a field in the model's own words; a later one of that name replaces it.
    pub(super) fn add_raw(&mut self, key: &str, value: Vec<u8>) {
        self.additional.retain(|(known, _)| known != key);
        self.additional.push((key.to_owned(), value));
    }

    /// Records the fields of another dialect as lost.
    pub(super) fn lose(&mut self, extra: &Extra) {
        knob::lose_foreign(&mut self.losses, extra, HERE);
    }

    /// A cache point, where the model has caches: `tools` says whether it stands among tools.
    pub(super) fn cache_point(&mut self, mark: &CacheMark, tools: bool) -> Option<Vec<u8>> {
        let has_caches = match self.family {
            Family::Claude => true,
            Family::Nova => !tools,
            // The API refuses cache points for models that have none.
            Family::GptOss | Family::Mistral | Family::Command | Family::Other => false,
        };
        if !has_caches {
            self.losses.dropped("cache_control");
            return None;
        }
        let ttl = mark.ttl.as_deref().filter(|ttl| *ttl != "5m");
        let ttl = if ttl.is_some() && self.family == Family::Nova {
            self.losses.add("cache_control.ttl", Why::Clamped);
            None
        } else {
            ttl
        };
        Some(json::object(|out| {
            out.object("cachePoint", |out| {
                out.text("type", "default");
                out.option("ttl", ttl);
            });
        }))
    }
}
