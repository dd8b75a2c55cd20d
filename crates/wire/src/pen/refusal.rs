//! Content that the target cannot take.

use crate::chat::ChatRequest;
use crate::dialect::Dialect;
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
    pub(crate) fn answers(&mut self, request: &ChatRequest, why: &str) {
        if request.sampling.n.is_some_and(|n| n > 1) {
            self.add("n", "this provider gives one answer to a request");
        }
        self.more_than_text(request, why);
    }

    /// Refuses what an API of plain texts cannot give: likelihoods (`why` says what they lack) and sound.
    pub(crate) fn more_than_text(&mut self, request: &ChatRequest, why: &str) {
        let sampling = &request.sampling;
        if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some_and(|top| top > 0) {
            self.add("logprobs", why);
        }
        if request.modalities.iter().any(|modality| modality != "text") {
            self.add("modalities", "this provider answers in text alone");
        }
    }

    /// Whether the request may be sent.
    pub(crate) fn into_result(self) -> Result<(), Unsupported> {
        self.first.map_or(Ok(()), Err)
    }
}
