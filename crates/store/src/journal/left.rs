//! What a gateway that ended left behind: attempts without an end, and calls without a line in the log of requests.

use std::collections::HashMap;
use std::path::Path;

use switchboard_engine::admit::PAYER;
use switchboard_engine::admit::journal::AttemptId;
use switchboard_engine::terms::Level;

use super::frame::{self, Entry, Intended, Kept, Settled};
use super::read::Reader;
use crate::line::Passing;

/// What the files of a journal leave open.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Attempts that have an intent and no settlement.
    pub(super) open: HashMap<AttemptId, Kept>,
    /// Calls whose attempts are over and that have no line, by their ids.
    pub(super) cut: HashMap<String, Cut>,
}

/// A call that was cut off.
#[derive(Debug)]
pub(super) struct Cut {
    /// Its last attempt.
    intent: Intended,
    /// What all of them cost.
    spent: i64,
    tokens: (u64, u64),
}

/// What there is to say of such a line beside its columns.
const METADATA: &str = r#"{"cancelled":true,"estimated":true,"recovered":true,"error":"gateway_ended"}"#;
const FAILURE: &str = "failure";

impl Left {
    pub(super) fn of(folder: &Path) -> std::io::Result<Self> {
        let mut left = Self::default();
        let mut reader = Reader::new(folder);
        while let Some((entry, (segment, _))) = reader.next()? {
            if let Entry::Log(line) = &entry {
                // The call's id is the first that a line says.
                if let Ok((call, _)) = postcard::take_from_bytes::<&str>(line) {
                    left.cut.remove(call);
                }
            } else if let Some((_, kept, Settled { amount, tokens, .. })) = frame::follow(&mut left.open, entry, segment) {
                add(&mut left.cut, kept.intent, amount, tokens);
            }
        }
        Ok(left)
    }
}

/// Adds an attempt to its call. What is no call has no line.
pub(super) fn add(cut: &mut HashMap<String, Cut>, intent: Intended, amount: i64, (input, output): (u64, u64)) {
    if intent.provider == PAYER {
        return;
    }
    let (spent, tokens) = cut.remove(&intent.call).map_or((0, (0, 0)), |before| (before.spent, before.tokens));
    let tokens = (tokens.0.saturating_add(input), tokens.1.saturating_add(output));
    cut.insert(intent.call.clone(), Cut { intent, spent: spent.saturating_add(amount), tokens });
}

impl Cut {
    /// Its line in the log: as much as was written down before it was sent. What it was asked for is not.
    pub(super) fn line(&self) -> Passing<'_> {
        let Self { intent, spent, tokens } = self;
        let of = |level: Level| {
            let whose = intent.lines.iter().filter(move |line| line.level == level.as_str() && line.model.is_none());
            whose.map(|line| line.id.as_str())
        };
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        Passing {
            request_id: &intent.call,
            status: FAILURE,
            spend: *spent,
            tokens: [count(tokens.0), count(tokens.1), 0, 0],
            times: (intent.at, intent.at),
            api_key: of(Level::Key).next(),
            model: &intent.model,
            model_id: Some(&intent.deployment),
            model_group: &intent.group,
            provider: Some(&intent.provider),
            user_id: of(Level::User).next(),
            team_id: of(Level::Team).next(),
            organization_id: of(Level::Organization).next(),
            project_id: of(Level::Project).next(),
            end_user: of(Level::Customer).next(),
            tags: of(Level::Tag).collect(),
            metadata: METADATA,
            ..Passing::default()
        }
    }
}
