//! What the writers of requests share.
//!
//! Each writer keeps its state at hand in a `Pen` of its own; these are the pieces that several of them are made of: content that the
//! target cannot take ([`Refusal`]), knobs that it lacks ([`knob`]), names in its alphabet ([`Names`]), the functions it may be offered
//! ([`function`]), the efforts it knows ([`effort`]), schemas in the part of the language that it knows ([`schema`]), the form of an answer
//! in words ([`answer`]) and where instructions amid a conversation go ([`instructions`]). The pieces know the meaning and no dialect.

pub(crate) mod answer;
pub(crate) mod effort;
pub(crate) mod function;
pub(crate) mod instructions;
pub(crate) mod knob;
mod name;
mod refusal;
pub(crate) mod schema;

pub(crate) use name::{Names, is_word, plain, renamed, unused};
pub(crate) use refusal::Refusal;
