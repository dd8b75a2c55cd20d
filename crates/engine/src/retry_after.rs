//! When a provider says to come back, in all its spellings.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest wait that is believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait a provider asks for; `None` where it asks for none, or for nonsense.
pub fn hint(headers: &HeaderMap, body: &[u8]) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = header("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    let asked = header("retry-after-ms")
        .and_then(|ms| seconds(ms).map(|ms| ms / 1000.0))
        .and_then(duration)
        .or_else(|| header("retry-after").and_then(|value| after(value, now)))
        .or_else(|| resets(headers))
        .or_else(|| delay_in_body(body))?;
    Some(asked.min(LONGEST))
}

fn seconds(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn after(value: &str, now: SystemTime) -> Option<Duration> {
    match seconds(value) {
        Some(value) => duration(value),
        None => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

/// `x-ratelimit-reset-*` of whatever has run out: `6m0s`, `120ms`, `1.5s`.
fn resets(headers: &HeaderMap) -> Option<Duration> {
    ["requests", "tokens"]
        .into_iter()
        .filter_map(|what| {
            let remaining = headers.get(format!("x-ratelimit-remaining-{what}"))?.to_str().ok()?;
            let reset = headers.get(format!("x-ratelimit-reset-{what}"))?.to_str().ok()?;
            (remaining.trim() == "0").then(|| units(reset)).flatten()
        })
        .max()
}

/// A duration written as numbers with units: `1h2m3.5s`, `120ms`.
pub fn units(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let value = seconds(&rest[..digits])?;
        rest = &rest[digits..];
        let (unit, scale) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit) && !rest[unit.len()..].starts_with(|letter: char| letter.is_ascii_alphabetic()))?;
        rest = &rest[unit.len()..];
        total = total.checked_add(duration(value * scale)?)?;
    }
    Some(total)
}

/// Google's `RetryInfo`, wherever it stands in the body.
fn delay_in_body(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("\"retryDelay\"")?;
    let value = rest.trim_start_matches([' ', ':', '\n', '\t']).strip_prefix('"')?;
    units(value.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood() {
        let of = |pairs: &[(&'static str, &str)], body: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().expect("a header"));
            }
            hint(&headers, body.as_bytes()).map(|wait| wait.as_millis())
        };
        assert_eq!(of(&[("retry-after", "20")], ""), Some(20_000));
        assert_eq!(of(&[("retry-after-ms", "1234")], ""), Some(1234));
        let date = [("date", "Sat, 21 Nov 2026 10:00:00 GMT"), ("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT")];
        assert_eq!(of(&date, ""), Some(30_000));
        assert_eq!(of(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0.5s")], ""), Some(360_500));
        assert_eq!(of(&[("x-ratelimit-remaining-tokens", "9"), ("x-ratelimit-reset-tokens", "6m0s")], ""), None);
        assert_eq!(of(&[], r#"{"details":[{"retryDelay": "34s"}]}"#), Some(34_000));
        assert_eq!(of(&[("retry-after", "999999")], ""), Some(3_600_000));
        for nonsense in ["NaN", "-5", "inf", "soon", "", "Sat, 21 Nov 1990 10:00:00 GMT"] {
            assert_eq!(of(&[("retry-after", nonsense)], ""), None, "{nonsense}");
        }
        assert_eq!(units("120ms"), Some(Duration::from_millis(120)));
        assert_eq!(units("1h2m"), Some(Duration::from_secs(3720)));
        assert_eq!(units("5x"), None);
    }
}
