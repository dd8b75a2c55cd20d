use proptest::prelude::*;

use super::*;

fn of(pairs: &[(&'static str, &str)], body: &str) -> Option<u128> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().expect("a header"));
    }
    hint(&headers, body.as_bytes(), true).map(|wait| wait.as_millis())
}

/// Headers, and the milliseconds they ask for.
type Case = (&'static [(&'static str, &'static str)], Option<u128>);

const DATE: &str = "Sat, 21 Nov 2026 10:00:00 GMT";

#[test]
fn headers_are_understood_in_every_spelling() {
    let cases: &[Case] = &[
        (&[("retry-after", "20")], Some(20_000)),
        (&[("retry-after", " 20 ")], Some(20_000)),
        (&[("retry-after", "0")], Some(0)),
        (&[("retry-after", "1.5")], Some(1_500)),
        (&[("retry-after", "1e2")], Some(100_000)),
        (&[("retry-after-ms", "1234")], Some(1_234)),
        (&[("retry-after-ms", "0.5")], Some(0)),
        (&[("retry-after-ms", "1234"), ("retry-after", "9")], Some(1_234)),
        (&[("retry-after-ms", "soon"), ("retry-after", "9")], Some(9_000)),
        (&[("date", DATE), ("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT")], Some(30_000)),
        (&[("date", DATE), ("retry-after", "Saturday, 21-Nov-26 10:01:00 GMT")], Some(60_000)),
        (&[("date", DATE), ("retry-after", "Sat Nov 21 10:00:07 2026")], Some(7_000)),
        (&[("date", DATE), ("retry-after", "Sat, 21 Nov 2026 09:59:59 GMT")], None),
        (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0.5s")], Some(360_500)),
        (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "120ms")], Some(120)),
        (&[("x-ratelimit-remaining-requests", "9"), ("x-ratelimit-reset-requests", "6m0s")], None),
        (&[("x-ratelimit-reset-requests", "6m0s")], Some(360_000)),
        (&[("x-ratelimit-remaining-tokens", "9"), ("x-ratelimit-reset-requests", "6m0s")], None),
        (&[("date", DATE), ("anthropic-ratelimit-tokens-reset", "2026-11-21T10:00:30Z")], Some(30_000)),
        (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "5x")], None),
        (
            &[("date", DATE), ("anthropic-ratelimit-tokens-remaining", "0"), ("anthropic-ratelimit-tokens-reset", "2026-11-21T10:00:30Z")],
            Some(30_000),
        ),
        (
            &[
                ("date", DATE),
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "2026-11-21T12:00:30.25+02:00"),
            ],
            Some(30_250),
        ),
        (
            &[
                ("date", DATE),
                ("anthropic-ratelimit-requests-remaining", "3"),
                ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:30Z"),
            ],
            None,
        ),
        (&[("retry-after", "999999")], Some(3_600_000)),
        (&[("retry-after", "1e300")], None),
    ];
    for (headers, wanted) in cases {
        assert_eq!(of(headers, ""), *wanted, "{headers:?}");
    }
    for nonsense in ["NaN", "-5", "inf", "-inf", "soon", "", "1,5", "0x10", "Sat, 21 Nov 1990 10:00:00 GMT", "\u{feff}7"] {
        let value = http::HeaderValue::from_bytes(nonsense.as_bytes()).expect("bytes");
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, value)]);
        assert_eq!(hint(&headers, b"", true), None, "{nonsense}");
    }
}

#[test]
fn bodies_are_understood() {
    let cases = [
        (r#"{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay": "34s"}]}"#, Some(34_000)),
        (r#"{"details":[{"retryDelay":"0.5s"}]}"#, Some(500)),
        (r#"{"details":[{"retryDelay": 34}]}"#, None),
        (r#"{"error":{"message":"Rate limit reached. Please try again in 20s. Visit us."}}"#, Some(20_000)),
        (r#"{"error":{"message":"Please try again in 6m0s."}}"#, Some(360_000)),
        (r#"{"error":{"message":"please retry after 2 seconds"}}"#, Some(2_000)),
        (r#"{"error":{"message":"quota will reset after 2m 13s."}}"#, Some(133_000)),
        (r#"{"error":{"message":"Please try again in 857ms."}}"#, Some(857)),
        (r#"{"error":{"message":"Please try again in 1.5s"}}"#, Some(1_500)),
        (r#"{"error":{"message":"try again in 3 minutes"}}"#, Some(180_000)),
        (r#"{"error":{"message":"try again in a while"}}"#, None),
        (r#"{"error":{"message":"try again in 5 apples"}}"#, None),
        (r#"{"error":{"message":"wait"}}"#, None),
        ("", None),
    ];
    for (body, wanted) in cases {
        assert_eq!(of(&[], body), wanted, "{body}");
    }
    assert_eq!(hint(&HeaderMap::new(), b"\xff try again in 5s", true), None, "no text at all");
}

/// Every unit by many numbers: what is written is what is read, up to the bound.
#[test]
fn units_are_read_as_written() {
    let mut vectors = 0;
    for value in [0_u64, 1, 2, 7, 12, 30, 59, 60, 61, 100, 999, 1000, 3599, 3600, 86_400] {
        for (unit, millis) in [("ms", 1_u64), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)] {
            let wanted = Some(u128::from((value * millis).min(3_600_000)));
            let text = format!("{value}{unit}");
            let reset = of(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", &text)], "");
            assert_eq!(reset, wanted, "{text}");
            assert_eq!(of(&[], &format!("{{\"retryDelay\":\"{text}\"}}")), wanted, "{text}");
            assert_eq!(of(&[], &format!("Try again in {text}.")), wanted, "{text}");
            assert_eq!(of(&[], &format!("Try again in {value} {unit}")), wanted, "{text}");
            vectors += 4;
        }
    }
    assert!(vectors >= 240, "{vectors}");
    assert_eq!(units("1h2m"), Some(Duration::from_secs(3720)));
    assert_eq!(units("5x"), None);
}

proptest! {
    #[test]
    fn nothing_asks_for_more_than_the_bound(name in 0..5_usize, value in "[ -~]{0,40}", body in ".{0,120}") {
        let names = ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset", "date"];
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-remaining-tokens", http::HeaderValue::from_static("0"));
        headers.insert("anthropic-ratelimit-tokens-remaining", http::HeaderValue::from_static("0"));
        headers.insert(names[name], value.parse().expect("printable"));
        prop_assert!(hint(&headers, body.as_bytes(), true).is_none_or(|wait| wait <= LONGEST));
        let words = ["try again in ", &body].concat();
        prop_assert!(hint(&headers, words.as_bytes(), true).is_none_or(|wait| wait <= LONGEST));
    }
}

#[test]
fn who_was_not_limited_waits_for_no_reset_that_may_be_nothing_to_him() {
    let headers =
        HeaderMap::from_iter([(http::HeaderName::from_static("x-ratelimit-reset-requests"), http::HeaderValue::from_static("6m0s"))]);
    assert_eq!(hint(&headers, b"", false), None);
}
