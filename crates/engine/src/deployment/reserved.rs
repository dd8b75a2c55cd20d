//! Deployments that are kept for teams: always, or at times of the day.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// For whom a deployment is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reserved {
    /// The only team it serves.
    pub team: Option<String>,
    /// Times at which it serves some teams alone.
    pub windows: Vec<AccessWindow>,
}

/// A time of every day at which a deployment serves some teams alone.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessWindow {
    /// When it begins.
    pub start: Time,
    /// When it ends; before its beginning: on the next day.
    pub end: Time,
    /// Where the clock hangs.
    pub zone: TimeZone,
    /// The name of that zone, as written.
    pub zone_name: String,
    /// Who is served.
    pub teams: Vec<String>,
}

impl Reserved {
    /// Whether it is kept for nobody.
    pub fn is_nobodys(&self) -> bool {
        self.team.is_none() && self.windows.is_empty()
    }
}

impl AccessWindow {
    /// The window between those times of day (`09:00`) in that zone (an IANA name), or why there is none.
    pub fn of(start: &str, end: &str, zone_name: &str, teams: Vec<String>) -> Result<Self, String> {
        let time = |text: &str| text.trim().parse::<Time>().map_err(|_| format!("`{text}` is no time of day"));
        let (start, end) = (time(start)?, time(end)?);
        let zone = TimeZone::get(zone_name).map_err(|_| format!("unknown IANA timezone '{zone_name}'"))?;
        match (start == end, teams.is_empty()) {
            (true, _) => Err("start and end must differ".to_owned()),
            (_, true) => Err("`team_ids` names nobody".to_owned()),
            _ => Ok(Self { start, end, zone, zone_name: zone_name.to_owned(), teams }),
        }
    }

    /// Whether it is that time now. The end is no part of it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let time = now.to_zoned(self.zone.clone()).time();
        match self.start < self.end {
            true => self.start <= time && time < self.end,
            false => time >= self.start || time < self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str, zone: &str, team: &str) -> AccessWindow {
        AccessWindow::of(start, end, zone, vec![team.to_owned()]).expect("a window")
    }

    #[test]
    fn a_window_is_open_by_its_own_clock() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        for (start, end, zone, now, open) in [
            ("09:00", "17:00", "UTC", "2026-11-21T09:00:00Z", true),
            ("09:00", "17:00", "UTC", "2026-11-21T17:00:00Z", false),
            ("09:00", "17:00", "Europe/Berlin", "2026-11-21T08:30:00Z", true),
            ("09:00", "17:00", "Europe/Berlin", "2026-11-21T16:30:00Z", false),
            ("22:00", "06:00", "UTC", "2026-11-21T23:00:00Z", true),
            ("22:00", "06:00", "UTC", "2026-11-21T05:59:59Z", true),
            ("22:00", "06:00", "UTC", "2026-11-21T06:00:00Z", false),
        ] {
            assert_eq!(window(start, end, zone, "a").is_open(at(now)), open, "{start} {end} {zone} {now}");
        }
    }
}
