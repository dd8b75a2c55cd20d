//! Experiments as they stand, what their arms have come to, and what people think of answers.
//!
//! What arms have come to is counted by the ledger, in the transaction that adds the lines of the request log. Here it is read,
//! together with the feedback.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use switchboard_engine::experiment::Tally;

use crate::error::StoreError;
use crate::open::Store;
use crate::time::micros;

/// An experiment as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it is, as JSON, where it was made over the API.
    pub document: Option<String>,
    /// How it stands, as JSON.
    pub state: String,
    /// Counts its changes: whoever changes it says which one it knows.
    pub version: i64,
}

const LIST: &str = "SELECT name, document, state, version FROM experiments ORDER BY name";
const MAKE: &str = "INSERT INTO experiments (name, document, state, version, updated_at) VALUES ($1, $2, $3, 1, $4) ON CONFLICT (name) DO NOTHING RETURNING version";
const CHANGE: &str = "UPDATE experiments SET document = $2, state = $3, version = version + 1, updated_at = $4 WHERE name = $1 AND version = $5 RETURNING version";
const REMOVE: &str = "DELETE FROM experiments WHERE name = $1 RETURNING version";
const FORGET: &str = "DELETE FROM experiment_arms WHERE experiment = $1";
const RELEASE: &str = "UPDATE feedback SET experiment = NULL, arm = NULL WHERE experiment = $1";

/// All that are kept.
pub async fn list(store: &Store) -> Result<Vec<Row>, StoreError> {
    let pool = store.sql().pool.clone();
    store.thread().run(async move { read(&pool).await }).await
}

/// The same, for a thread that has nothing else to do. There may be no tables yet: they are made first.
pub fn list_blocking(store: &Store) -> Result<Vec<Row>, StoreError> {
    store.migrate()?;
    let pool = store.sql().pool.clone();
    store.thread().block(async move { read(&pool).await })
}

async fn read(pool: &sqlx::AnyPool) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(LIST).fetch_all(pool).await?;
    rows.iter()
        .map(|row| Ok(Row { name: row.try_get(0)?, document: row.try_get(1)?, state: row.try_get(2)?, version: row.try_get(3)? }))
        .collect()
}

/// Writes one, if it is still as its writer knew it: of version 0 if there was none. Says whether it was.
pub async fn put(store: &Store, row: Row) -> Result<bool, StoreError> {
    let writers = store.sql().writers.clone();
    let query = async move {
        let written = match row.version {
            0 => sqlx::query(MAKE).bind(row.name).bind(row.document).bind(row.state).bind(micros()),
            version => sqlx::query(CHANGE).bind(row.name).bind(row.document).bind(row.state).bind(micros()).bind(version),
        };
        Ok(written.fetch_optional(&writers).await?.is_some())
    };
    store.thread().run(query).await
}

/// Removes one with its counters; feedback stays, and belongs to none. Says whether there was one.
pub async fn remove(store: &Store, name: &str) -> Result<bool, StoreError> {
    let (writers, name) = (store.sql().writers.clone(), name.to_owned());
    let query = async move {
        let mut transaction = writers.begin().await?;
        let found = sqlx::query(REMOVE).bind(name.clone()).fetch_optional(&mut *transaction).await?.is_some();
        for statement in [FORGET, RELEASE] {
            sqlx::query(statement).bind(name.clone()).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(found)
    };
    store.thread().run(query).await
}

/// What an arm has come to in one of its roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The experiment.
    pub experiment: String,
    /// The arm.
    pub arm: String,
    /// `live`, `shadow` or `judge`.
    pub role: String,
    /// The sums.
    pub tally: Tally,
}

const ARMS: &str = "SELECT experiment, arm, role, requests, failed, spend, spend_squares, timed, latency, latency_squares \
     FROM experiment_arms WHERE ($1 IS NULL OR experiment = $1) ORDER BY experiment, arm, role";
// What a judge says of a copy stands under the copy's own arm, which has the role of a shadow.
const RATED: &str = "SELECT experiment, arm, CASE WHEN source = 'judge_of_shadow' THEN 'shadow' ELSE 'live' END AS part, \
     CAST(COUNT(reward) AS BIGINT), CAST(COALESCE(SUM(reward), 0) AS BIGINT), CAST(COALESCE(SUM(reward * reward), 0) AS BIGINT) \
     FROM feedback WHERE reward IS NOT NULL AND experiment IS NOT NULL AND ($1 IS NULL OR experiment = $1) \
     GROUP BY experiment, arm, CASE WHEN source = 'judge_of_shadow' THEN 'shadow' ELSE 'live' END ORDER BY experiment, arm, part";

