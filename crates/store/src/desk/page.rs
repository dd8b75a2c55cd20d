//! Lists, page by page.

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::sql::Sql;

/// Which objects are wanted. What is none asks nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of that user.
    pub user: Option<String>,
    /// Of that team.
    pub team: Option<String>,
    /// Of that organization.
    pub organization: Option<String>,
    /// Of that project.
    pub project: Option<String>,
    /// Of that id.
    pub id: Option<String>,
    /// Of that name.
    pub name: Option<String>,
    /// With that in the name or the id, whatever the case.
    pub search: Option<String>,
    /// Only what these may see.
    pub seen_by: Option<Seen>,
}

/// Who asks, where not everything is for everyone.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What belongs to that user.
    pub user: Option<String>,
    /// What that user made.
    pub maker: Option<String>,
    /// What belongs to those teams.
    pub teams: Vec<String>,
    /// What belongs to those organizations.
    pub organizations: Vec<String>,
    /// What belongs to those teams and to no user.
    pub services: Vec<String>,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By the time it was made.
    #[default]
    Created,
    /// By the time it was changed.
    Updated,
    /// By name.
    Name,
    /// By id.
    Id,
    /// By the time it ends.
    Expires,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The largest, the latest.
    #[default]
    Descending,
    /// The smallest, the earliest.
    Ascending,
}

/// One page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Which one; the first is 1.
    pub number: i64,
    /// How many objects are on one.
    pub size: i64,
    /// By what they are sorted.
    pub sort: Sort,
    /// Which comes first.
    pub order: Order,
}

macro_rules! condition {
    ($open:literal, $close:literal) => {
        concat!(
            " FROM objects WHERE kind = $1 AND ($2 IS NULL OR user_id = $2) AND ($3 IS NULL OR team_id = $3) ",
            "AND ($4 IS NULL OR organization_id = $4) AND ($5 IS NULL OR project_id = $5) AND ($6 IS NULL OR id = $6) ",
            "AND ($7 IS NULL OR name = $7) ",
            "AND ($8 IS NULL OR lower(name) LIKE $8 ESCAPE '\\' OR lower(id) LIKE $8 ESCAPE '\\') ",
            "AND ($9 = 0 OR user_id = $10 OR created_by = $11 OR team_id IN (",
            $open,
            "$12",
            $close,
            ") OR organization_id IN (",
            $open,
            "$13",
            $close,
            ") OR user_id IS NULL AND team_id IN (",
            $open,
            "$14",
            $close,
            "))"
        )
    };
}

macro_rules! statements {
    ($open:literal, $close:literal) => {
        [
            concat!("SELECT document", condition!($open, $close), " ORDER BY created_at DESC, id DESC LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY created_at, id LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY updated_at DESC, id DESC LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY updated_at, id LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY name DESC, id DESC LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY name, id LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY id DESC LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY id LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY expires_at DESC, id DESC LIMIT $15 OFFSET $16"),
            concat!("SELECT document", condition!($open, $close), " ORDER BY expires_at, id LIMIT $15 OFFSET $16"),
            concat!("SELECT COUNT(*)", condition!($open, $close)),
        ]
    };
}

const SQLITE: [&str; 11] = statements!("SELECT value FROM json_each(", ")");
const POSTGRES: [&str; 11] = statements!("SELECT json_array_elements_text(", "::json)");

pub(super) fn count(sql: &Sql) -> &'static str {
    sql.either(SQLITE[10], POSTGRES[10])
}

pub(super) fn statement(sql: &Sql, page: Page) -> &'static str {
    let sort = match page.sort {
        Sort::Created => 0,
        Sort::Updated => 2,
        Sort::Name => 4,
        Sort::Id => 6,
        Sort::Expires => 8,
    };
    let at = sort + usize::from(page.order == Order::Ascending);
    sql.either(SQLITE[at], POSTGRES[at])
}

impl Filter {
    pub(super) fn bind<'q>(&self, query: Query<'q, Any, AnyArguments>, kind: &'static str) -> Query<'q, Any, AnyArguments> {
        let seen = self.seen_by.clone();
        let limited = i64::from(seen.is_some());
        let seen = seen.unwrap_or_default();
        query
            .bind(kind)
            .bind(self.user.clone())
            .bind(self.team.clone())
            .bind(self.organization.clone())
            .bind(self.project.clone())
            .bind(self.id.clone())
            .bind(self.name.clone())
            .bind(self.search.as_deref().map(pattern))
            .bind(limited)
            .bind(seen.user)
            .bind(seen.maker)
            .bind(super::list(&seen.teams))
            .bind(super::list(&seen.organizations))
            .bind(super::list(&seen.services))
    }
}

/// A pattern for that text anywhere.
fn pattern(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
