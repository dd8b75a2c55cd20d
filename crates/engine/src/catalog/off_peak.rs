//! A provider's quiet hours.

/// Whether a moment lies in the quiet hours a card names as `weekdays@from-to|from-to;…`. `weekday` is 1 for Monday to 7 for
/// Sunday, in the zone the card names for weekdays; `minute` counts from midnight UTC.
pub fn is_off_peak(hours: &str, weekday: u8, minute: u16) -> bool {
    hours
        .split(';')
        .filter_map(|window| window.split_once('@'))
        .any(|(days, spans)| days.split(',').any(|day| day.parse() == Ok(weekday)) && spans.split('|').any(|span| holds(span, minute)))
}

/// `from-to`, where `to` at or before `from` means through midnight: `00:00-00:00` is the whole day.
fn holds(span: &str, minute: u16) -> bool {
    let Some((from, to)) = span.split_once('-') else {
        return false;
    };
    match (minutes(from), minutes(to)) {
        (Some(from), Some(to)) if from < to => (from..to).contains(&minute),
        (Some(from), Some(to)) => minute >= from || minute < to,
        _ => false,
    }
}

fn minutes(clock: &str) -> Option<u16> {
    let (hours, minutes) = clock.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::is_off_peak;

    #[test]
    fn windows_hold_by_weekday_and_hour() {
        let hours = "1,2,3,4,5@00:00-01:00|04:00-06:00|10:00-00:00;6,7@00:00-00:00";
        for (weekday, minute, expected) in [
            (1, 0, true),
            (1, 59, true),
            (1, 60, false),
            (3, 5 * 60, true),
            (3, 6 * 60, false),
            (5, 10 * 60, true),
            (5, 23 * 60 + 59, true),
            (6, 8 * 60, true),
            (7, 0, true),
            (8, 0, false),
        ] {
            assert_eq!(is_off_peak(hours, weekday, minute), expected, "{weekday} {minute}");
        }
    }

    #[test]
    fn hours_that_cannot_be_read_are_none() {
        for hours in ["", "1", "1@", "1@x-y", "1@25:00-26:00", "@00:00-01:00", "1@00:00"] {
            assert!(!is_off_peak(hours, 1, 0), "{hours}");
        }
    }
}
