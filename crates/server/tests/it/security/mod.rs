//! What must never happen, asked of every route: the rows A1 to A5, S1, S2, S6, X1, X2 and X10, and the failures of other gateways.

mod canaries;
mod foreign;
mod grid;
mod injection;
mod matrix;
mod outward;
mod tenants;
