//! What is wrong with a configuration, said where it is wrong.
//!
//! Lines of the file are never quoted: the wrong line is often the one that holds a key.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file, or the environment when there is no file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Path as the user wrote it, or `environment`.
    pub file: Arc<str>,
    /// Counted from 1; 0 when the place is a whole file.
    pub line: u32,
    /// Counted from 1, in characters; 0 when the place is a whole file.
    pub column: u32,
}

impl Location {
    /// A file as a whole.
    pub fn whole(file: impl Into<Arc<str>>) -> Location {
        Location { file: file.into(), line: 0, column: 0 }
    }

    /// The process environment.
    pub fn environment() -> Location {
        Location::whole("environment")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => out.write_str(&self.file),
            line => write!(out, "{}:{line}:{}", self.file, self.column),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// What it is found in cannot be used, and is left out.
    Fault,
    /// It can be used, but probably does not mean what was intended.
    Warning,
    /// Good to know.
    Notice,
}

impl Severity {
    /// The word that starts the rendered line.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error | Severity::Fault => "error",
            Severity::Warning => "warning",
            Severity::Notice => "note",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Where it is.
    pub at: Location,
    /// What is wrong, without any configured value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}\n  --> {}", self.severity.as_str(), self.message, self.at)?;
        match &self.hint {
            Some(hint) => write!(out, "\n  = hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Findings kept; whoever has more has seen enough.
const MOST_FINDINGS: usize = 1000;

/// Everything found while loading a configuration, in the order of discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// What keeps the configuration from being used.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// What keeps parts of it from being used.
    pub fn faults(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Fault)
    }

    /// What probably is not meant.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    /// What is good to know.
    pub fn notices(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Notice)
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// All findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// Makes the errors found after so many findings ones of a part alone, and tells the first.
    pub(super) fn confine(&mut self, after: usize) -> Option<Diagnostic> {
        let later = self.found.split_off(after.min(self.found.len()));
        let mut first = None;
        for finding in later {
            let severity = if finding.severity == Severity::Error { Severity::Fault } else { finding.severity };
            let finding = Diagnostic { severity, ..finding };
            if severity == Severity::Fault && first.is_none() {
                first = Some(finding.clone());
            }
            if !self.found.contains(&finding) {
                self.found.push(finding);
            }
        }
        first
    }

    /// Adds an error.
    pub fn error(&mut self, at: &Location, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, at, message.into(), hint.into());
    }

    /// Adds a warning.
    pub fn warn(&mut self, at: &Location, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, at, message.into(), hint.into());
    }

    /// Adds a notice.
    pub fn note(&mut self, at: &Location, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Notice, at, message.into(), hint.into());
    }

    /// Adds a finding unless it was told before, as happens when an anchor repeats a mistake. An error is always kept if it
    /// is the first one, so a flood of warnings cannot make a broken file look usable.
    pub(super) fn push(&mut self, severity: Severity, at: &Location, message: String, hint: String) {
        let hint = Some(hint).filter(|text| !text.is_empty());
        let finding = Diagnostic { severity, at: at.clone(), message, hint };
        let has_room = self.found.len() < MOST_FINDINGS || severity == Severity::Error && !self.has_errors();
        if has_room && !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter().filter(move |finding| finding.severity == severity)
    }
}

impl fmt::Display for Diagnostics {
    /// Errors first, then warnings, then notices; one per paragraph, a blank line between none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.errors().chain(self.faults()).chain(self.warnings()).chain(self.notices()) {
            writeln!(out, "{finding}")?;
        }
        Ok(())
    }
}

/// The candidate a writer most likely meant, if one is close enough to be worth saying.
pub(crate) fn closest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let longest = wanted.chars().count();
    let reach = match longest {
        0..=4 => 1,
        5..=7 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) <= reach && *candidate != wanted)
        .map(|candidate| (strsim::osa_distance(wanted, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= reach && *distance < candidate.chars().count().max(2) - 1)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_like_a_compiler() {
        let mut found = Diagnostics::default();
        let at = Location { file: "config.yaml".into(), line: 3, column: 5 };
        found.note(&at, "a note", "");
        found.error(&at, "`rpm` must be a whole number, not text", "write `rpm: 60`");
        found.error(&at, "`rpm` must be a whole number, not text", "write `rpm: 60`");
        assert_eq!(
            found.to_string(),
            "error: `rpm` must be a whole number, not text\n  --> config.yaml:3:5\n  = hint: write `rpm: 60`\n\
             note: a note\n  --> config.yaml:3:5\n"
        );
    }

    #[test]
    fn suggests_only_what_is_close() {
        let names = ["api_base", "api_key", "rpm", "tpm", "timeout"];
        assert_eq!(closest("api_bas", names), Some("api_base"));
        assert_eq!(closest("timout", names), Some("timeout"));
        assert_eq!(closest("rmp", names), Some("rpm"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(closest("", names), None);
    }
}
