//! What a translation could not carry.

use std::borrow::Cow;
use std::fmt;

/// Why something is not in the translation as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The target has no such field.
    NoEquivalent,
    /// The target's range is smaller; the nearest value was sent.
    Clamped,
    /// The nearest thing the target has was sent.
    Approximated,
}

/// A knob that a translation could not carry as it was. Content is never lost this way: it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The field, in the caller's words (a dotted path).
    pub field: Cow<'static, str>,
    /// Why.
    pub why: Why,
}

/// The losses of one translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    list: Vec<Loss>,
}

impl Losses {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a loss, once.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, why: Why) {
        let loss = Loss { field: field.into(), why };
        if !self.list.contains(&loss) {
            self.list.push(loss);
        }
    }

    /// Records that the target has no such field.
    pub fn dropped(&mut self, field: impl Into<Cow<'static, str>>) {
        self.add(field, Why::NoEquivalent);
    }

    /// The losses, in the order met.
    pub fn list(&self) -> &[Loss] {
        &self.list
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The same but for those fields.
    #[must_use]
    pub fn without(mut self, is_left_out: impl Fn(&str) -> bool) -> Self {
        self.list.retain(|loss| !is_left_out(&loss.field));
        self
    }

    /// Adds all of another translation's.
    pub fn extend(&mut self, other: Losses) {
        for loss in other.list {
            self.add(loss.field, loss.why);
        }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, loss) in self.list.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let why = match loss.why {
                Why::NoEquivalent => "",
                Why::Clamped => ";clamped",
                Why::Approximated => ";approximated",
            };
            write!(out, "{comma}{}{why}", loss.field)?;
        }
        Ok(())
    }
}
