//! Whom deployments serve that are kept for teams.

use jiff::Timestamp;

use crate::deployment::{AccessWindow, Reserved};
use crate::principal::{MASTER, OPEN, Principal};

impl Reserved {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str, zone: &str, team: &str) -> AccessWindow {
        AccessWindow::of(start, end, zone, vec![team.to_owned()]).expect("a window")
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
