//! Every table as lines of JSON, and back.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};

use super::{BackupError, at};
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::{Kind, Sql};
use crate::vault::MASTERS;

const NAMES_SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
const NAMES_POSTGRES: &str = "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name";
const COLUMNS_SQLITE: &str = "SELECT name, type FROM pragma_table_info($1) ORDER BY cid";
const COLUMNS_POSTGRES: &str = "SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
/// Which steps of the schema have been taken is known by the database that takes the rows.
const VERSIONS: &str = "schema_versions";
/// Rows that are read or written at once.
const PAGE: usize = 500;
/// Neither database takes more values in one statement.
const VALUES: usize = 30_000;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Bytes,
}

/// The versions of the schema the database is at.
pub(super) fn schema(store: &Store) -> Result<Vec<i64>, BackupError> {
    let pool = store.sql().pool.clone();
    let rows = store.thread().block(async move {
        let rows = sqlx::query("SELECT version FROM schema_versions ORDER BY version").fetch_all(&pool).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, StoreError>>()
    });
    Ok(rows?)
}

/// By what the keys are known that its secrets are sealed with.
pub(super) fn sealed_by(store: &Store) -> Result<Vec<String>, BackupError> {
    let pool = store.sql().pool.clone();
    let rows = store.thread().block(async move {
        let rows = sqlx::query(MASTERS).fetch_all(&pool).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>, StoreError>>()
    });
    Ok(rows?)
}

/// Writes every table as of one moment; gives their names and rows.
pub(super) fn dump(store: &Store, folder: &Path) -> Result<Vec<(String, u64)>, BackupError> {
    let (sql, folder) = (store.sql().clone(), folder.to_owned());
    let dumped = store.thread().block(async move {
        let mut on = sql.pool.begin().await?;
        if sql.kind == Kind::Postgres {
            sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *on).await?;
        }
        let mut dumped = Vec::new();
        for table in names(&sql, &mut on).await? {
            if table == VERSIONS {
                continue;
            }
            let path = folder.join(format!("{table}.jsonl"));
            match std::fs::File::create(&path) {
                Ok(file) => match write_table(&sql, &mut on, &table, file).await? {
                    Ok(rows) => dumped.push((table, rows)),
                    Err(error) => return Ok(Err(at(&path)(error))),
                },
                Err(error) => return Ok(Err(at(&path)(error))),
            }
        }
        on.commit().await?;
        Ok(Ok(dumped))
    });
    dumped?
}

async fn names(sql: &Sql, on: &mut Transaction<'_, Any>) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(sql.either(NAMES_SQLITE, NAMES_POSTGRES))).fetch_all(&mut **on).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn columns(sql: &Sql, on: &mut Transaction<'_, Any>, table: &str) -> Result<Vec<(String, Type)>, StoreError> {
    let text = AssertSqlSafe(sql.either(COLUMNS_SQLITE, COLUMNS_POSTGRES));
    let rows = sqlx::query(text).bind(table.to_owned()).fetch_all(&mut **on).await?;
    let column = |row: &AnyRow| {
        let (name, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let kind = match kind.to_ascii_lowercase().as_str() {
            "bigint" | "integer" => Type::Integer,
            "blob" | "bytea" => Type::Bytes,
            _ => Type::Text,
        };
        Ok((name, kind))
    };
    rows.iter().map(column).collect()
}

/// A name of the database's own, quoted.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn write_table(
    sql: &Sql,
    on: &mut Transaction<'_, Any>,
    table: &str,
    file: std::fs::File,
) -> Result<std::io::Result<u64>, StoreError> {
    let columns = columns(sql, on, table).await?;
    let list = columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut out = BufWriter::new(file);
    let head: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut rows = 0;
    let mut written = writeln!(out, "{}", json!(head));
    let cursor = quoted(&format!("dump_{table}"));
    let select = format!("SELECT {list} FROM {}", quoted(table));
    if sql.kind == Kind::Postgres {
        // A name of its own: what is known of a statement is known by its text.
        sqlx::query(AssertSqlSafe(format!("DECLARE {cursor} NO SCROLL CURSOR FOR {select}"))).execute(&mut **on).await?;
    }
    let mut last = -1_i64;
    while written.is_ok() {
        let page = match sql.kind {
            Kind::Postgres => sqlx::query(AssertSqlSafe(format!("FETCH {PAGE} FROM {cursor}"))).fetch_all(&mut **on).await?,
            Kind::Sqlite => {
                let text = format!("SELECT {list}, rowid FROM {} WHERE rowid > $1 ORDER BY rowid LIMIT {PAGE}", quoted(table));
                sqlx::query(AssertSqlSafe(text)).bind(last).fetch_all(&mut **on).await?
            }
        };
        let Some(end) = page.last() else { break };
        if sql.kind == Kind::Sqlite {
            last = end.try_get(columns.len())?;
        }
        for row in &page {
            let values = columns.iter().enumerate().map(|(at, (_, kind))| value(row, at, *kind)).collect::<Result<Vec<_>, _>>()?;
            written = written.and_then(|()| writeln!(out, "{}", Value::Array(values)));
            rows += 1;
        }
    }
    if sql.kind == Kind::Postgres {
        sqlx::query(AssertSqlSafe(format!("CLOSE {cursor}"))).execute(&mut **on).await?;
    }
    Ok(written.and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all()).map(|()| rows))
}

