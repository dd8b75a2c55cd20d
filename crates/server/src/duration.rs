//! Lengths of time as LiteLLM writes them: `30s`, `5m`, `2h`, `7d`, `2w`, `1mo`.

use switchboard_engine::terms::length;

/// A length in seconds; a month counts as thirty days.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let (number, unit) = length(text)?;
    let each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "mo" => 30 * 86_400,
        _ => return None,
    };
    i64::try_from(number).ok()?.checked_mul(each).filter(|seconds| *seconds <= 100 * 366 * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, length) in [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("2w", 1_209_600), ("1mo", 2_592_000)] {
            assert_eq!(seconds(text), Some(length));
        }
        for (text, length) in [("30sec", 30), ("5min", 300), ("24hours", 86_400), ("30days", 2_592_000), ("1month", 2_592_000)] {
            assert_eq!(seconds(text), Some(length), "{text}");
        }
        for bad in ["", "d", "5", "5x", "1 fortnight", "5d!", "-1d", "99999999999999d", "999999d"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