/// What arms have come to: those of one experiment, or all.
pub async fn figures(store: &Store, experiment: Option<String>) -> Result<Vec<Figures>, StoreError> {
    let pool = store.sql().pool.clone();
    let query = async move {
        let rows = sqlx::query(ARMS).bind(experiment.clone()).fetch_all(&pool).await?;
        let mut figures = rows.iter().map(counted).collect::<Result<Vec<_>, _>>()?;
        for row in sqlx::query(RATED).bind(experiment).fetch_all(&pool).await? {
            let (experiment, arm, role): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (rated, rewards, reward_squares) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
            let known = figures.iter_mut().find(|one| one.experiment == experiment && one.arm == arm && one.role == role);
            match known {
                Some(known) => known.tally = Tally { rated, rewards, reward_squares, ..known.tally },
                None => {
                    let tally = Tally { rated, rewards, reward_squares, ..Tally::default() };
                    figures.push(Figures { experiment, arm, role, tally });
                }
            }
        }
        Ok(figures)
    };
    store.thread().run(query).await
}

fn counted(row: &AnyRow) -> Result<Figures, StoreError> {
    let tally = Tally {
        requests: row.try_get(3)?,
        failed: row.try_get(4)?,
        spend: row.try_get(5)?,
        spend_squares: row.try_get(6)?,
        timed: row.try_get(7)?,
        latency: row.try_get(8)?,
        latency_squares: row.try_get(9)?,
        ..Tally::default()
    };
    Ok(Figures { experiment: row.try_get(0)?, arm: row.try_get(1)?, role: row.try_get(2)?, tally })
}

/// What somebody thinks of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// The request.
    pub request_id: String,
    /// Who: the hash of a key, or the name of what stands for one.
    pub author: String,
    /// `caller`, `team`, `admin`, `judge`, `judge_of_shadow`.
    pub source: String,
    /// How good, in ten-thousandths; none where only a comment was made.
    pub reward: Option<i64>,
    /// The score as it was given.
    pub score: Option<String>,
    /// `up` or `down`.
    pub thumbs: Option<String>,
    /// In words.
    pub comment: Option<String>,
    /// The experiment it counts for.
    pub experiment: Option<String>,
    /// The arm.
    pub arm: Option<String>,
    /// The model that answered.
    pub model: String,
    /// The model asked for.
    pub model_group: String,
    /// When it was first given.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
}

const SAY: &str = "INSERT INTO feedback (request_id, author, source, reward, score, thumbs, comment, experiment, arm, model, model_group, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) ON CONFLICT (request_id, author) DO UPDATE SET source = excluded.source, \
     reward = COALESCE(excluded.reward, feedback.reward), score = COALESCE(excluded.score, feedback.score), \
     thumbs = COALESCE(excluded.thumbs, feedback.thumbs), comment = COALESCE(excluded.comment, feedback.comment), updated_at = excluded.updated_at \
     RETURNING request_id, author, source, reward, score, thumbs, comment, experiment, arm, model, model_group, created_at, updated_at";
const SAID: &str = "SELECT request_id, author, source, reward, score, thumbs, comment, experiment, arm, model, model_group, created_at, updated_at \
     FROM feedback WHERE ($1 IS NULL OR request_id = $1) AND ($2 IS NULL OR experiment = $2) AND ($3 IS NULL OR author = $3) \
     ORDER BY updated_at DESC, request_id, author LIMIT $4 OFFSET $5";

/// Writes down what somebody thinks. Of what they said before, what is not said anew stays. Gives what holds now.
pub async fn say(store: &Store, said: Feedback) -> Result<Feedback, StoreError> {
    let writers = store.sql().writers.clone();
    let query = async move {
        let query = sqlx::query(SAY).bind(said.request_id).bind(said.author).bind(said.source).bind(said.reward).bind(said.score);
        let query = query.bind(said.thumbs).bind(said.comment).bind(said.experiment).bind(said.arm).bind(said.model);
        feedback(&query.bind(said.model_group).bind(micros()).fetch_one(&writers).await?)
    };
    store.thread().run(query).await
}

/// Which feedback is wanted. What is none asks nothing.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// On that request.
    pub request_id: Option<String>,
    /// In that experiment.
    pub experiment: Option<String>,
    /// Of that author.
    pub author: Option<String>,
}

/// What was said, the latest first.
pub async fn said(store: &Store, wanted: Said, (limit, offset): (i64, i64)) -> Result<Vec<Feedback>, StoreError> {
    let pool = store.sql().pool.clone();
    let query = async move {
        let query = sqlx::query(SAID).bind(wanted.request_id).bind(wanted.experiment).bind(wanted.author);
        query.bind(limit).bind(offset).fetch_all(&pool).await?.iter().map(feedback).collect()
    };
    store.thread().run(query).await
}

fn feedback(row: &AnyRow) -> Result<Feedback, StoreError> {
    Ok(Feedback {
        request_id: row.try_get(0)?,
        author: row.try_get(1)?,
        source: row.try_get(2)?,
        reward: row.try_get(3)?,
        score: row.try_get(4)?,
        thumbs: row.try_get(5)?,
        comment: row.try_get(6)?,
        experiment: row.try_get(7)?,
        arm: row.try_get(8)?,
        model: row.try_get(9)?,
        model_group: row.try_get(10)?,
        created_at: row.try_get(11)?,
        updated_at: row.try_get(12)?,
    })
}
