//! Content that the target cannot take.

use crate::chat::ChatRequest;
use crate::dialect::Dialect;
use crate::loss::Losses;
use crate::problem::Unsupported;

/// The first piece of content that cannot be sent: the one the caller is told.
#[derive(Debug)]
pub(crate) struct Refusal {
    target: Dialect,
    first: Option<Unsupported>,
}

impl Refusal {
    /// Nothing is refused yet.
    pub(crate) fn new(target: Dialect) -> Self {
        Self { target, first: None }
    }

    /// Refuses content.
    pub(crate) fn add(&mut self, field: &str, why: &str) {
        if self.first.is_none() {
            self.first = Some(Unsupported::new(field, self.target, why));
        }
    }

    /// Refuses what an API of one plain answer cannot give: several answers, likelihoods (`why` says what they lack) and sound.
    pub(crate) fn answers(&mut self, losses: &mut Losses, request: &ChatRequest, why: &str) {
        self.several(request);
        self.likelihoods(losses, request, why);
        self.sound(request);
    }

    /// Refuses several answers.
    pub(crate) fn several(&mut self, request: &ChatRequest) {
        if request.sampling.n.is_some_and(|n| n > 1) {
            self.add("n", "this provider gives one answer to a request");
        }
    }

    /// Refuses likelihoods. In the responses API they are one of the things that an answer may include beside what it says: a wish, and
    /// so a loss.
    pub(crate) fn likelihoods(&mut self, losses: &mut Losses, request: &ChatRequest, why: &str) {
        let sampling = &request.sampling;
        let wanted = sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|top| top > 0);
        match request.extra.from() {
            _ if !wanted => {}
            Some(Dialect::OpenAiResponses) => losses.dropped("logprobs"),
            _ => self.add("logprobs", why),
        }
    }

    /// Refuses sound.
    pub(crate) fn sound(&mut self, request: &ChatRequest) {
        if request.modalities.iter().any(|modality| modality != "text") {
            self.add("modalities", "this provider answers in text alone");
        }
    }

    /// Whether the request may be sent.
    pub(crate) fn into_result(self) -> Result<(), Unsupported> {
        self.first.map_or(Ok(()), Err)
    }
}
