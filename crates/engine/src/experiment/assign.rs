//! Who gets which arm.
//!
//! Each arm draws a number from a digest of the experiment, whoever asks and the arm; the least, divided by the arm's share, wins.
//! Shares come out as they are said, and when one grows only those who must change their arm do.

use ring::digest::{SHA256, digest};

use super::{Experiment, Running};
use crate::call::{Call, conversation};

/// What keeps a caller with its arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// The session that the client names.
    Session,
    /// The person: the caller's customer, or the key's user.
    User,
    /// The key.
    Key,
    /// The value of a header.
    Header(String),
    /// Nothing: every request for itself.
    Request,
}

impl Sticky {
    /// That of a name: `session`, `user`, `key`, `request`, `header:x-name`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim() {
            "session" => Some(Self::Session),
            "user" => Some(Self::User),
            "key" => Some(Self::Key),
            "request" => Some(Self::Request),
            name => name.strip_prefix("header:").filter(|rest| !rest.is_empty()).map(|rest| Self::Header(rest.to_ascii_lowercase())),
        }
    }

    /// Whom a call is counted to, if it says.
    fn subject(&self, call: &Call) -> Option<String> {
        let principal = &call.principal;
        match self {
            Self::Session => conversation::session(call),
            Self::User => principal.customer.clone().or_else(|| call.text("user")).or_else(|| principal.user.clone()),
            Self::Key => principal.key_hash.clone(),
            Self::Header(name) => call.headers.get(name)?.to_str().ok().map(str::to_owned),
            Self::Request => Some(call.id.clone()),
        }
        .filter(|subject| !subject.is_empty())
    }
}

/// What a call is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The arm's place.
    pub arm: usize,
    /// Whether it is counted.
    pub counts: bool,
}

impl Running {
    /// The arm of a call.
    pub fn draw(&self, call: &Call) -> Draw {
        let experiment = &*self.experiment;
        let subject = experiment.sticky.iter().find_map(|sticky| sticky.subject(call)).unwrap_or_else(|| call.id.clone());
        self.draw_for(&subject)
    }

    /// The arm of whoever is known by that.
    pub fn draw_for(&self, subject: &str) -> Draw {
        let experiment = &*self.experiment;
        if !self.counts {
            return Draw { arm: best(&self.shares), counts: false };
        }
        if experiment.traffic < 1.0 && unit(&[&experiment.name, "traffic", subject]) >= experiment.traffic {
            return Draw { arm: 0, counts: false };
        }
        Draw { arm: arm(experiment, &self.shares, subject), counts: true }
    }
}

fn arm(experiment: &Experiment, shares: &[f64], subject: &str) -> usize {
    let wait = |place: usize, share: f64| -unit(&[&experiment.name, subject, &experiment.arms[place].name]).ln() / share;
    let drawn = shares.iter().enumerate().take(experiment.arms.len()).filter(|(_, share)| **share > 0.0);
    let drawn = drawn.map(|(place, share)| (place, wait(place, *share)));
    drawn.min_by(|one, other| one.1.total_cmp(&other.1)).map_or(0, |(place, _)| place)
}

/// The first of the greatest.
fn best(shares: &[f64]) -> usize {
    let mut best = 0;
    for (place, share) in shares.iter().enumerate() {
        if *share > shares[best] {
            best = place;
        }
    }
    best
}

/// A number between 0 and 1, neither of them, that follows from the parts.
pub(crate) fn unit(parts: &[&str]) -> f64 {
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for part in parts {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    let digest = digest(&SHA256, &text);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_ref()[..8]);
    // As many bits as a float holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "fifty-two bits fit")]
    let whole = (u64::from_be_bytes(bytes) >> 12) as f64;
    (whole + 0.5) / (1_u64 << 52) as f64
}
