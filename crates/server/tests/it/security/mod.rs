//! What must never happen, asked of every route: the rows A1 to A5, A7, S1, S2, S6, X1, X2, X6, X7, X10 and P13, and the failures of other gateways.

mod canaries;
mod credentials;
mod foreign;
mod grid;
mod injection;
mod lines;
mod matrix;
mod outward;
mod paths;
mod peers;
mod tenants;
