//! Times of a crontab: minute, hour, day of the month, month, day of the week.
//!
//! As cron reads them, in UTC: where both days are restricted either will do, and Sunday is 0 and 7.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Minutes at which something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron(Box<croner::Cron>);

const MINUTE: i64 = 60_000_000;

impl Cron {
    /// Reads five fields.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(text).map(|cron| Self(Box::new(cron))).map_err(|error| error.to_string())
    }

    /// Whether the minute of that time, in microseconds since 1970, is one of them.
    pub fn has(&self, at: i64) -> bool {
        // No clock tells a time that either cannot hold.
        let minute = Timestamp::from_microsecond(at - at.rem_euclid(MINUTE));
        minute.is_ok_and(|minute| self.0.is_time_matching(&minute.to_zoned(TimeZone::UTC)).unwrap_or(false))
    }
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
