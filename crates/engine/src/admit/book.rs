//! The one place where every scope is kept once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::nano::NanoUsd;
use super::scope::{Scope, ScopeId, Terms};

/// Every scope there is, once. What a scope has spent stays with it when its terms change.
#[derive(Debug, Default)]
pub struct Book {
    scopes: Mutex<HashMap<ScopeId, Arc<Scope>>>,
}

impl Book {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The scope of that id, with those terms from now on. Calls under way keep what they hold.
    pub fn scope(&self, id: ScopeId, terms: Terms) -> Arc<Scope> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scope) = scopes.get(&id) {
            if *scope.terms() != terms {
                scope.set(terms);
            }
            return scope.clone();
        }
        let scope = Arc::new(Scope::new(id.clone(), terms, NanoUsd::ZERO));
        scopes.insert(id, scope.clone());
        scope
    }

    /// The scope of that id, where there is one.
    pub fn find(&self, id: &ScopeId) -> Option<Arc<Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
