//! What was spent, as reports ask for it: lines of the request log, and sums of days.
//!
//! Everything is chosen, summed, sorted and cut into pages by the database; nothing is held here that is not shown.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};

use crate::desk::Order;
use crate::error::StoreError;
use crate::line::LogLine;
use crate::open::Store;

/// Which lines of the request log are wanted. What is none asks nothing.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Of that call.
    pub request_id: Option<String>,
    /// Of that key.
    pub api_key: Option<String>,
    /// Of that user.
    pub user: Option<String>,
    /// Of that team.
    pub team: Option<String>,
    /// Of that customer.
    pub customer: Option<String>,
    /// Of that session.
    pub session: Option<String>,
    /// Served by that model.
    pub model: Option<String>,
    /// Asked of that model.
    pub model_group: Option<String>,
    /// Served by that deployment.
    pub model_id: Option<String>,
    /// That ended so: `success` or `failure`.
    pub status: Option<String>,
    /// Not before that time.
    pub from: i64,
    /// Before that time.
    pub until: i64,
    /// That cost no less.
    pub least: i64,
    /// That cost no more.
    pub most: i64,
    /// Only what that user, or else that key, asked for.
    pub own: Option<(Option<String>, Option<String>)>,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            request_id: None,
            api_key: None,
            user: None,
            team: None,
            customer: None,
            session: None,
            model: None,
            model_group: None,
            model_id: None,
            status: None,
            from: i64::MIN,
            until: i64::MAX,
            least: i64::MIN,
            most: i64::MAX,
            own: None,
        }
    }
}

/// By what lines are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineSort {
    /// When they began.
    #[default]
    Started,
    /// When they ended.
    Ended,
    /// What they cost.
    Spend,
    /// How many tokens they had.
    Tokens,
    /// The model.
    Model,
}

impl LineSort {
    fn column(self) -> &'static str {
        match self {
            LineSort::Started => "started_at",
            LineSort::Ended => "ended_at",
            LineSort::Spend => "spend",
            LineSort::Tokens => "prompt_tokens + completion_tokens",
            LineSort::Model => "model",
        }
    }
}

macro_rules! columns {
    () => {
        "request_id, call_type, status, spend, prompt_tokens, completion_tokens, started_at, ended_at, first_content_at, api_key, \
     model, model_id, model_group, provider, api_base, user_id, team_id, organization_id, project_id, end_user, tags, session_id, metadata, answer_id"
    };
}

macro_rules! condition {
    () => {
        " FROM spend_logs WHERE ($1 IS NULL OR request_id = $1 OR answer_id = $1) AND ($2 IS NULL OR api_key = $2) AND ($3 IS NULL OR user_id = $3) \
         AND ($4 IS NULL OR team_id = $4) AND ($5 IS NULL OR end_user = $5) AND ($6 IS NULL OR session_id = $6) \
         AND ($7 IS NULL OR model = $7) AND ($8 IS NULL OR model_group = $8) AND ($9 IS NULL OR model_id = $9) \
         AND ($10 IS NULL OR status = $10) AND started_at >= $11 AND started_at < $12 AND spend >= $13 AND spend <= $14 \
         AND ($15 = 0 OR user_id = $16 OR api_key = $17)"
    };
}

mod sessions;

pub use sessions::{Session, Sessions, count_sessions, sessions, totals};

const COUNT: &str = concat!("SELECT COUNT(*)", condition!());
const SELECT: &str = concat!("SELECT ", columns!(), condition!());

impl Lines {
    fn bind<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        let (user, key) = self.own.clone().unwrap_or_default();
        query
            .bind(self.request_id.clone())
            .bind(self.api_key.clone())
            .bind(self.user.clone())
            .bind(self.team.clone())
            .bind(self.customer.clone())
            .bind(self.session.clone())
            .bind(self.model.clone())
            .bind(self.model_group.clone())
            .bind(self.model_id.clone())
            .bind(self.status.clone())
            .bind(self.from)
            .bind(self.until)
            .bind(self.least)
            .bind(self.most)
            .bind(i64::from(self.own.is_some()))
            .bind(user)
            .bind(key)
    }
}

fn word(order: Order) -> &'static str {
    if order == Order::Ascending { "ASC" } else { "DESC" }
}

/// Lines of the request log.
pub async fn lines(store: &Store, wanted: Lines, sort: (LineSort, Order), (limit, offset): (i64, i64)) -> Result<Vec<LogLine>, StoreError> {
    let (by, order) = (sort.0.column(), word(sort.1));
    let text = format!("{SELECT} ORDER BY {by} {order}, request_id {order} LIMIT $18 OFFSET $19");
    let pool = store.sql().pool.clone();
    let query = async move {
        let rows = wanted.bind(sqlx::query(AssertSqlSafe(text))).bind(limit).bind(offset).fetch_all(&pool).await?;
        rows.iter().map(line).collect()
    };
    store.thread().run(query).await
}

