//! The `switchboard` binary.

use std::process::ExitCode;

/// A request makes some hundred small allocations; the system's allocator spends a tenth of a request's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    switchboard_server::command::run()
}
