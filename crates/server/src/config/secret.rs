//! Values that must never be printed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A credential. It has no `Display` and no serde; its `Debug` says only that it is there; its memory is overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Zeroizing<String>,
    /// The reference it was read through.
    reference: Option<Arc<str>>,
}

impl Secret {
    /// Takes the value over.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret { value: Zeroizing::new(value.into()), reference: None }
    }

    /// Remembers the reference it was read through.
    #[must_use]
    pub fn through(self, reference: Option<Arc<str>>) -> Secret {
        Secret { reference, ..self }
    }

    /// The reference it was read through.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// The value itself, for the one call that must send or compare it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(set)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_does_not_show_the_value() {
        let secret = Secret::new("sk-very-secret");
        assert_eq!(format!("{secret:?}"), "Secret(set)");
        assert_eq!(secret.expose(), "sk-very-secret");
    }
}
