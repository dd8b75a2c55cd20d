//! Model cards of the user's own, laid over the embedded catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use switchboard_engine::catalog::{CardError, Catalog};

/// A file of model cards that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// It cannot be read.
    #[error("the model cards in `{path}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of it is no model card.
    #[error("`{path}`: {source}; `switchboard catalog update` writes such files")]
    Card {
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        source: CardError,
    },
}

/// The embedded catalog with the cards of that file, if there is one, laid over it.
pub fn catalog(file: Option<&Path>) -> Result<Arc<Catalog>, OverlayError> {
    let embedded = Catalog::embedded().clone();
    let Some(path) = file else { return Ok(Arc::new(embedded)) };
    let text = std::fs::read_to_string(path).map_err(|source| OverlayError::Unreadable { path: path.to_owned(), source })?;
    let catalog = embedded.with_models(&text).map_err(|source| OverlayError::Card { path: path.to_owned(), source })?;
    Ok(Arc::new(catalog))
}
