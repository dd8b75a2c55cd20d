//! The headers of an answer that tell what it took.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::{Exact, PicoUsd};
use crate::meter::{Bill, Meter};
use crate::principal::Principal;
use crate::terms::{Level, Mode, NanoUsd, Unit};

const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const LIST: HeaderName = HeaderName::from_static("x-litellm-response-cost-original");
const DISCOUNT: HeaderName = HeaderName::from_static("x-litellm-response-cost-discount-amount");
const MARGIN: HeaderName = HeaderName::from_static("x-litellm-response-cost-margin-amount");
const MARGIN_SHARE: HeaderName = HeaderName::from_static("x-litellm-response-cost-margin-percent");
const INPUT: HeaderName = HeaderName::from_static("x-litellm-response-cost-input");
const OUTPUT: HeaderName = HeaderName::from_static("x-litellm-response-cost-output");
const CACHE_READ: HeaderName = HeaderName::from_static("x-litellm-response-cost-cache-read");
const CACHE_WRITE: HeaderName = HeaderName::from_static("x-litellm-response-cost-cache-creation");
const REASONING: HeaderName = HeaderName::from_static("x-litellm-response-cost-reasoning");
const TOOLS: HeaderName = HeaderName::from_static("x-litellm-response-cost-tool-usage");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const KEY_SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
const KEY_BUDGET: HeaderName = HeaderName::from_static("x-litellm-key-max-budget");
const KEY_TOKENS: HeaderName = HeaderName::from_static("x-litellm-key-tpm-limit");
const KEY_REQUESTS: HeaderName = HeaderName::from_static("x-litellm-key-rpm-limit");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");

/// What a whole answer took.
pub(crate) fn whole(headers: &mut HeaderMap, meter: &mut Meter) {
    let bill = meter.reckon();
    if let Some(bill) = &bill {
        costs(headers, bill);
    }
    headers.extend(millis(meter.elapsed()).map(|millis| (DURATION, millis)));
    told(headers, meter, bill.map_or(NanoUsd::ZERO, |bill| NanoUsd::from_pico(bill.charged.pico())));
}

/// What it cost, and how that came about.
fn costs(headers: &mut HeaderMap, bill: &Bill) {
    let parts = &bill.parts;
    let always = [
        (COST, bill.charged.pico()),
        (LIST, bill.list.pico()),
        (DISCOUNT, bill.discount().pico()),
        (MARGIN, bill.margin().pico()),
        (MARGIN_SHARE, bill.margin_share().as_money()),
        // What the cache had stands apart.
        (INPUT, parts.input.minus(parts.cache_read).minus(parts.cache_write).pico()),
        (OUTPUT, parts.output.pico()),
        (TOOLS, parts.tools.pico()),
    ];
    let some = [(CACHE_READ, parts.cache_read), (CACHE_WRITE, parts.cache_write), (REASONING, parts.reasoning)];
    let some = some.into_iter().filter(|(_, cost)| *cost != Exact::ZERO).map(|(name, cost)| (name, cost.pico()));
    headers.reserve(always.len() + 4);
    for (name, cost) in always.into_iter().chain(some) {
        // As other gateways write a number, so that nobody takes nothing for a whole number.
        let value = if cost == PicoUsd(0) { Ok(HeaderValue::from_static("0.0")) } else { HeaderValue::from_str(cost.written().as_str()) };
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    }
}

/// What a key has spent and may spend; nothing for who has none. `more` is not in the books yet.
pub fn key(principal: &Principal, more: NanoUsd) -> Vec<(HeaderName, HeaderValue)> {
    let Some(scope) = principal.scopes.iter().find(|scope| scope.id.level == Level::Key && scope.id.model.is_none()) else {
        return Vec::new();
    };
    let terms = scope.terms();
    let money = |amount: NanoUsd| HeaderValue::from_str(PicoUsd(i128::from(amount.0) * 1000).written().as_str()).ok();
    let count = |unit| terms.limits.iter().find(|limit| limit.unit == unit).map(|limit| HeaderValue::from(limit.amount));
    let budget = terms.budgets.iter().find(|budget| budget.mode == Mode::Enforce);
    let told = [
        (KEY_SPEND, money(scope.spent().plus(more))),
        (KEY_BUDGET, budget.and_then(|budget| money(budget.limit))),
        (KEY_TOKENS, count(Unit::Tokens)),
        (KEY_REQUESTS, count(Unit::Requests)),
    ];
    told.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What the gateway itself took before the provider was asked, and what stands on every answer.
pub(crate) fn overhead(headers: &mut HeaderMap, meter: &Meter) {
    let cost = meter.cost().map_or(NanoUsd::ZERO, NanoUsd::from_pico);
    told(headers, meter, cost);
}

/// How far the limits are used, what the key has spent with this answer, and what the gateway itself took.
fn told(headers: &mut HeaderMap, meter: &Meter, cost: NanoUsd) {
    headers.extend(meter.tab().map(|tab| tab.headers()).unwrap_or_default());
    headers.extend(meter.principal().map(|principal| key(principal, cost)).unwrap_or_default());
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
