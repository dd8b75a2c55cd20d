//! `/`: what this is, and how to point a client at it.

use crate::html::{escape, page};

const CONTENT: &str = include_str!("home.html");

/// The page of a gateway that clients reach at that URL, with examples that ask that model.
pub(super) fn render(base: &str, model: &str) -> String {
    page("Switchboard", &CONTENT.replace("{base}", &escape(base)).replace("{model}", &escape(model)))
}
