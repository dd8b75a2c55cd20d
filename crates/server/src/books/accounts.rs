//! Accounts of prepaid credits: a budget whose limit is all that was put in, and whose spend is all that went out.

use std::sync::Arc;

use switchboard_engine::book::{Book, Scope};
use switchboard_engine::terms::{Budget, Level, Mode, ScopeId, Source, Terms, Window};
use switchboard_store::object::CreditAccount;

/// The scope of an account, which holds its money together from now on.
pub fn scope(book: &Book, account: &CreditAccount) -> Arc<Scope> {
    let budget = Budget { limit: account.granted.0, window: Window::Lifetime, mode: Mode::Enforce, source: Source::Credits };
    let terms = Terms { name: account.account_id.clone(), budgets: vec![budget], ..Terms::default() };
    book.scope(CreditAccount::scope_of(&account.account_id), terms)
}

/// The accounts that hold for a key: its own, and those of whoever stands around it.
pub(crate) fn ids(owners: &[(Level, Option<&str>)]) -> Vec<String> {
    owners.iter().filter_map(|(level, id)| Some(CreditAccount::id_of(*level, (*id)?))).collect()
}

/// Whose account an id names, for those who show it.
pub(crate) fn owner(account: &str) -> ScopeId {
    let (level, id) = account.split_once('/').unwrap_or((account, ""));
    ScopeId::new(Level::from_name(level).unwrap_or(Level::Proxy), id)
}
