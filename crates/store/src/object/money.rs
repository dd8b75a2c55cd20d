//! Credits that were bought or granted, and prices that have a date.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId};

use crate::money::Money;
use crate::time::Time;

/// Somebody's prepaid credits: what was put in, all together. What was taken out is in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditAccount {
    /// `team/ID`, `user/ID`, `api_key/HASH`, `organization/ID`; `gateway` for everybody's.
    pub account_id: String,
    /// All that was put in.
    pub granted: Money,
    /// Below this it is told.
    pub low_balance: Option<Money>,
    /// When it was told last, unless more was put in since.
    pub alerted_at: Option<Time>,
    /// When it was opened.
    pub created_at: Time,
    /// When something was put in last.
    pub updated_at: Time,
}

/// The account of everybody together.
pub const GATEWAY: &str = "gateway";

impl CreditAccount {
    /// The id of somebody's account.
    pub fn id_of(level: Level, id: &str) -> String {
        if level == Level::Proxy { GATEWAY.to_owned() } else { super::joined(level.as_str(), id) }
    }

    /// The scope that its money is spent in. Everybody's is engaged for every call.
    pub fn scope_of(account: &str) -> ScopeId {
        if account == GATEWAY { ScopeId::new(Level::Proxy, "credits") } else { ScopeId::new(Level::Credits, account) }
    }

    /// What is left of it when that much has been spent.
    pub fn balance(&self, spent: NanoUsd) -> NanoUsd {
        self.granted.0.minus(spent)
    }
}

/// What was put into an account, or taken out by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditEntry {
    /// Which one: made of the reference where there is one, so that nothing is put in twice.
    pub entry_id: String,
    /// Into which account.
    pub account_id: String,
    /// `topup`, `grant`, `refund`, `withdrawal` or `expiry`.
    pub kind: String,
    /// How much.
    pub amount: Money,
    /// Until when it can be spent.
    pub expires_at: Option<Time>,
    /// What had gone out of the account before: that was not taken from this.
    pub spent_before: Money,
    /// The number of a payment, or whatever names it elsewhere.
    pub reference: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// Who.
    pub actor: Option<String>,
    /// When.
    pub created_at: Time,
}

impl CreditEntry {
    /// What is left of the entry of that id when that much has gone out of the account. Of several entries the one that expires
    /// first is spent first, from the moment it was put in.
    pub fn left(entries: &[CreditEntry], id: &str, spent: NanoUsd) -> NanoUsd {
        let mut put: Vec<&CreditEntry> = entries.iter().filter(|entry| entry.kind != WITHDRAWAL).collect();
        put.sort_by_key(|entry| (entry.spent_before.0, entry.created_at));
        let mut left: Vec<(&CreditEntry, i64)> = Vec::with_capacity(put.len());
        for (at, entry) in put.iter().enumerate() {
            left.push((entry, entry.amount.0.0));
            // What went out until the next was put in.
            let until = put.get(at + 1).map_or(spent.0, |next| next.spent_before.0.0.min(spent.0));
            let mut out = (until - entry.spent_before.0.0).max(0);
            let mut order: Vec<usize> = (0..left.len()).collect();
            order.sort_by_key(|at| (left[*at].0.expires_at.is_none(), left[*at].0.expires_at, left[*at].0.created_at));
            for at in order {
                let taken = left[at].1.min(out);
                left[at].1 -= taken;
                out -= taken;
            }
        }
        left.iter().find(|(entry, _)| entry.entry_id == id).map_or(NanoUsd::ZERO, |(_, left)| NanoUsd(*left))
    }
}

/// The kind of an entry that takes out.
pub const WITHDRAWAL: &str = "withdrawal";

/// An entry that is going to expire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditExpiry {
    /// Which.
    pub entry_id: String,
    /// Of which account.
    pub account_id: String,
    /// When.
    pub expires_at: Time,
}

/// Prices of a model that hold from a date on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatedPrice {
    /// Which.
    pub price_id: String,
    /// `provider/model`, or the id of a deployment.
    pub model: String,
    /// From when on.
    pub effective_from: Time,
    /// Until when.
    pub effective_until: Option<Time>,
    /// USD by LiteLLM's names of prices. What is not named keeps the card's price.
    pub prices: BTreeMap<String, Number>,
    /// Why.
    pub note: Option<String>,
    /// Who.
    pub created_by: Option<String>,
    /// When it was entered.
    pub created_at: Time,
}

impl DatedPrice {
    /// Whether calls until now would have been charged otherwise if it had always been so, or had not been at all.
    pub fn changes_past(&self, after: Option<&DatedPrice>, now: Time) -> bool {
        if self.effective_from > now {
            return false;
        }
        let Some(after) = after else { return true };
        let ended = |price: &DatedPrice| price.effective_until.filter(|until| *until <= now);
        let amounts = |price: &DatedPrice| price.prices.iter().map(|(name, usd)| (name.clone(), usd.as_f64())).collect::<Vec<_>>();
        self.model != after.model
            || self.effective_from != after.effective_from
            || ended(self) != ended(after)
            || amounts(self) != amounts(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_begun_is_past() {
        let price = |from: i64, until: Option<i64>, usd: &str| DatedPrice {
            effective_from: Time(from),
            effective_until: until.map(Time),
            prices: BTreeMap::from_iter([("input_cost_per_token".to_owned(), usd.parse().expect("a number"))]),
            ..DatedPrice::default()
        };
        let present = price(10, None, "0.000002");
        for (now, after, past) in [
            (9, None, false),
            (9, Some(price(10, None, "1")), false),
            (10, None, true),
            (10, Some(price(10, None, "1")), true),
            (10, Some(price(10, None, "2e-6")), false),
            (10, Some(price(10, Some(20), "2e-6")), false),
            (20, Some(price(10, Some(20), "2e-6")), true),
            (20, Some(price(11, None, "2e-6")), true),
            (20, Some(DatedPrice { note: Some("why".to_owned()), ..present.clone() }), false),
        ] {
            assert_eq!(present.changes_past(after.as_ref(), Time(now)), past, "{now} {after:?}");
        }
    }

    #[test]
    fn what_expires_first_is_spent_first() {
        let entry = |id: &str, amount: i64, before: i64, expires: Option<i64>| CreditEntry {
            entry_id: id.to_owned(),
            kind: "grant".to_owned(),
            amount: Money(NanoUsd(amount)),
            spent_before: Money(NanoUsd(before)),
            expires_at: expires.map(Time),
            ..CreditEntry::default()
        };
        let all = [entry("bought", 100, 0, None), entry("late", 30, 40, Some(900)), entry("soon", 20, 50, Some(500))];
        let left = |spent: i64| ["bought", "late", "soon"].map(|id| CreditEntry::left(&all, id, NanoUsd(spent)).0);
        assert_eq!(left(40), [60, 30, 20], "before there was anything else");
        assert_eq!(left(50), [60, 20, 20]);
        assert_eq!(left(65), [60, 20, 5]);
        assert_eq!(left(85), [60, 5, 0]);
        assert_eq!(left(95), [55, 0, 0]);
    }
}
