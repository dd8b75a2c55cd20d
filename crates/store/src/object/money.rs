//! Credits that were bought or granted, and prices that have a date.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use switchboard_engine::admit::{Level, NanoUsd, ScopeId};

use super::{Columns, Object};
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

impl Object for CreditAccount {
    const KIND: &'static str = "credit_account";

    fn id(&self) -> String {
        self.account_id.clone()
    }

    fn columns(&self) -> Columns {
        Columns { created: self.created_at, ..Columns::default() }
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
    /// The number of a payment, or whatever names it elsewhere.
    pub reference: Option<String>,
    /// Why.
    pub note: Option<String>,
    /// Who.
    pub actor: Option<String>,
    /// When.
    pub created_at: Time,
}

impl Object for CreditEntry {
    const KIND: &'static str = "credit_entry";

    fn id(&self) -> String {
        self.entry_id.clone()
    }

    fn columns(&self) -> Columns {
        let (name, expires) = (Some(self.account_id.clone()), self.expires_at);
        Columns { name, expires, created_by: self.actor.clone(), created: self.created_at, ..Columns::default() }
    }
}

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

impl Object for CreditExpiry {
    const KIND: &'static str = "credit_expiry";

    fn id(&self) -> String {
        self.entry_id.clone()
    }

    fn columns(&self) -> Columns {
        Columns { name: Some(self.account_id.clone()), expires: Some(self.expires_at), created: self.expires_at, ..Columns::default() }
    }
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

impl Object for DatedPrice {
    const KIND: &'static str = "price";

    fn id(&self) -> String {
        self.price_id.clone()
    }

    fn columns(&self) -> Columns {
        let (name, expires) = (Some(self.model.clone()), self.effective_until);
        Columns { name, expires, created_by: self.created_by.clone(), created: self.created_at, ..Columns::default() }
    }
}
