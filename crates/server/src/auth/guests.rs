//! Customers and tags that calls name: who has a row has a budget, and the configuration may have one for the others.
//!
//! What a call names is anybody's word. So without a row only those are entered in the book for whom the configuration has a budget,
//! and of customers so many and no more: those beyond share one budget. What is known here is bounded too, and forgotten with every
//! change of a customer, a tag or a budget.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use switchboard_engine::book::{Book, Scope};
use switchboard_store::object::{Budget, Customer, Tag};
use switchboard_store::{Desk, Store, StoreError, Time};

use super::terms::{self, Policy};

/// The most that are remembered.
const KEPT: usize = 16_384;
/// The most customers without a row that have a budget of their own.
const STRANGERS: usize = 100_000;
/// The name of all customers beyond those.
const OTHERS: &str = "others";
/// How the names of budgets begin that customers have by the key that names them. No stranger goes by such a name.
const OF_KEYS: &str = "budget/";

/// What a call may name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Guest {
    /// A customer, by its id.
    Customer(String),
    /// A tag.
    Tag(String),
}

/// What is known of one.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its scopes; none for one without a row.
    pub scopes: Vec<Arc<Scope>>,
    /// Those that only count what it spends.
    pub counted: Vec<Arc<Scope>>,
    /// Whether it is blocked.
    pub blocked: bool,
    /// Whether it was unblocked, whatever the configuration says.
    pub lifted: bool,
    /// The models it may use; none means all.
    pub models: Vec<String>,
    /// The region that its data must stay in.
    pub region: Option<String>,
    /// The team to which it belongs alone.
    pub team: Option<String>,
    /// When it must be read again.
    until: Option<Time>,
}

/// Whom a call names, and the budget that its key has for customers without one.
type Asked = (Guest, Option<String>);

/// What is known of customers and tags.
#[derive(Debug, Default)]
pub struct Guests {
    known: RwLock<HashMap<Asked, Known>>,
    forgotten: AtomicU64,
    /// What the configuration says of them.
    policy: ArcSwap<Policy>,
    /// Customers without a row that have a budget of their own.
    strangers: Mutex<HashSet<String>>,
}

impl Guests {
    /// Follows another configuration.
    pub fn follow(&self, policy: Arc<Policy>) {
        self.policy.store(policy);
        self.forget();
    }

    /// Forgets all.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What is known of one where nothing is kept: what the configuration says.
    pub fn configured(&self, book: &Book, guest: &Guest) -> Vec<Arc<Scope>> {
        let policy = self.policy.load();
        match guest {
            Guest::Customer(_) if policy.customer.is_some() => {
                terms::of_customer(book, &self.name(guest, &policy, false), None, &policy, &mut None)
            }
            Guest::Tag(name) if policy.tags.contains_key(name) => terms::of_tag(book, name, None, &policy, &mut None),
            Guest::Customer(_) | Guest::Tag(_) => Vec::new(),
        }
    }

    /// The name under which a customer without a row has its budget, which may be one that a key names.
    fn name(&self, guest: &Guest, policy: &Policy, of_key: bool) -> String {
        let Guest::Customer(id) = guest else { return String::new() };
        if policy.customer.is_none() && policy.customer_budget_id.is_none() && !of_key {
            return id.clone();
        }
        if id.starts_with(OF_KEYS) {
            return OTHERS.to_owned();
        }
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() >= STRANGERS && !strangers.contains(id) {
            return OTHERS.to_owned();
        }
        strangers.insert(id.clone());
        id.clone()
    }

    /// What there is to know of one, where a key names a budget for customers without one.
    pub async fn find(&self, store: &Store, book: &Arc<Book>, guest: Guest, of_key: Option<&str>) -> Result<Known, StoreError> {
        let asked: Asked = (guest, of_key.map(str::to_owned));
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&asked)
            && known.until.is_none_or(|until| until > Time::now())
        {
            return Ok(known.clone());
        }
        loop {
            let before = self.forgotten.load(Ordering::Acquire);
            let (book, named) = (book.clone(), asked.clone());
            let policy = self.policy.load_full();
            let stranger = self.name(&asked.0, &policy, of_key.is_some());
            let found = store.soon(move |desk| async move { read(&desk, &book, (&named, &stranger), &policy).await }).await?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Something changed while it was read: perhaps this.
            if self.forgotten.load(Ordering::Acquire) != before {
                continue;
            }
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(asked, found.clone());
            return Ok(found);
        }
    }
}

async fn read(desk: &Desk, book: &Book, ((guest, of_key), stranger): (&Asked, &str), policy: &Policy) -> Result<Known, StoreError> {
    let mut known = Known::default();
    match guest {
        Guest::Customer(id) => {
            let customer: Option<Customer> = desk.get(id).await?;
            let own = customer.as_ref().and_then(|customer| customer.budget_id.as_deref());
            let mut row = budget(desk, own).await?;
            let of_key = if row.is_none() { budget(desk, of_key.as_deref()).await? } else { None };
            if row.is_none() {
                row = budget(desk, policy.customer_budget_id.as_deref()).await?;
            }
            let id = if customer.is_some() { id } else { stranger };
            if customer.is_some() || row.is_some() || policy.customer.is_some() {
                known.scopes = terms::of_customer(book, id, row.as_ref(), policy, &mut known.until);
            }
            if let Some(of_key) = of_key {
                // It holds instead of the one for everybody, for what is spent by keys that name it.
                known.counted = std::mem::take(&mut known.scopes);
                let place = format!("{OF_KEYS}{}/{id}", of_key.budget_id);
                known.scopes = terms::of_customer_by_key(book, (&place, id), &of_key, policy, &mut known.until);
            }
            if let Some(customer) = customer {
                known.lifted = customer.lifted == Some(true);
                (known.blocked, known.models, known.region) = (customer.blocked, customer.models, customer.allowed_model_region);
            }
        }
        Guest::Tag(name) => {
            let tag: Option<Tag> = desk.get(name).await?;
            let row = budget(desk, tag.as_ref().and_then(|tag| tag.budget_id.as_deref())).await?;
            if tag.is_some() || policy.tags.contains_key(name) {
                known.scopes = terms::of_tag(book, name, row.as_ref(), policy, &mut known.until);
            }
            known.team = tag.and_then(|tag| tag.team_id);
        }
    }
    Ok(known)
}

async fn budget(desk: &Desk, id: Option<&str>) -> Result<Option<Budget>, StoreError> {
    match id {
        Some(id) => desk.get(id).await,
        None => Ok(None),
    }
}
