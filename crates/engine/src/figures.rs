//! The headers of an answer that tell what it took.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::meter::Meter;

const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");

/// What a whole answer took.
pub(crate) fn whole(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(cost) = meter.cost().and_then(|cost| HeaderValue::from_str(cost.written().as_str()).ok()) {
        headers.insert(COST, cost);
    }
    headers.extend(millis(meter.elapsed()).map(|millis| (DURATION, millis)));
    overhead(headers, meter);
}

/// What the gateway itself took before the provider was asked.
pub(crate) fn overhead(headers: &mut HeaderMap, meter: &Meter) {
    headers.extend(meter.overhead().and_then(millis).map(|millis| (OVERHEAD, millis)));
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> Option<HeaderValue> {
    let micros = u64::try_from(duration.as_micros()).ok()?;
    let mut whole = itoa::Buffer::new();
    let whole = whole.format(micros / 1000).as_bytes();
    let rest = micros % 1000;
    let mut text = [b'.'; 24];
    text[..whole.len()].copy_from_slice(whole);
    for (at, scale) in [100, 10, 1].into_iter().enumerate() {
        text[whole.len() + 1 + at] = b'0' + (rest / scale % 10) as u8;
    }
    HeaderValue::from_bytes(&text[..whole.len() + 4]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals() {
        let written = |micros| millis(Duration::from_micros(micros)).expect("a header");
        for (micros, text) in [(0, "0.000"), (7, "0.007"), (1_050, "1.050"), (12_345_678, "12345.678"), (u64::MAX, "18446744073709551.615")]
        {
            assert_eq!(written(micros), text);
        }
        assert_eq!(millis(Duration::MAX), None);
    }
}
