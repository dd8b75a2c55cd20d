//! Looking things up in the log.

use sqlx::Row;

use super::Audit;
use crate::chain::{COLUMNS, Record};
use crate::error::StoreError;

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Who.
    pub actor: Option<String>,
    /// The SHA-256 of the key it was done with.
    pub actor_key: Option<String>,
    /// What.
    pub action: Option<String>,
    /// The kind of object.
    pub kind: Option<String>,
    /// Which object.
    pub object: Option<String>,
    /// The team it belongs to.
    pub team: Option<String>,
    /// Not before, in microseconds since 1970.
    pub from: Option<i64>,
    /// Before, in microseconds since 1970.
    pub until: Option<i64>,
    /// The id of a row or of an object, who did it, or the key it was done with.
    pub search: Option<String>,
}

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// When.
    #[default]
    At,
    /// Who.
    Actor,
    /// What.
    Action,
    /// The kind of object.
    Kind,
    /// Which object.
    Object,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The smallest.
    Ascending,
    /// The largest.
    #[default]
    Descending,
}

/// Some of the rows that were asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// They.
    pub records: Vec<Record>,
    /// How many there are in all.
    pub total: u64,
}

/// Every condition holds for all rows where nothing is asked for, so that the statement is one constant.
const WHERE: &str = "($1 = '' OR actor = $1) AND ($2 = '' OR actor_key = $2) AND ($3 = '' OR action = $3) AND ($4 = '' OR kind = $4) \
     AND ($5 = '' OR object = $5) AND ($6 = '' OR team = $6) AND at >= $7 AND at < $8 \
     AND ($9 = '' OR id = $9 OR object = $9 OR actor = $9 OR actor_key = $9)";

impl SortBy {
    fn column(self) -> &'static str {
        match self {
            Self::At => "seq",
            Self::Actor => "actor",
            Self::Action => "action",
            Self::Kind => "kind",
            Self::Object => "object",
        }
    }
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

impl Audit {
    /// The rows of that filter: `size` of them, after `skip` others.
    pub async fn list(&self, filter: Filter, sort: (SortBy, Order), skip: u32, size: u32) -> Result<Page, StoreError> {
        let sql = self.store.sql().clone();
        let (by, order) = (sort.0.column(), sort.1.word());
        let rows = format!("SELECT {COLUMNS} FROM audit_log WHERE {WHERE} ORDER BY {by} {order}, seq {order} LIMIT $10 OFFSET $11");
        let count = format!("SELECT COUNT(*) FROM audit_log WHERE {WHERE}");
        let work = async move {
            let total = bound(&filter, sqlx::query(sqlx::AssertSqlSafe(count))).fetch_one(&sql.pool).await?;
            let rows = bound(&filter, sqlx::query(sqlx::AssertSqlSafe(rows))).bind(i64::from(size)).bind(i64::from(skip));
            let rows = rows.fetch_all(&sql.pool).await?;
            let records = rows.iter().map(Record::read).collect::<Result<_, _>>()?;
            Ok(Page { records, total: u64::try_from(total.try_get::<i64, _>(0)?).unwrap_or(0) })
        };
        self.store.thread().run(work).await
    }

    /// The row of that id.
    pub async fn find(&self, id: String) -> Result<Option<Record>, StoreError> {
        let sql = self.store.sql().clone();
        let statement = format!("SELECT {COLUMNS} FROM audit_log WHERE id = $1");
        let work = async move {
            let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).fetch_optional(&sql.pool).await?;
            row.as_ref().map(Record::read).transpose()
        };
        self.store.thread().run(work).await
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn bound<'q>(filter: &Filter, query: Query<'q>) -> Query<'q> {
    let texts = [&filter.actor, &filter.actor_key, &filter.action, &filter.kind, &filter.object, &filter.team];
    let query = texts.into_iter().fold(query, |query, text| query.bind(text.clone().unwrap_or_default()));
    let query = query.bind(filter.from.unwrap_or(i64::MIN)).bind(filter.until.unwrap_or(i64::MAX));
    query.bind(filter.search.clone().unwrap_or_default())
}
