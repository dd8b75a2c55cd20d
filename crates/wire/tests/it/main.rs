//! Laws over whole exchanges: what the dialects owe each other, checked on recorded traffic where it is at hand and on our own
//! fixtures everywhere.
//!
//! `laws` holds them against every exchange, `broken` against broken ones. `answers`, `requests` and `verbatim` are the laws, `corpus`
//! the exchanges, `meaning` and `asked` what is compared, `limits` and `explained` what may differ and why, `ledger` and `page` the
//! account that is given in `docs/fidelity.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so by breaking off")]

mod answers;
mod asked;
mod beside;
mod bounds;
mod broken;
mod cited;
mod corpus;
mod cutting;
mod explained;
mod foreign;
mod laws;
mod ledger;
mod likely;
mod limits;
mod marks;
mod meaning;
mod narrow;
mod oracle;
mod page;
mod pieced;
mod problems;
mod requests;
mod respelled;
mod several;
mod shapes;
mod sounds;
mod verbatim;
mod words;
