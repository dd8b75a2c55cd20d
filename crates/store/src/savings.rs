//! What choosing models for requests has saved.

use sqlx::Row;

use crate::error::StoreError;
use crate::open::Store;

/// Which savings are wanted. What is none asks nothing.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// From that day on, `YYYY-MM-DD`; empty for the first.
    pub from: String,
    /// To that day, with it; empty for the last.
    pub until: String,
    /// Of that key.
    pub api_key: Option<String>,
    /// Of that team.
    pub team: Option<String>,
    /// Of that user.
    pub user: Option<String>,
    /// Only what that user, or else that key, asked for.
    pub own: Option<(Option<String>, Option<String>)>,
}

/// By what savings are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The day.
    Day,
    /// The key.
    Key,
    /// The team.
    Team,
    /// The user.
    User,
    /// The name asked for.
    Group,
    /// The model that was chosen.
    Model,
    /// The model that savings are counted against.
    Reference,
}

impl By {
    /// All, with their names in queries and in the table.
    pub const ALL: [(By, &'static str, &'static str); 7] = [
        (By::Day, "day", "day"),
        (By::Key, "key", "api_key"),
        (By::Team, "team", "team_id"),
        (By::User, "user", "user_id"),
        (By::Group, "model_group", "model_group"),
        (By::Model, "model", "model"),
        (By::Reference, "reference", "reference"),
    ];
}

/// A sum. The columns it is by stand in the order of [`By::ALL`]; those it is not by are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// By what.
    pub by: [String; 7],
    /// Requests.
    pub requests: i64,
    /// What they cost, in nano-dollars.
    pub spend: i64,
    /// What they would have cost, in nano-dollars.
    pub reference: i64,
}

const SUMS: &str = "SELECT CASE WHEN $9 = 1 THEN day ELSE '' END AS c1, CASE WHEN $10 = 1 THEN api_key ELSE '' END AS c2, \
     CASE WHEN $11 = 1 THEN team_id ELSE '' END AS c3, CASE WHEN $12 = 1 THEN user_id ELSE '' END AS c4, \
     CASE WHEN $13 = 1 THEN model_group ELSE '' END AS c5, CASE WHEN $14 = 1 THEN model ELSE '' END AS c6, \
     CASE WHEN $15 = 1 THEN reference ELSE '' END AS c7, CAST(SUM(requests) AS BIGINT), CAST(SUM(spend) AS BIGINT), \
     CAST(SUM(reference_spend) AS BIGINT) FROM daily_savings WHERE day >= $1 AND day <= $2 AND ($3 IS NULL OR api_key = $3) \
     AND ($4 IS NULL OR team_id = $4) AND ($5 IS NULL OR user_id = $5) AND ($6 = 0 OR user_id = $7 OR api_key = $8) \
     GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7 LIMIT $16";

/// Sums of savings; none where there is nothing to be summed.
pub async fn sums(store: &Store, wanted: Wanted, by: &[By], limit: i64) -> Result<Vec<Sum>, StoreError> {
    let grouped = By::ALL.map(|(one, ..)| i64::from(by.contains(&one)));
    let pool = store.sql().pool.clone();
    let query = async move {
        let until = if wanted.until.is_empty() { "9999-12-31".to_owned() } else { wanted.until };
        let own = i64::from(wanted.own.is_some());
        let (user, key) = wanted.own.unwrap_or_default();
        let query = sqlx::query(SUMS).bind(wanted.from).bind(until).bind(wanted.api_key).bind(wanted.team);
        let query = query.bind(wanted.user).bind(own).bind(user).bind(key);
        let query = grouped.into_iter().fold(query, |query, by| query.bind(by));
        let rows = query.bind(limit).fetch_all(&pool).await?;
        let mut sums = Vec::with_capacity(rows.len());
        for row in rows {
            let mut sum = Sum { requests: row.try_get(7)?, spend: row.try_get(8)?, reference: row.try_get(9)?, ..Sum::default() };
            for (at, by) in sum.by.iter_mut().enumerate() {
                *by = row.try_get(at)?;
            }
            sums.push(sum);
        }
        Ok(sums)
    };
    store.thread().run(query).await
}
