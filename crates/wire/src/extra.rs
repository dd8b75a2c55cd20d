//! Fields that a dialect has and the meaning has not.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialect::Dialect;

/// Fields a dialect has and the meaning has not. They are written back only to the dialect they came from; towards any other
/// they are a loss.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    from: Option<Dialect>,
    fields: Vec<(String, Box<RawValue>)>,
    notes: Vec<(&'static str, Cow<'static, str>)>,
}

impl Extra {
    /// No fields yet, of that dialect.
    pub fn new(from: Dialect) -> Self {
        Self { from: Some(from), fields: Vec::new(), notes: Vec::new() }
    }

    /// Adds a field.
    pub fn push(&mut self, key: impl Into<String>, value: Box<RawValue>) {
        self.fields.push((key.into(), value));
    }

    /// Takes a field away. Whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.fields.len();
        self.fields.retain(|(known, _)| known != key);
        self.fields.len() < before
    }

    /// The fields, if they came from that dialect.
    pub fn of(&self, dialect: Dialect) -> &[(String, Box<RawValue>)] {
        if self.from == Some(dialect) { &self.fields } else { &[] }
    }

    /// The fields, whatever dialect they came from.
    pub fn fields(&self) -> &[(String, Box<RawValue>)] {
        &self.fields
    }

    /// The dialect the fields came from.
    pub fn from(&self) -> Option<Dialect> {
        self.from
    }

    /// Remembers how the caller spelled what the meaning holds, where a dialect has several spellings. Of no consequence to any other
    /// dialect, so never a loss and no part of equality.
    pub fn note(&mut self, key: &'static str, value: impl Into<Cow<'static, str>>) {
        self.notes.retain(|(known, _)| *known != key);
        self.notes.push((key, value.into()));
    }

    /// Forgets what was noted under that key.
    pub fn forget(&mut self, key: &str) {
        self.notes.retain(|(known, _)| *known != key);
    }

    /// What was noted under that key by that dialect.
    pub fn noted(&self, dialect: Dialect, key: &str) -> Option<&str> {
        let found = self.notes.iter().find(|(known, _)| *known == key)?;
        (self.from == Some(dialect)).then_some(&*found.1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        let texts = |extra: &Self| extra.fields.iter().map(|(key, raw)| (key.clone(), raw.get().to_owned())).collect::<Vec<_>>();
        self.fields.is_empty() && other.fields.is_empty() || self.from == other.from && texts(self) == texts(other)
    }
}
