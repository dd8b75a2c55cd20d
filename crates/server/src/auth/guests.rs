//! Customers and tags that calls name: who has a row has a budget.
//!
//! What a call names is anybody's word, so only rows are entered in the book, and what is known here is bounded. It is forgotten
//! with every change of a customer, a tag or a budget.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use switchboard_engine::admit::{Book, Scope};
use switchboard_store::object::{Budget, Customer, Tag};
use switchboard_store::{Desk, Store, StoreError, Time};

use super::terms;

/// The most that are remembered.
const KEPT: usize = 16_384;

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
    /// Whether it is blocked.
    pub blocked: bool,
    /// The models it may use; none means all.
    pub models: Vec<String>,
    /// The region that its data must stay in.
    pub region: Option<String>,
    /// The team to which it belongs alone.
    pub team: Option<String>,
    /// When it must be read again.
    until: Option<Time>,
}

/// What is known of customers and tags.
#[derive(Debug, Default)]
pub struct Guests {
    known: RwLock<HashMap<Guest, Known>>,
    forgotten: AtomicU64,
}

impl Guests {
    /// Forgets all.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What there is to know of one.
    pub async fn find(&self, store: &Store, book: &Arc<Book>, guest: Guest) -> Result<Known, StoreError> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&guest)
            && known.until.is_none_or(|until| until > Time::now())
        {
            return Ok(known.clone());
        }
        loop {
            let before = self.forgotten.load(Ordering::Acquire);
            let (book, asked) = (book.clone(), guest.clone());
            let found = store.soon(move |desk| async move { read(&desk, &book, &asked).await }).await?;
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            // Something changed while it was read: perhaps this.
            if self.forgotten.load(Ordering::Acquire) != before {
                continue;
            }
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(guest, found.clone());
            return Ok(found);
        }
    }
}

async fn read(desk: &Desk, book: &Book, guest: &Guest) -> Result<Known, StoreError> {
    let mut known = Known::default();
    match guest {
        Guest::Customer(id) => {
            let Some(customer) = desk.get::<Customer>(id).await? else { return Ok(known) };
            let row = budget(desk, customer.budget_id.as_deref()).await?;
            known.blocked = customer.blocked;
            known.models.clone_from(&customer.models);
            known.region.clone_from(&customer.allowed_model_region);
            known.scopes = terms::of_customer(book, &customer, row.as_ref(), &mut known.until);
        }
        Guest::Tag(name) => {
            let Some(tag) = desk.get::<Tag>(name).await? else { return Ok(known) };
            let row = budget(desk, tag.budget_id.as_deref()).await?;
            known.team.clone_from(&tag.team_id);
            known.scopes = terms::of_tag(book, &tag, row.as_ref(), &mut known.until);
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
