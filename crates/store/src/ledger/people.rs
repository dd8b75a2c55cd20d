//! What each user has spent in a team, by the lines of the log.

use sqlx::Row;

use crate::error::StoreError;
use crate::open::Store;

/// What a user asked for in a team, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The user; none for keys of nobody.
    pub user: Option<String>,
    /// In billionths of a dollar.
    pub spend: i64,
    /// Tokens of prompts.
    pub prompt_tokens: i64,
    /// Tokens of answers.
    pub completion_tokens: i64,
    /// Requests.
    pub requests: i64,
    /// Those of them that failed.
    pub failed: i64,
}

/// The shares of a team's users from one time until another, in microseconds; of one user where one is named.
pub async fn shares(store: &Store, team: &str, (from, until): (i64, i64), user: Option<&str>) -> Result<Vec<Share>, StoreError> {
    const SHARES: &str = "SELECT user_id, CAST(SUM(spend) AS BIGINT), CAST(SUM(prompt_tokens) AS BIGINT), \
        CAST(SUM(completion_tokens) AS BIGINT), COUNT(*), CAST(SUM(CASE WHEN LOWER(status) = 'failure' THEN 1 ELSE 0 END) AS BIGINT) \
        FROM spend_logs WHERE team_id = $1 AND started_at >= $2 AND started_at < $3 AND ($4 IS NULL OR user_id = $4) \
        GROUP BY user_id ORDER BY 2 DESC, 1";
    let (pool, team, user) = (store.sql().pool.clone(), team.to_owned(), user.map(str::to_owned));
    let query = async move {
        let rows = sqlx::query(SHARES).bind(team).bind(from).bind(until).bind(user).fetch_all(&pool).await?;
        let share = |row: &sqlx::any::AnyRow| {
            Ok::<_, sqlx::Error>(Share {
                user: row.try_get(0)?,
                spend: row.try_get(1)?,
                prompt_tokens: row.try_get(2)?,
                completion_tokens: row.try_get(3)?,
                requests: row.try_get(4)?,
                failed: row.try_get(5)?,
            })
        };
        Ok(rows.iter().map(share).collect::<Result<Vec<_>, _>>()?)
    };
    store.thread().run(query).await
}
