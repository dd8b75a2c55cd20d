//! What is known of providers and models: data, not code.
//!
//! A [`Provider`] is a row of `catalog/providers.toml`; a [`ModelCard`] is a line of `catalog/models.txt`. Both are embedded,
//! and both may be overlaid with the user's own. Provider rows are parsed at start; model lines only when asked for, since
//! there are thousands and a gateway uses a dozen. Nothing here does IO or knows the environment: the caller answers for
//! placeholders. Start reading at [`Catalog`], then [`endpoint`].

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use switchboard_wire::{Dialect, Operation};

mod accent;
pub mod auth;
pub mod derive;
pub mod document;
pub mod endpoint;
mod family;
pub mod lends;
mod lookup;
pub mod model;
pub mod off_peak;
mod outlet;
pub mod price;
pub mod provider;
mod row;
pub(crate) mod sized;
mod table;
#[cfg(test)]
mod tests;
mod tools;

pub use auth::Auth;
pub use endpoint::{Ask, Endpoint, UrlError};
pub use family::{Age, Family};
pub use lookup::Found;
pub use model::{CardError, ModelCard};
pub use off_peak::is_off_peak;
pub use outlet::{ASYNC, JOB, Known, Outlet};
pub use price::{Amount, Component, CostError, Exact, PicoUsd, Prices, Rate, Service, Share};
pub use provider::{CacheMarks, Edits, Made, Pass, Provider, RowError, Rule, StreamUsage, Variable};
pub use tools::Tools;

use endpoint::DefaultPaths;
use lookup::PlainNames;
use table::Table;

const PROVIDERS: &str = include_str!("../../../catalog/providers.toml");
const PATHS: &str = include_str!("../../../catalog/paths.toml");
const UNREACHABLE: &str = include_str!("../../../catalog/unreachable.toml");
const MODELS: &str = include_str!("../../../catalog/models.txt");

/// Providers and models.
#[derive(Clone, Debug)]
pub struct Catalog {
    providers: BTreeMap<String, Provider>,
    aliases: BTreeMap<String, String>,
    paths: Arc<DefaultPaths>,
    unreachable: Arc<BTreeMap<String, String>>,
    /// The embedded table first, then the user's, each overlaying those before it.
    models: Vec<Arc<Shelf>>,
}

/// One table of models with the index of its plain names, which is made when first asked for.
#[derive(Debug)]
struct Shelf {
    table: Table,
    names: OnceLock<PlainNames>,
}

/// What the name of a resource at AWS calls it: of a profile or a model of the vendors' own, the model; of others, an id.
fn of_arn(name: &str) -> Option<&str> {
    let arn = name.strip_prefix("arn:")?;
    arn.rsplit_once('/').or_else(|| arn.rsplit_once("%2F")).map(|(_, resource)| resource)
}

