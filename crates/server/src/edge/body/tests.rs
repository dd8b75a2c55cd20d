use super::*;

#[test]
fn frames_stay_as_they_came() {
    let mut frames = Frames::default();
    for piece in ["he", "", "llo"] {
        frames.push(Bytes::from_static(piece.as_bytes()));
    }
    frames.finish();
    assert_eq!(frames.as_slice(), ["he", "llo"]);
    assert_eq!((frames.len(), frames.into_bytes().as_ref()), (5, b"hello".as_slice()));
}

#[test]
fn floods_of_tiny_frames_are_gathered_in_order() {
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
    let mut frames = Frames::default();
    for byte in &bytes[..150_000] {
        frames.push(Bytes::copy_from_slice(&[*byte]));
    }
    frames.push(Bytes::copy_from_slice(&bytes[150_000..190_000]));
    for byte in &bytes[190_000..] {
        frames.push(Bytes::copy_from_slice(&[*byte]));
    }
    frames.finish();
    assert!(frames.as_slice().len() < FRAMES_KEPT + 15, "{}", frames.as_slice().len());
    assert_eq!(frames.len(), bytes.len());
    assert_eq!(frames.into_bytes(), bytes);
}

#[test]
fn bytes_buy_time_up_to_the_total() {
    let limits = BodyLimits { min_rate: 1024, ..BodyLimits::default() };
    let pace = Pace { limits: limits.clone(), started: None, sleep: None };
    assert_eq!(pace.allowance(0), limits.grace);
    assert_eq!(pace.allowance(10 * 1024), limits.grace + Duration::from_secs(10));
    assert_eq!(pace.allowance(u64::MAX), limits.total);
}

#[test]
fn only_identity_is_no_encoding() {
    let check = |value: &'static str, expected| {
        let headers = [(header::CONTENT_ENCODING, http::HeaderValue::from_static(value))];
        assert_eq!(is_encoded(&HeaderMap::from_iter(headers)), expected, "{value}");
    };
    check("identity", false);
    check("Identity", false);
    check("", false);
    check("gzip", true);
    check("identity, gzip", true);
    assert!(!is_encoded(&HeaderMap::new()));
}
