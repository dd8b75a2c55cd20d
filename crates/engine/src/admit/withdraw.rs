//! Money that is taken out for good without a call: credits that are paid back, or that have expired.
//!
//! It is taken as a call takes it, held and then spent, so that no call can have it too.

use std::sync::Arc;

use super::journal::{AttemptId, Basis, Ending, Intent, JournalClosed, Settlement};
use super::place::Admission;
use crate::book::{Hold, Need, Scope};
use crate::terms::{NanoUsd, Refusal};

/// Money could not be taken out.
#[derive(Debug, thiserror::Error)]
pub enum Withheld {
    /// It is not there, or calls under way hold it.
    #[error("the money is not there")]
    Refused(Box<Refusal>),
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalClosed),
}

/// Who pays what is no call, as the ledger names it.
pub const PAYER: &str = "gateway";

impl Admission {
    /// Takes that much out of a scope, all or nothing. `reason` says under which name it is booked.
    pub async fn withdraw(&self, scope: Arc<Scope>, amount: NanoUsd, (call, reason): (&str, &str)) -> Result<(), Withheld> {
        let mut hold = Hold::new(self.book().clone(), (self.authority().cloned(), None), vec![scope], Vec::new());
        let need = Need { money: amount, ..Need::default() };
        hold.take((PAYER, reason), need, NanoUsd::ZERO).await.map_err(|refusal| Withheld::Refused(Box::new(refusal)))?;
        let now = self.book().now();
        let (attempt, lines) = (AttemptId::mint(now), hold.lines());
        if let Some(journal) = self.journal() {
            let (provider, deployment) = (PAYER, reason);
            journal.intend(&Intent {
                attempt,
                call,
                at: now,
                reserved: amount,
                begun: amount,
                lines: &lines,
                provider,
                deployment,
                model: "",
                group: "",
            })?;
            journal.settle(&Settlement {
                attempt,
                call,
                at: now,
                ending: Ending::Settled,
                amount,
                owed: amount,
                basis: &Basis::default(),
                model: "",
                estimated: false,
                reserved: amount,
                lines: &lines,
                provider,
                deployment,
                tokens: (0, 0),
            });
        }
        hold.settle(amount);
        Ok(())
    }
}