fn value(row: &AnyRow, at: usize, kind: Type) -> Result<Value, StoreError> {
    Ok(match kind {
        Type::Text => json!(row.try_get::<Option<String>, _>(at)?),
        Type::Integer => json!(row.try_get::<Option<i64>, _>(at)?),
        Type::Bytes => json!(row.try_get::<Option<Vec<u8>>, _>(at)?.map(|bytes| STANDARD.encode(bytes))),
    })
}

/// Puts the rows of every table in the place of what is there. All or nothing.
pub(super) fn load(store: &Store, folder: &Path, force: bool) -> Result<(), BackupError> {
    let (sql, folder) = (store.sql().clone(), folder.to_owned());
    let loaded = store.thread().block(async move {
        let mut on = sql.writers.begin().await?;
        let tables = names(&sql, &mut on).await?;
        for table in ["ledger", "objects"] {
            let count: i64 = sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(&mut *on).await?.try_get(0)?;
            if count > 0 && !force {
                return Ok(Err(BackupError::Occupied("the database".to_owned())));
            }
        }
        for table in tables.iter().filter(|table| *table != VERSIONS) {
            let path = folder.join(format!("{table}.jsonl"));
            if !path.exists() {
                continue;
            }
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", quoted(table)))).execute(&mut *on).await?;
            let columns = columns(&sql, &mut on, table).await?;
            if let Err(error) = read_table(&mut on, table, &columns, &path).await? {
                return Ok(Err(error));
            }
        }
        on.commit().await?;
        Ok(Ok(()))
    });
    loaded?
}

async fn read_table(
    on: &mut Transaction<'_, Any>,
    table: &str,
    columns: &[(String, Type)],
    path: &Path,
) -> Result<Result<(), BackupError>, StoreError> {
    let damaged = |what: &str| BackupError::Damaged(format!("{}: {what}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) => return Ok(Err(at(path)(error))),
    };
    let mut lines = file.lines();
    let head = lines.next().and_then(Result::ok).and_then(|line| serde_json::from_str::<Vec<String>>(&line).ok());
    let Some(head) = head else { return Ok(Err(damaged("it has no names of columns"))) };
    let kinds: Option<Vec<Type>> = head.iter().map(|name| Some(columns.iter().find(|(known, _)| known == name)?.1)).collect();
    let Some(kinds) = kinds else { return Ok(Err(damaged("it has columns that this gateway does not know"))) };
    let list = head.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let page = (VALUES / head.len().max(1)).clamp(1, PAGE);
    let mut rows: Vec<Vec<Value>> = Vec::with_capacity(page);
    loop {
        let line = lines.next();
        if let Some(line) = &line {
            let row = line.as_ref().ok().and_then(|line| serde_json::from_str::<Vec<Value>>(line).ok());
            match row.filter(|row| row.len() == head.len()) {
                Some(row) => rows.push(row),
                None => return Ok(Err(damaged("a line cannot be read"))),
            }
        }
        if rows.len() == page || (line.is_none() && !rows.is_empty()) {
            insert(on, table, &list, &kinds, std::mem::take(&mut rows)).await?;
        }
        if line.is_none() {
            return Ok(Ok(()));
        }
    }
}

async fn insert(on: &mut Transaction<'_, Any>, table: &str, list: &str, kinds: &[Type], rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
    let width = kinds.len();
    let tuple = |row: usize| {
        let marks: Vec<String> = (0..width).map(|column| format!("${}", row * width + column + 1)).collect();
        format!("({})", marks.join(", "))
    };
    let tuples: Vec<String> = (0..rows.len()).map(tuple).collect();
    let mut query = sqlx::query(AssertSqlSafe(format!("INSERT INTO {} ({list}) VALUES {}", quoted(table), tuples.join(", "))));
    for row in rows {
        for (value, kind) in row.into_iter().zip(kinds) {
            query = match kind {
                Type::Integer => query.bind(value.as_i64()),
                Type::Text => query.bind(value.as_str().map(str::to_owned)),
                Type::Bytes => query.bind(value.as_str().and_then(|text| STANDARD.decode(text).ok())),
            };
        }
    }
    query.execute(&mut **on).await?;
    Ok(())
}