/// How many lines there are.
pub async fn count(store: &Store, wanted: Lines) -> Result<i64, StoreError> {
    let pool = store.sql().pool.clone();
    store.thread().run(async move { Ok(wanted.bind(sqlx::query(COUNT)).fetch_one(&pool).await?.try_get(0)?) }).await
}

fn line(row: &AnyRow) -> Result<LogLine, StoreError> {
    let unread = |source: serde_json::Error| StoreError::Unreadable { what: "a line of the request log", source: Box::new(source) };
    let (tags, metadata): (String, String) = (row.try_get(20)?, row.try_get(22)?);
    let mut line = LogLine {
        request_id: row.try_get(0)?,
        call_type: row.try_get(1)?,
        status: row.try_get(2)?,
        spend: row.try_get(3)?,
        prompt_tokens: row.try_get(4)?,
        completion_tokens: row.try_get(5)?,
        started_at: row.try_get(6)?,
        ended_at: row.try_get(7)?,
        first_content_at: row.try_get(8)?,
        api_key: row.try_get(9)?,
        model: row.try_get(10)?,
        model_id: row.try_get(11)?,
        model_group: row.try_get(12)?,
        provider: row.try_get(13)?,
        api_base: row.try_get(14)?,
        user_id: row.try_get(15)?,
        team_id: row.try_get(16)?,
        organization_id: row.try_get(17)?,
        project_id: row.try_get(18)?,
        end_user: row.try_get(19)?,
        session_id: row.try_get(21)?,
        answer_id: row.try_get(23)?,
        ..LogLine::default()
    };
    line.tags = serde_json::from_str(&tags).map_err(unread)?;
    line.metadata = serde_json::from_str(&metadata).map_err(unread)?;
    Ok(line)
}

/// Which sums of days are wanted.
#[derive(Clone, Debug, Default)]
pub struct Days {
    /// Of what: `all`, `user`, `team`, `organization`, `end_user`, `tag`, `workspace`, or `byok` (what callers' own keys were billed).
    pub kind: &'static str,
    /// Of those alone, unless there are none.
    pub entities: Vec<String>,
    /// Not of those.
    pub except: Vec<String>,
    /// Of those keys alone, unless there are none.
    pub keys: Vec<String>,
    /// Served by that model.
    pub model: Option<String>,
    /// From that day on, `YYYY-MM-DD`; empty for the first.
    pub from: String,
    /// To that day, with it; empty for the last.
    pub until: String,
}

/// By what is summed. Nothing: everything is one sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The day.
    Day,
    /// Whose.
    Entity,
    /// The key.
    Key,
    /// The model that served.
    Model,
    /// The model asked for.
    Group,
    /// The provider.
    Provider,
    /// What was asked for.
    Endpoint,
}

impl By {
    const ALL: [(By, &'static str); 7] = [
        (By::Day, "day"),
        (By::Entity, "entity"),
        (By::Key, "api_key"),
        (By::Model, "model"),
        (By::Group, "model_group"),
        (By::Provider, "provider"),
        (By::Endpoint, "endpoint"),
    ];
}

/// A sum. What is not summed by is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the table, and say what they are")]
pub struct Sum {
    pub day: String,
    pub entity: String,
    pub api_key: String,
    pub model: String,
    pub model_group: String,
    pub provider: String,
    pub endpoint: String,
    /// In nano-dollars.
    pub spend: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub cache_read_tokens: i64,
    pub cache_write_tokens: i64,
    pub requests: i64,
    pub succeeded: i64,
    pub failed: i64,
}

/// Which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumSort {
    /// The latest.
    Latest,
    /// The earliest.
    Earliest,
    /// The dearest.
    Dearest,
}

const FROM: &str = " FROM daily_spend WHERE entity_type = $1 AND ($2 = 0 OR entity IN ";
const REST: &str = " AND ($8 IS NULL OR model = $8) AND day >= $9 AND day <= $10";
const SUMS: &str = "CAST(COALESCE(SUM(spend), 0) AS BIGINT), CAST(COALESCE(SUM(prompt_tokens), 0) AS BIGINT), \
     CAST(COALESCE(SUM(completion_tokens), 0) AS BIGINT), CAST(COALESCE(SUM(cache_read_tokens), 0) AS BIGINT), \
     CAST(COALESCE(SUM(cache_write_tokens), 0) AS BIGINT), CAST(COALESCE(SUM(requests), 0) AS BIGINT), \
     CAST(COALESCE(SUM(succeeded), 0) AS BIGINT), CAST(COALESCE(SUM(failed), 0) AS BIGINT)";

/// The condition, in the words of the database.
fn chosen(store: &Store) -> String {
    let open = store.sql().either("(SELECT value FROM json_each(", "(SELECT json_array_elements_text(");
    let close = store.sql().either("))", "::json))");
    format!("{FROM}{open}$3{close}) AND ($4 = 0 OR entity NOT IN {open}$5{close}) AND ($6 = 0 OR api_key IN {open}$7{close}){REST}")
}

