//! Tests of the server over real sockets.
#![allow(missing_docs, reason = "tests")]

mod edge;
