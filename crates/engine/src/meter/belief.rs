//! Which counts of a provider's report are believed.

use switchboard_wire::reply::Usage;

use super::Meter;

/// A provider that calls its own tools reads the conversation once for each; more often than this no answer does.
const TURNS: u64 = 32;
/// No call takes so many tokens, whatever the model.
const MOST: u64 = 1_000_000_000;

impl Meter {
    /// A report, as far as it can be true. A prompt of no tokens was not counted; of more tokens than the model could ever have read or
    /// written nothing is believed. What is not believed is guessed, and the charge says so.
    pub(super) fn believed(&self, mut usage: Usage) -> Usage {
        let tariff = self.tariff();
        if tariff.stated(Some(&usage)).is_some() {
            return usage;
        }
        let target = self.0.record.as_deref().and_then(|record| record.deployment.as_deref());
        let window = target.and_then(|target| target.card.as_ref()?.max_input_tokens);
        let most = window.map_or(MOST, |window| window.saturating_mul(TURNS).min(MOST));
        let told = [usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write];
        if let Some(count) = told.into_iter().flatten().find(|count| *count > most) {
            tracing::warn!(
                deployment = target.map(|target| &*target.spec.id),
                count,
                "a provider reports more tokens than there can be; they are guessed"
            );
            return Usage::default();
        }
        let is_sent = self.0.tab.as_ref().is_some_and(|tab| tab.prompt() > 0);
        if usage.input == Some(0) && is_sent && self.0.expected.is_text() {
            usage.input = None;
        }
        usage
    }
}
