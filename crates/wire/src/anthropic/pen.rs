//! What the request writer keeps at hand.

use super::{BETA, HERE, beta};
use crate::chat::ChatRequest;
use crate::extra::Extra;
use crate::half::Profile;
use crate::loss::Losses;
use crate::pen::{Names, Refusal, knob};
use crate::seal::ANTHROPIC;

/// The longest name the API takes.
const LONGEST: usize = 128;

/// The state of a request under way.
pub(super) struct Pen<'a> {
    /// What the target can do.
    pub(super) profile: &'a Profile,
    /// Whether the request came in this dialect: then it is written as it is, without the rules for guests.
    pub(super) native: bool,
    /// Whether the tokens are to be counted only.
    pub(super) counting: bool,
    pub(super) losses: Losses,
    pub(super) names: Names,
    /// Features the body needs to be opted into.
    pub(super) betas: Vec<String>,
    /// The tool that stands for the JSON answer.
    pub(super) json_tool: Option<String>,
    pub(super) refused: Refusal,
}

impl<'a> Pen<'a> {
    pub(super) fn new(request: &ChatRequest, profile: &'a Profile, counting: bool) -> Self {
        Self {
            profile,
            native: request.extra.from() == Some(HERE),
            counting,
            losses: Losses::new(),
            names: Names::new(request, LONGEST),
            betas: Vec::new(),
            json_tool: None,
            refused: Refusal::new(HERE),
        }
    }

    /// Whether instructions are put where the model takes them: a guest's are, and any where it is known what the model takes.
    pub(super) fn places(&self) -> bool {
        !self.native || self.profile.mid_system.is_some()
    }

    /// Who makes the model.
    pub(super) fn vendor(&self) -> &str {
        self.profile.vendor.as_deref().unwrap_or(ANTHROPIC)
    }

    /// Opts into what the client opted into, as written.
    pub(super) fn client_betas(&mut self, request: &ChatRequest) {
        let headers = request.extra.of(HERE).iter().filter(|(key, _)| key == BETA);
        let said: Vec<String> = headers.filter_map(|(_, raw)| serde_json::from_str(raw.get()).ok()).collect();
        let own = said.iter().flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty());
        for name in own.chain(request.betas.iter().map(String::as_str)) {
            if beta::is_refused(name, self.profile) {
                self.losses.dropped(format!("{BETA}.{name}"));
            } else {
                self.betas.push(name.to_owned());
            }
        }
    }

    /// Opts into a feature, unless the client chose a version of it.
    pub(super) fn beta(&mut self, name: &str) {
        beta::add(&mut self.betas, name, self.profile);
    }

    /// Records the fields of another dialect as lost.
    pub(super) fn lose(&mut self, extra: &Extra) {
        knob::lose_foreign(&mut self.losses, extra, HERE);
    }
}
