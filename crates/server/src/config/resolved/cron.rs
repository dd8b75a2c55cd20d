//! Times of a crontab: minute, hour, day of the month, month, day of the week.
//!
//! As cron reads them, in UTC: where both days are restricted either will do, and Sunday is 0 and 7.

use switchboard_engine::admit::date;

/// Minutes at which something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether only one of the two kinds of days is restricted, so that both must fit.
    both: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MINUTE: i64 = 60_000_000;

impl Cron {
    /// Reads five fields.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("`{text}` has {} fields, not five", fields.len()));
        };
        let weekdays = field(weekday, (0, 7), &WEEKDAYS, 0)?;
        Ok(Self {
            minutes: field(minute, (0, 59), &[], 0)?,
            hours: field(hour, (0, 23), &[], 0)?,
            days: field(day, (1, 31), &[], 0)?,
            months: field(month, (1, 12), &MONTHS, 1)?,
            weekdays: weekdays | weekdays >> 7,
            both: day.starts_with('*') || weekday.starts_with('*'),
        })
    }

    /// Whether the minute of that time, in microseconds since 1970, is one of them.
    pub fn has(&self, at: i64) -> bool {
        let minutes = at.div_euclid(MINUTE);
        let (_, month, day) = date(at);
        let weekday = (minutes.div_euclid(24 * 60) + 4).rem_euclid(7);
        let is_in = |set: u64, number: i64| set >> number & 1 == 1;
        let (day, weekday) = (is_in(self.days, day), is_in(self.weekdays, weekday));
        is_in(self.minutes, minutes.rem_euclid(60))
            && is_in(self.hours, minutes.div_euclid(60).rem_euclid(24))
            && is_in(self.months, month)
            && if self.both { day && weekday } else { day || weekday }
    }
}

/// The numbers of a field, one bit each: `*`, `5`, `1-5`, `*/15`, `mon-fri`, and lists of these.
fn field(text: &str, (least, most): (u32, u32), names: &[&str], first: u32) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not within {least} to {most}");
    let number = |word: &str| {
        let named = names.iter().position(|name| word.eq_ignore_ascii_case(name)).and_then(|at| u32::try_from(at).ok());
        let number = named.map(|at| at + first).or_else(|| word.parse().ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(wrong)
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step = step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(wrong());
        }
        (from..=to).step_by(step).for_each(|number| set |= 1_u64 << number);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 21 November 2026, a Saturday, 20:05 UTC.
    const AT: i64 = 1_795_291_500_000_000;

    #[test]
    fn minutes_are_found_as_cron_finds_them() {
        for fits in ["* * * * *", "5 20 * * *", "*/5 * 21 nov *", "0-10/5 18-20 * 11 sat", "5 20 1 * 6", "5 20 21 * mon", "5 20 * * 0,6"] {
            assert!(Cron::parse(fits).expect(fits).has(AT), "{fits}");
        }
        for other in ["6 20 * * *", "5 4 * * *", "5 20 22 * *", "5 20 * 12 *", "5 20 * * 0", "5 20 * * 7", "5 20 1 * mon"] {
            assert!(!Cron::parse(other).expect(other).has(AT), "{other}");
        }
    }

    #[test]
    fn what_is_no_crontab_is_refused() {
        for bad in
            ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "x * * * *"]
        {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }
}
