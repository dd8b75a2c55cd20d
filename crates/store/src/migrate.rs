//! Bringing a database to the form this gateway expects.
//!
//! Each step only adds, so that the version before still works on what the next has made. PostgreSQL runs them under an advisory
//! lock: of several gateways that start at once, one does it and the others wait.

use sqlx::{Executor, Row};

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

/// Takes the steps that are not taken yet. All or none.
pub(crate) async fn migrate(sql: &Sql, now: i64) -> Result<(), StoreError> {
    let mut transaction = sql.writers.begin().await?;
    if sql.kind == Kind::Postgres {
        transaction.execute(LOCK).await?;
    }
    transaction.execute(VERSIONS).await?;
    let rows = sqlx::query("SELECT version FROM schema_versions").fetch_all(&mut *transaction).await?;
    let found = rows.iter().map(|row| row.try_get::<i64, _>(0)).collect::<Result<Vec<_>, _>>()?;
    for step in STEPS.iter().filter(|step| !found.contains(&step.version)) {
        for statement in statements(step.statements) {
            let statement = match sql.kind {
                Kind::Postgres => statement.replace(" BLOB", " BYTEA"),
                Kind::Sqlite => statement.to_owned(),
            };
            transaction.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        switchboard_engine::failpoint::hit("during_migration");
        let applied = sqlx::query("INSERT INTO schema_versions (version, applied_at) VALUES ($1, $2)");
        applied.bind(step.version).bind(now).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    // The version after this one only adds: it can be lived with. Two ahead cannot.
    let known = STEPS.iter().map(|step| step.version).max().unwrap_or_default();
    let unknown = found.iter().filter(|version| STEPS.iter().all(|step| step.version != **version));
    match unknown.max() {
        Some(&found) if found > known + 1 => Err(StoreError::TooNew { found, known }),
        _ => Ok(()),
    }
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
