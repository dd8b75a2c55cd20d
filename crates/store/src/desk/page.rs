//! Lists, page by page.

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use crate::sql::Sql;
use crate::time::Time;

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
    /// Blocked, or not.
    pub blocked: Option<bool>,
    /// Over at that time, or not.
    pub over: Option<(bool, Time)>,
    /// Of that agent.
    pub agent: Option<String>,
    /// In that access group.
    pub access_group: Option<String>,
    /// Of the keys that were deleted, instead of those there are.
    pub deleted: bool,
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
    ($objects:literal, $open:literal, $close:literal, $blocked:literal, $agent:literal, $grouped:literal) => {
        concat!(
            " FROM ",
            $objects,
            " WHERE kind = $1 AND ($2 IS NULL OR user_id = $2) AND ($3 IS NULL OR team_id = $3) ",
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
            ")) AND ($15 = 0 OR $15 = CASE WHEN ",
            $blocked,
            " THEN 1 ELSE 2 END) AND ($16 = 0 OR $16 = CASE WHEN expires_at < $17 THEN 1 ELSE 2 END) AND ($18 IS NULL OR $18 = ",
            $agent,
            ") AND ($19 IS NULL OR ",
            $grouped,
            ")"
        )
    };
}

macro_rules! statements {
    ($($part:literal),*) => {
        [
            concat!("SELECT document", condition!($($part),*), " ORDER BY created_at DESC, id DESC LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY created_at, id LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY updated_at DESC, id DESC LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY updated_at, id LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY name DESC, id DESC LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY name, id LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY id DESC LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY id LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY expires_at DESC, id DESC LIMIT $20 OFFSET $21"),
            concat!("SELECT document", condition!($($part),*), " ORDER BY expires_at, id LIMIT $20 OFFSET $21"),
            concat!("SELECT COUNT(*)", condition!($($part),*)),
        ]
    };
}

macro_rules! on_sqlite {
    ($objects:literal) => {
        statements!(
            $objects,
            "SELECT value FROM json_each(",
            ")",
            "json_extract(document, '$.blocked')",
            "json_extract(document, '$.agent_id')",
            "$19 IN (SELECT value FROM json_each(document, '$.access_group_ids'))"
        )
    };
}

macro_rules! on_postgres {
    ($objects:literal) => {
        statements!(
            $objects,
            "SELECT json_array_elements_text(",
            "::json)",
            "document::json ->> 'blocked' = 'true'",
            "document::json ->> 'agent_id'",
            "document::jsonb -> 'access_group_ids' @> to_jsonb($19::text)"
        )
    };
}

const SQLITE: [&str; 11] = on_sqlite!("objects");
const POSTGRES: [&str; 11] = on_postgres!("objects");

// What was deleted has no columns but those that say when; they are read out of the document. When it was made or changed is then
// when it was deleted.
const DELETED_ON_SQLITE: [&str; 11] = on_sqlite!(
    "(SELECT kind, id, json_extract(document, '$.key_alias') AS name, json_extract(document, '$.user_id') AS user_id, \
     json_extract(document, '$.team_id') AS team_id, json_extract(document, '$.organization_id') AS organization_id, \
     json_extract(document, '$.project_id') AS project_id, json_extract(document, '$.created_by') AS created_by, \
     CAST(NULL AS BIGINT) AS expires_at, deleted_at AS created_at, deleted_at AS updated_at, document FROM deleted_objects) AS gone"
);
const DELETED_ON_POSTGRES: [&str; 11] = on_postgres!(
    "(SELECT kind, id, document::json ->> 'key_alias' AS name, document::json ->> 'user_id' AS user_id, \
     document::json ->> 'team_id' AS team_id, document::json ->> 'organization_id' AS organization_id, \
     document::json ->> 'project_id' AS project_id, document::json ->> 'created_by' AS created_by, \
     CAST(NULL AS BIGINT) AS expires_at, deleted_at AS created_at, deleted_at AS updated_at, document FROM deleted_objects) AS gone"
);

/// Of the statements of a list, that one.
fn one_of(sql: &Sql, filter: &Filter, at: usize) -> &'static str {
    match filter.deleted {
        false => sql.either(SQLITE[at], POSTGRES[at]),
        true => sql.either(DELETED_ON_SQLITE[at], DELETED_ON_POSTGRES[at]),
    }
}

pub(super) fn count(sql: &Sql, filter: &Filter) -> &'static str {
    one_of(sql, filter, 10)
}

pub(super) fn statement(sql: &Sql, filter: &Filter, page: Page) -> &'static str {
    let sort = match page.sort {
        Sort::Created => 0,
        Sort::Updated => 2,
        Sort::Name => 4,
        Sort::Id => 6,
        Sort::Expires => 8,
    };
    one_of(sql, filter, sort + usize::from(page.order == Order::Ascending))
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
            .bind(choice(self.blocked))
            .bind(choice(self.over.map(|(over, _)| over)))
            .bind(self.over.map_or(0, |(_, now)| now.0))
            .bind(self.agent.clone())
            .bind(self.access_group.clone())
    }
}

/// None, yes or no, as the statements have it.
fn choice(said: Option<bool>) -> i64 {
    said.map_or(0, |yes| if yes { 1 } else { 2 })
}

/// A pattern for that text anywhere.
fn pattern(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
