//! The headers that tell what an answer took.

use http::header::HeaderMap;

use crate::dispatch::add;
use crate::meter::Meter;

/// The headers that tell what a whole answer took.
pub(crate) fn whole(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(cost) = meter.cost() {
        add(headers, "x-litellm-response-cost", &cost.to_string());
    }
    add(headers, "x-litellm-response-duration-ms", &millis(meter.elapsed()));
    overhead(headers, meter);
}

pub(crate) fn overhead(headers: &mut HeaderMap, meter: &Meter) {
    if let Some(overhead) = meter.overhead() {
        add(headers, "x-litellm-overhead-duration-ms", &millis(overhead));
    }
}

fn millis(duration: std::time::Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
