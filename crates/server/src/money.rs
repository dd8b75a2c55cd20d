//! Money beside the calls themselves: what is theirs to spend, what it is charged by, and whether the books are right.
//!
//! What one call may cost and did cost is the engine's affair, and the ledger is the store's; here is what operators do about it.

pub(crate) mod awaited;
pub mod credits;
pub(crate) mod purge;
pub mod reconcile;
pub(crate) mod reprice;

use std::sync::Arc;

use switchboard_store::StoreError;

use crate::app::App;

/// Reads what administrators made that holds for every call: dated prices and everybody's credits.
pub async fn refresh(app: &App) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let lists = &app.books.prices;
    lists.read(store).await.inspect_err(|_| lists.stir())?;
    lists.apply(&app.catalog(), app.gateway.fleet().deployments().map(Arc::as_ref));
    credits::follow_gateway(app).await.inspect_err(|_| lists.stir())
}
