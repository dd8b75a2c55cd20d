//! A bound whose prompt is counted, beside other calls.

use switchboard_wire::{Operation, prepare};

use super::Bound;
use crate::call::{Call, Content};
use crate::estimate::is_ready;

/// Longer prompts are counted on another thread.
const SHORT: usize = 16 * 1024;

/// The prompt counted, where it can be read.
pub(crate) async fn counted(call: &Call, bound: Bound) -> Bound {
    // Nobody counts what stands where only its provider reads it.
    let (Content::Json(_), true) = (&call.content, call.laid.is_empty()) else { return bound };
    if !matches!(call.door.operation, Operation::Chat | Operation::Compact) {
        return bound;
    }
    let Ok(request) = prepare::read(call.door.dialect, &call.head(), &call.body) else { return bound };
    if call.body.len() <= SHORT && is_ready() {
        return bound.counted(&request);
    }
    let plain = bound.clone();
    tokio::task::spawn_blocking(move || bound.counted(&request)).await.unwrap_or(plain)
}
