//! The tools against each other, and against servers that lie.

mod faults;
mod liars;
mod mock;
mod passing;
mod stage;
