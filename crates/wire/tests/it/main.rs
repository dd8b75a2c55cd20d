//! Laws over whole exchanges: what the dialects owe each other, checked on recorded traffic where it is at hand and on our own
//! fixtures everywhere.

mod answers;
mod asked;
mod broken;
mod corpus;
mod cutting;
mod limits;
mod meaning;
mod oracle;
mod requests;
mod verbatim;