impl Catalog {
    /// The embedded catalog.
    ///
    /// The embedded files are checked by the tests; should one be unreadable all the same, the catalog is empty rather than
    /// the program gone, and [`Catalog::check_embedded`] says why.
    pub fn embedded() -> &'static Catalog {
        static EMBEDDED: LazyLock<Catalog> = LazyLock::new(|| Catalog::read_embedded().unwrap_or_else(|_| Catalog::empty()));
        &EMBEDDED
    }

    /// Why the embedded catalog cannot be read, if it cannot.
    pub fn check_embedded() -> Result<(), RowError> {
        Catalog::read_embedded().map(drop)
    }

    fn read_embedded() -> Result<Catalog, RowError> {
        let flat = |text: &str| toml::from_str(text).map_err(|error| RowError::Toml(error.to_string()));
        let mut catalog = Catalog::empty();
        catalog.paths = Arc::new(flat(PATHS)?);
        catalog.unreachable = Arc::new(flat(UNREACHABLE)?);
        catalog.models.push(Arc::new(Shelf { table: Table::of_sorted(MODELS), names: OnceLock::new() }));
        Ok(catalog.extended(Provider::parse_rows(PROVIDERS)?))
    }

    fn empty() -> Catalog {
        Catalog {
            providers: BTreeMap::new(),
            aliases: BTreeMap::new(),
            paths: Arc::default(),
            unreachable: Arc::default(),
            models: Vec::new(),
        }
    }

    /// This catalog with further rows; a row whose id is known replaces the one there.
    #[must_use]
    pub fn with_providers(self, rows: Vec<Provider>) -> Catalog {
        self.extended(rows.into_iter().map(|row| Provider { is_own: true, ..row }).collect())
    }

    fn extended(mut self, rows: Vec<Provider>) -> Catalog {
        for row in rows {
            self.aliases.retain(|alias, id| *id != row.id && *alias != row.id);
            for alias in &row.aliases {
                self.aliases.insert(alias.clone(), row.id.clone());
            }
            self.providers.insert(row.id.clone(), row);
        }
        self
    }

    /// This catalog with further model lines; a line whose name is known replaces the fields it gives.
    pub fn with_models(mut self, lines: &str) -> Result<Catalog, CardError> {
        self.models.push(Arc::new(Shelf { table: Table::parse(lines)?, names: OnceLock::new() }));
        Ok(self)
    }

    /// The provider of that id or alias.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.get(name).or_else(|| self.providers.get(self.aliases.get(name)?))
    }

    /// The id of the provider of that name; the name where there is none.
    pub fn provider_id<'a>(&'a self, name: &'a str) -> &'a str {
        self.provider(name).map_or(name, |provider| &provider.id)
    }

    /// Every provider, sorted by id.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values()
    }

    /// Why a provider that others name has no row here.
    pub fn unreachable(&self, name: &str) -> Option<&str> {
        self.unreachable.get(name).map(String::as_str)
    }

    /// Every provider that others name and that has no row, with the reason, sorted.
    pub fn all_unreachable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unreachable.iter().map(|(name, why)| (name.as_str(), why.as_str()))
    }

    /// The embedded rows as they are written.
    pub fn provider_rows() -> &'static str {
        PROVIDERS
    }

    /// The embedded model lines as they are written.
    pub fn model_lines() -> &'static str {
        MODELS
    }

    /// Where one request goes; `None` where the provider does not serve it.
    pub fn endpoint<'a>(&'a self, provider: &'a Provider, ask: Ask<'a>) -> Option<Endpoint<'a>> {
        Endpoint::resolve(provider, &self.paths, ask)
    }

    /// The path of a dialect, or of an operation in some shape, where no row says otherwise.
    pub fn default_path(&self, dialect: Dialect, streamed: bool) -> Option<&str> {
        let of_stream = if streamed { self.paths.get(&format!("{dialect}:stream")) } else { None };
        of_stream.or_else(|| self.paths.get(dialect.as_str())).map(String::as_str)
    }

    /// The shapes in which an operation may be asked of a provider.
    pub fn shapes(&self, operation: Operation) -> impl Iterator<Item = &str> {
        self.paths.keys().filter_map(move |key| key.strip_prefix(operation.as_str())?.strip_prefix('/'))
    }

    /// The card of a model, by the name it has at the provider. A prefix that only chooses a region or a route is ignored
    /// where the name with it is not known.
    pub fn model(&self, provider: &str, model: &str) -> Option<ModelCard> {
        let row = self.provider(provider);
        let id = row.map_or(provider, |row| row.id.as_str());
        self.listed(row, (id, model)).or_else(|| self.by_kind(id, model))
    }

    fn listed(&self, row: Option<&Provider>, (id, model): (&str, &str)) -> Option<ModelCard> {
        let lender = row.and_then(|row| row.cards_of.as_deref()).map(|id| (id, self.provider(id)));
        let mut model = model;
        loop {
            let lent = || self.card_named(&model::key_of(lender?.0, model));
            if let Some(card) = self.card_named(&model::key_of(id, model)).or_else(lent) {
                return Some(card);
            }
            let rows = row.into_iter().chain(lender.and_then(|(_, row)| row));
            let mut prefixes = rows.flat_map(|row| &row.model_prefixes);
            let bare = prefixes.find_map(|prefix| model.strip_prefix(prefix.as_str()).filter(|_| !prefix.is_empty()));
            model = bare.or_else(|| of_arn(model))?;
        }
    }

    /// Every card of a provider, sorted by model.
    pub fn models_of(&self, provider: &str) -> impl Iterator<Item = ModelCard> + '_ {
        let id = self.provider(provider).map_or(provider, |row| row.id.as_str());
        let prefix = model::key_of(id, "");
        let mut keys: Vec<&str> = Vec::new();
        for shelf in &self.models {
            keys.extend(shelf.table.starting_with(prefix.clone()).map(table::first_column));
        }
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| self.card_named(key))
    }

    /// Every card, sorted by provider and model.
    pub fn models(&self) -> impl Iterator<Item = ModelCard> + '_ {
        let mut keys: Vec<&str> =
            self.models.iter().flat_map(|shelf| shelf.table.lines()).map(|(_, line)| table::first_column(line)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| self.card_named(key))
    }

    fn card_named(&self, key: &str) -> Option<ModelCard> {
        let mut card: Option<ModelCard> = None;
        for line in self.models.iter().filter_map(|shelf| shelf.table.find(key)) {
            // The lines are checked when a table is made, the embedded ones by the tests.
            card.get_or_insert_default().apply(line).ok()?;
        }
        card
    }

    fn card_of(&self, line: &str) -> Option<ModelCard> {
        self.card_named(table::first_column(line))
    }

    fn tables(&self) -> impl Iterator<Item = (&Table, &PlainNames)> {
        self.models.iter().map(|shelf| (&shelf.table, shelf.names.get_or_init(|| PlainNames::of(&shelf.table))))
    }
}
