//! From changes of objects to rows of the log.

use serde_json::Value;
use sqlx::AnyConnection;

use super::{Chain, Entry, Outcome};
use crate::change::{Action, Author, Change};
use crate::error::StoreError;

impl Chain {
    /// Writes down what is about to be committed.
    pub(crate) async fn witness(&self, connection: &mut AnyConnection, author: &Author, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            let said = |value: &Option<Value>, name: &str| value.as_ref()?.get(name)?.as_str().map(str::to_owned);
            let entry = Entry {
                actor: author.name.clone(),
                actor_key: author.key.clone(),
                action: action(change).to_owned(),
                outcome: Outcome::Done,
                kind: change.kind.clone(),
                object: change.id.clone(),
                team: said(&change.after, "team_id").or_else(|| said(&change.before, "team_id")).unwrap_or_default(),
                before: change.before.clone(),
                after: change.after.clone(),
                source: author.source.clone(),
                request_id: author.request_id.clone(),
            };
            self.append(connection, entry).await?;
        }
        Ok(())
    }
}

/// What was done, in the words of LiteLLM's log.
fn action(change: &Change) -> &'static str {
    let blocked = |value: &Option<Value>| value.as_ref().is_some_and(|value| value["blocked"] == true);
    let rotated = |value: &Option<Value>| value.as_ref().is_some_and(|value| value["rotation_count"].as_u64().unwrap_or(0) > 0);
    match change.action {
        Action::Created if rotated(&change.after) => "rotated",
        Action::Created => "created",
        Action::Updated => match (blocked(&change.before), blocked(&change.after)) {
            (false, true) => "blocked",
            (true, false) => "unblocked",
            (true, true) | (false, false) => "updated",
        },
        Action::Deleted => "deleted",
    }
}
