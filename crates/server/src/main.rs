//! The `switchboard` binary.
//!
//! Memory comes from mimalloc. A call makes and frees some hundred small things, most of them on the thread that made them and some
//! on the one that writes the ledger: what it costs to serve a call falls by a tenth against the C library's allocator, and memory
//! that a burst took goes back.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    switchboard_server::command::run()
}
