//! Deployments that are kept for teams: always, or at times of the day.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::principal::{MASTER, OPEN, Principal};

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

    /// Whether it serves that caller as far as teams go. The administrator's key, and a gateway that asks for none, belong to all of
    /// them; tokens and sessions, which have no key either, do not.
    pub fn is_for(&self, principal: &Principal) -> bool {
        let administers = principal.key_hash.is_none() && matches!(principal.key.as_str(), MASTER | OPEN);
        self.team.is_none() || self.team == principal.team || administers
    }

    /// The window that keeps it from that caller now. Of several that are open, being in one is enough.
    pub fn closed_by(&self, principal: &Principal, now: Timestamp) -> Option<&AccessWindow> {
        let open = || self.windows.iter().filter(|window| window.is_open(now));
        let team = principal.team.as_ref();
        let first = open().next()?;
        let is_in = team.is_some_and(|team| open().any(|window| window.teams.contains(team)));
        (!is_in).then_some(first)
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

    #[test]
    fn a_teams_deployment_is_for_the_team_and_the_administrator() {
        let reserved = Reserved { team: Some("a".to_owned()), windows: Vec::new() };
        let of = |name: &str, hash: Option<&str>, team: Option<&str>| Principal {
            key_hash: hash.map(str::to_owned),
            team: team.map(str::to_owned),
            ..Principal::named(name)
        };
        for (principal, may) in [
            (of("sk-...1234", Some("h"), Some("a")), true),
            (of("sk-...1234", Some("h"), Some("b")), false),
            (of("sk-...1234", Some("h"), None), false),
            (of("jwt", None, Some("a")), true),
            (of("jwt", None, None), false),
            (of("session", None, None), false),
            (of("public", None, None), false),
            (of("master", None, None), true),
        ] {
            assert_eq!(reserved.is_for(&principal), may, "{principal:?}");
        }
    }

    #[test]
    fn a_reservation_keeps_others_out_while_it_lasts() {
        let reserved = Reserved { team: None, windows: vec![window("09:00", "17:00", "UTC", "a"), window("12:00", "13:00", "UTC", "b")] };
        let of = |team: Option<&str>| Principal { team: team.map(str::to_owned), ..Principal::named("k") };
        let closed =
            |team, hour: u8| reserved.closed_by(&of(team), format!("2026-11-21T{hour:02}:30:00Z").parse().expect("a time")).is_some();
        assert_eq!([closed(Some("a"), 9), closed(Some("b"), 9), closed(None, 9)], [false, true, true]);
        assert_eq!([closed(Some("a"), 12), closed(Some("b"), 12), closed(Some("c"), 12)], [false, false, true]);
        assert_eq!([closed(Some("b"), 18), closed(None, 18)], [false, false]);
    }
}
