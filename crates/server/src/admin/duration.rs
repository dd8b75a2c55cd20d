//! When what lasts so long is over.

use switchboard_store::Time;

use crate::duration::seconds;
use crate::refused::Refused;

/// When a time from now on is over: `30s`, `5m`, `2h`, `7d`, `2w`, `1mo`.
pub(super) fn after(now: Time, text: &str) -> Result<Time, Refused> {
    seconds(text).map(|seconds| now.plus_seconds(seconds)).ok_or_else(|| {
        Refused::bad(format!("Invalid duration format: '{text}'. Write a number and a unit, such as 30s, 5m, 2h, 7d, 2w or 1mo"))
    })
}
