//! Bringing a database to the form this gateway expects.
//!
//! Each step only adds, so that the version before still works on what the next has made. PostgreSQL runs them under an advisory
//! lock: of several gateways that start at once, one does it and the others wait. Others serve meanwhile: a step that waits for
//! them, or they for it, gives way after a moment and is tried again, so that nobody stands behind it for long.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Executor, Row};

use crate::error::StoreError;
use crate::sql::{Kind, Sql};

/// One step: its number, the same statements for both databases.
struct Step {
    version: i64,
    statements: &'static str,
}

/// Every step, the oldest first.
const STEPS: &[Step] = &[
    Step { version: 1, statements: include_str!("../migrations/0001_marks.sql") },
    Step { version: 2, statements: include_str!("../migrations/0002_objects.sql") },
    Step { version: 10, statements: include_str!("../migrations/0010_ledger.sql") },
    Step { version: 11, statements: include_str!("../migrations/0011_leases.sql") },
    Step { version: 12, statements: include_str!("../migrations/0012_daily_spend_key.sql") },
    Step { version: 20, statements: include_str!("../migrations/0020_vault.sql") },
    Step { version: 21, statements: include_str!("../migrations/0021_audit.sql") },
    Step { version: 50, statements: include_str!("../migrations/0050_ledger_basis.sql") },
    Step { version: 60, statements: include_str!("../migrations/0060_answer_ids.sql") },
    Step { version: 80, statements: include_str!("../migrations/0080_kept_answers.sql") },
    Step { version: 90, statements: include_str!("../migrations/0090_experiments.sql") },
    Step { version: 91, statements: include_str!("../migrations/0091_savings.sql") },
    Step { version: 94, statements: include_str!("../migrations/0094_told_alerts.sql") },
    Step { version: 95, statements: include_str!("../migrations/0095_log_sessions.sql") },
];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, applied_at BIGINT NOT NULL)";
/// Any number will do, as long as it stays the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7283946501)";

/// Who waits for another gateway's steps does so for as long as any statement may take,
const IN_TURN: &str = "SET LOCAL lock_timeout = 0";
/// a step that waits for a table lets the others on soon, and what it does with that much data takes the time it takes.
const STEPPING: &[&str] = &["SET LOCAL lock_timeout = '1s'", "SET LOCAL statement_timeout = 0"];
/// For how long steps are tried again that the others' work kept from being taken, and how soon.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(200);

/// Takes the steps that are not taken yet. All or none.
pub(crate) async fn migrate(sql: &Sql, now: i64) -> Result<(), StoreError> {
    let began = Instant::now();
    let found = loop {
        match steps(sql, now).await {
            Err(StoreError::Contended(error)) if began.elapsed() < PATIENCE => {
                tracing::warn!(%error, "others are using the database; its next form is tried again");
                tokio::time::sleep(AGAIN).await;
            }
            taken => break taken?,
        }
    };
    // The version after this one only adds: it can be lived with. Two ahead cannot.
    let known = STEPS.iter().map(|step| step.version).max().unwrap_or_default();
    let unknown = found.iter().filter(|version| STEPS.iter().all(|step| step.version != **version));
    match unknown.max() {
        Some(&found) if found > known + 1 => Err(StoreError::TooNew { found, known }),
        _ => Ok(()),
    }
}

/// The steps that were taken before, once all are.
async fn steps(sql: &Sql, now: i64) -> Result<Vec<i64>, StoreError> {
    let mut transaction = sql.writers.begin().await?;
    if sql.kind == Kind::Postgres {
        transaction.execute(IN_TURN).await?;
        transaction.execute(LOCK).await?;
        for setting in STEPPING {
            transaction.execute(*setting).await?;
        }
    }
    transaction.execute(VERSIONS).await?;
    let rows = sqlx::query("SELECT version FROM schema_versions").fetch_all(&mut *transaction).await?;
    let found = rows.iter().map(|row| row.try_get::<i64, _>(0)).collect::<Result<Vec<_>, _>>()?;
    for step in STEPS.iter().filter(|step| !found.contains(&step.version)) {
        take(&mut transaction, sql.kind, step, now).await?;
    }
    transaction.commit().await?;
    Ok(found)
}

async fn take(on: &mut AnyConnection, kind: Kind, step: &Step, now: i64) -> Result<(), StoreError> {
    for statement in statements(step.statements) {
        let statement = match kind {
            Kind::Postgres => statement.replace(" BLOB", " BYTEA"),
            Kind::Sqlite => statement,
        };
        on.execute(sqlx::AssertSqlSafe(statement)).await?;
    }
    switchboard_engine::failpoint::hit("during_migration");
    let applied = sqlx::query("INSERT INTO schema_versions (version, applied_at) VALUES ($1, $2)");
    applied.bind(step.version).bind(now).execute(on).await?;
    Ok(())
}

/// The versions this gateway knows.
pub(crate) fn known() -> impl Iterator<Item = i64> {
    STEPS.iter().map(|step| step.version)
}

/// The statements of a file, without its comments.
fn statements(text: &'static str) -> impl Iterator<Item = String> {
    let bare: String = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    bare.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect::<Vec<_>>().into_iter()
}
