//! When a provider says to come back, in all its spellings.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest wait that is believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait a provider asks for; `None` where it asks for none, or for nonsense. Who is `limited` has run out of what comes back later.
pub fn hint(headers: &HeaderMap, body: &[u8], limited: bool) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = header("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    let asked = header("retry-after-ms")
        .and_then(|ms| seconds(ms).map(|ms| ms / 1000.0))
        .and_then(duration)
        .or_else(|| header("retry-after").and_then(|value| after(value, now)))
        .or_else(|| resets(headers, limited))
        .or_else(|| dated_resets(headers, now, limited))
        .or_else(|| delay_in_body(body))
        .or_else(|| delay_in_words(body))?;
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
fn resets(headers: &HeaderMap, limited: bool) -> Option<Duration> {
    let names = |what| [format!("x-ratelimit-remaining-{what}"), format!("x-ratelimit-reset-{what}")];
    latest(headers, ["requests", "tokens"].map(names), limited, units)
}

/// `anthropic-ratelimit-*-reset` of whatever has run out: dates.
fn dated_resets(headers: &HeaderMap, now: SystemTime, limited: bool) -> Option<Duration> {
    let names = |what| ["remaining", "reset"].map(|part| format!("anthropic-ratelimit-{what}-{part}"));
    latest(headers, ["requests", "tokens", "input-tokens", "output-tokens"].map(names), limited, |date| {
        instant(date)?.duration_since(now).ok()
    })
}

/// When the last comes back of what has run out. Where nothing is said of what remains, all of it may have.
fn latest<const N: usize>(
    headers: &HeaderMap,
    names: [[String; 2]; N],
    limited: bool,
    read: impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let header = |name: &String| headers.get(name).and_then(|value| value.to_str().ok());
    let unsaid = limited && names.iter().all(|[remaining, _]| header(remaining).is_none());
    let run_out = |remaining| unsaid || header(remaining).is_some_and(|left| left.trim() == "0");
    names.iter().filter(|[remaining, _]| run_out(remaining)).filter_map(|[_, reset]| read(header(reset)?)).max()
}

/// A date as RFC 3339 has it: `2026-11-21T10:00:30Z`, `2026-11-21T12:00:30.5+02:00`.
fn instant(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let number = |from: usize, to: usize| {
        text.get(from..to).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?.parse::<u64>().ok()
    };
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = &text[19..];
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let fraction = match &rest[..zone] {
        "" => 0.0,
        digits => format!("0{digits}").parse::<f64>().ok().filter(|_| digits.starts_with('.'))?,
    };
    let offset = match &rest[zone..] {
        "Z" | "z" => 0,
        signed => {
            let (hours, minutes) = signed[1..].split_once(':')?;
            let seconds = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if signed.starts_with('-') { -seconds } else { seconds }
        }
    };
    // Days since 1970 by the civil calendar, whose year begins in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1 - 719_468;
    let seconds = i64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()? - offset;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?.checked_add(duration(fraction)?)
}

/// The last resort: "try again in 20s", "reset after 2m 13s", "retry in 1.5 seconds".
fn delay_in_words(body: &[u8]) -> Option<Duration> {
    const BEFORE: [&str; 6] = ["try again in ", "retry in ", "retry after ", "reset after ", "resets in ", "wait "];
    let text = std::str::from_utf8(body).ok()?.to_ascii_lowercase();
    let rest = BEFORE.iter().find_map(|words| text.split_once(words).map(|(_, rest)| rest))?;
    let mut total: Option<Duration> = None;
    let mut rest = rest;
    // Numbers with units, in a row, with or without blanks.
    loop {
        rest = rest.trim_start_matches(' ');
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let Some(value) = seconds(rest[..digits].trim_end_matches('.')) else { return total };
        let unit = rest[digits..].trim_start_matches(' ');
        let word = unit.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(unit.len());
        let scale = match &unit[..word] {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => return total,
        };
        total = Some(total.unwrap_or_default().checked_add(duration(value * scale)?)?);
        rest = &unit[word..];
    }
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
mod tests;
