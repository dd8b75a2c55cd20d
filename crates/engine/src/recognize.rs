//! What a text contains that is nobody else's business: personal, medical, financial and secret data.
//!
//! The recognisers are data (`rules.toml`, `vocabulary.txt`): patterns without look-around, so that time is linear in the text, each tried
//! only where the bytes it needs occur, with checksums where a kind has them ([`check`]). What is found is told by kind and place. The
//! text itself is never part of a finding, so that none of it can reach a log.

mod check;
mod escaped;
mod folded;
mod joint;
mod nearby;
mod rules;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::ops::Range;

use folded::Folded;
use rules::Rules;

/// Something that was found: its kind and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `email`, `phone`, `credit_card`, `iban`, `secret`, `medical`, ….
    pub kind: &'static str,
    /// Where.
    pub span: Range<usize>,
}

/// Every kind there is, in the order of the tables.
pub fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = Rules::builtin().kinds().chain(vocabulary::KINDS).collect();
    kinds.dedup();
    let mut seen = Vec::new();
    kinds.retain(|kind| {
        !seen.contains(kind) && {
            seen.push(*kind);
            true
        }
    });
    kinds
}

/// Everything of those kinds (all where `None`) in the text, in the order of the text.
pub fn find(text: &str, wanted: Option<&[&str]>) -> Vec<Finding> {
    let is_wanted = |kind: &str| wanted.is_none_or(|wanted| wanted.contains(&kind));
    let folded = Folded::of(text);
    let mut findings = Rules::builtin().find(&folded.text);
    findings.extend(vocabulary::find(&folded.text));
    findings.iter_mut().for_each(|finding| finding.span = folded.original(finding.span.clone()));
    findings.retain(|finding| is_wanted(finding.kind));
    findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
    findings
}

/// The kinds found in the text, each once.
pub fn classes(text: &str) -> Vec<&'static str> {
    let mut classes: Vec<&'static str> = Vec::new();
    for finding in find(text, None) {
        if !classes.contains(&finding.kind) {
            classes.push(finding.kind);
        }
    }
    classes.sort_unstable();
    classes
}

/// Builds the tables that the first text would otherwise wait for.
pub fn prepare() {
    Rules::builtin();
    vocabulary::prepare();
}