/// Who was given an answer, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The user.
    pub user: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The model that was asked for.
    pub asked: String,
    /// The model that gave it.
    pub model: String,
    /// The call, as the ledger has it.
    pub call: String,
    /// The deployment.
    pub deployment: Option<String>,
    /// When the call began, and when it was over.
    pub times: (i64, i64),
}

/// Who was given the answer of that id. None: it is not in the log.
pub async fn given(store: &Store, answer: &str) -> Result<Option<Given>, StoreError> {
    const GIVEN: &str = "SELECT user_id, team_id, model_group, model, request_id, model_id, started_at, ended_at FROM spend_logs WHERE answer_id = $1 ORDER BY started_at LIMIT 1";
    let (pool, answer) = (store.sql().pool.clone(), answer.to_owned());
    let query = async move {
        let row = sqlx::query(GIVEN).bind(answer).fetch_optional(&pool).await?;
        let read = |row: AnyRow| {
            Ok::<_, sqlx::Error>(Given {
                user: row.try_get(0)?,
                team: row.try_get(1)?,
                asked: row.try_get(2)?,
                model: row.try_get(3)?,
                call: row.try_get(4)?,
                deployment: row.try_get(5)?,
                times: (row.try_get(6)?, row.try_get(7)?),
            })
        };
        Ok(row.map(read).transpose()?)
    };
    store.thread().run(query).await
}

/// Sums of days.
pub async fn sums(store: &Store, wanted: Days, by: &[By], sort: SumSort, (limit, offset): (i64, i64)) -> Result<Vec<Sum>, StoreError> {
    let columns: Vec<&str> = By::ALL.iter().map(|(one, name)| if by.contains(one) { *name } else { "''" }).collect();
    let grouped: Vec<&str> = By::ALL.iter().filter(|(one, _)| by.contains(one)).map(|(_, name)| *name).collect();
    let (group, tie) = match grouped.is_empty() {
        true => (String::new(), String::new()),
        false => (format!(" GROUP BY {}", grouped.join(", ")), grouped.join(", ")),
    };
    let order = match sort {
        _ if grouped.is_empty() => String::new(),
        SumSort::Latest if by.contains(&By::Day) => format!(" ORDER BY day DESC, {tie}"),
        SumSort::Dearest => format!(" ORDER BY SUM(spend) DESC, {tie}"),
        SumSort::Earliest | SumSort::Latest => format!(" ORDER BY {tie}"),
    };
    let text = format!("SELECT {}, {SUMS}{}{group}{order} LIMIT $11 OFFSET $12", columns.join(", "), chosen(store));
    let pool = store.sql().pool.clone();
    let query = async move {
        let rows = wanted.bind(sqlx::query(AssertSqlSafe(text))).bind(limit).bind(offset).fetch_all(&pool).await?;
        rows.iter().map(sum).collect()
    };
    store.thread().run(query).await
}

/// How many rows of the days' sums there are, unsummed.
pub async fn count_days(store: &Store, wanted: Days) -> Result<i64, StoreError> {
    let text = format!("SELECT COUNT(*){}", chosen(store));
    let pool = store.sql().pool.clone();
    store.thread().run(async move { Ok(wanted.bind(sqlx::query(AssertSqlSafe(text))).fetch_one(&pool).await?.try_get(0)?) }).await
}

impl Days {
    fn bind<'q>(&self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        let list = |values: &[String]| serde_json::Value::from(values).to_string();
        // No day is later.
        let until = if self.until.is_empty() { "9999-12-31".to_owned() } else { self.until.clone() };
        query
            .bind(self.kind)
            .bind(i64::from(!self.entities.is_empty()))
            .bind(list(&self.entities))
            .bind(i64::from(!self.except.is_empty()))
            .bind(list(&self.except))
            .bind(i64::from(!self.keys.is_empty()))
            .bind(list(&self.keys))
            .bind(self.model.clone())
            .bind(self.from.clone())
            .bind(until)
    }
}

fn sum(row: &AnyRow) -> Result<Sum, StoreError> {
    Ok(Sum {
        day: row.try_get(0)?,
        entity: row.try_get(1)?,
        api_key: row.try_get(2)?,
        model: row.try_get(3)?,
        model_group: row.try_get(4)?,
        provider: row.try_get(5)?,
        endpoint: row.try_get(6)?,
        spend: row.try_get(7)?,
        prompt_tokens: row.try_get(8)?,
        completion_tokens: row.try_get(9)?,
        cache_read_tokens: row.try_get(10)?,
        cache_write_tokens: row.try_get(11)?,
        requests: row.try_get(12)?,
        succeeded: row.try_get(13)?,
        failed: row.try_get(14)?,
    })
}
