//! Which counts of a provider's report are believed.

use switchboard_wire::Operation;
use switchboard_wire::reply::Usage;

use super::{Bill, Meter, Outcome};

/// A provider that calls its own tools reads the conversation once for each; more often than this no answer does.
const TURNS: u64 = 32;
/// More than any model reads at once.
const WINDOW: u64 = 2_000_000;

impl Meter {
    /// A report, as far as it can be true. Of more tokens than the model could ever have read or written nothing is believed, and a
    /// prompt of no tokens was not counted. What is not believed is guessed, and the charge says so.
    pub(super) fn believed(&self, mut usage: Usage) -> Usage {
        if self.is_beyond(&usage) {
            let target = self.0.record.as_deref().and_then(|record| record.deployment.as_deref());
            tracing::warn!(
                deployment = target.map(|target| &*target.spec.id),
                "a provider reports more tokens than there can be: they are guessed"
            );
            return Usage::default();
        }
        let is_sent = self.0.tab.as_ref().is_some_and(|tab| tab.prompt() > 0);
        if usage.input == Some(0) && is_sent && self.0.expected.is_text() && self.tariff().stated(Some(&usage)).is_none() {
            usage.input = None;
        }
        usage
    }

    /// Whether a report leaves open how long the answer was.
    pub(crate) fn is_untold(&self, usage: Option<&Usage>) -> bool {
        usage.filter(|usage| !self.is_beyond(usage)).and_then(|usage| usage.output).unwrap_or(0) == 0
    }

    /// What an answer that was seen is charged where its report is not believed.
    pub(super) fn guessed(&self) -> Option<Bill> {
        let seen = (self.0.delivered.tokens() > 0).then(|| self.standing()).flatten();
        let end = seen.filter(|end| end.outcome == Outcome::Complete && end.is_unbelieved())?;
        end.reckon(&self.tariff()).guess.map(|guess| guess.bill)
    }

    fn is_beyond(&self, usage: &Usage) -> bool {
        // What is no chat may hold many texts.
        let record = self.0.record.as_deref().filter(|record| matches!(record.operation, Operation::Chat | Operation::Compact));
        let target = record.and_then(|record| record.deployment.as_deref());
        let window = target.and_then(|target| target.card.as_ref()?.max_input_tokens).unwrap_or(WINDOW);
        let told = [usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write];
        told.into_iter().flatten().any(|count| count > window.saturating_mul(TURNS))
    }
}
