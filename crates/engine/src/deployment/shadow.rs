//! Where copies of requests go.

/// A model that gets copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// The model.
    pub model: String,
    /// The share of requests that are copied.
    pub share: f64,
    /// The model that compares the answers, where one does.
    pub judge: Option<String>,
    /// Whether the caller's budgets pay; else nobody's do.
    pub charges_caller: bool,
    /// The most copies under way at a time.
    pub at_once: usize,
}

impl Shadow {
    /// How many copies are under way at a time unless said.
    pub const AT_ONCE: usize = 8;

    /// LiteLLM's `silent_model`: every request is copied.
    pub fn silent(model: &str) -> Self {
        Self { model: model.to_owned(), share: 1.0, judge: None, charges_caller: false, at_once: Self::AT_ONCE }
    }
}
