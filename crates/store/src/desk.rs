//! Where objects are read and written.
//!
//! All writing goes through one transaction at a time: whoever writes takes the row of `change_counter` first. Two writers never
//! wait for each other in a circle, what a writer has read stays true until it commits, and changes are numbered in the order in
//! which they are committed, so that another gateway that reads on from the last number it saw misses none.

mod page;
mod secret;
mod statement;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row, Transaction};
use tokio::sync::Mutex;

pub use page::{Filter, Order, Page, Seen, Sort};

pub use crate::change::{Action, Author, Change, Listener};

use crate::chain::Chain;
use crate::change::Listeners;
use crate::error::StoreError;
use crate::heard::Heard;
use crate::object::Object;
use crate::open::Store;
use crate::sql::Sql;
use crate::time::{Time, micros};

enum Open {
    Reading(PoolConnection<Any>),
    Writing(Transaction<'static, Any>),
}

impl Open {
    fn connection(&mut self) -> &mut AnyConnection {
        match self {
            Open::Reading(connection) => connection,
            Open::Writing(transaction) => transaction,
        }
    }
}

struct Drawer {
    open: Open,
    changes: Vec<Change>,
}

/// A connection on which objects are read and, within a transaction, written.
#[derive(Clone)]
pub struct Desk {
    sql: Sql,
    actor: Arc<str>,
    seq: i64,
    drawer: Arc<Mutex<Drawer>>,
}

/// The longest a request waits for what it must know of its caller.
const SOON: std::time::Duration = std::time::Duration::from_secs(2);

impl Store {
    /// Reads, for a request that cannot wait long.
    pub async fn soon<T, E, F, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        match tokio::time::timeout(SOON, self.read(work)).await {
            Ok(read) => read,
            Err(_) => Err(StoreError::Silent.into()),
        }
    }

    /// Reads.
    pub async fn read<T, E, F, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        let sql = self.sql().clone();
        let done = self.thread().run(async move {
            let desk = Desk::to_read(sql).await?;
            Ok(work(desk).await)
        });
        done.await.map_err(E::from)?
    }

    /// Writes as `actor`: all of it or, where `work` fails, nothing. What is written lasts when this returns.
    pub async fn write<T, E, F, W>(&self, actor: &str, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        self.write_as(Author::named(actor), work).await
    }

    /// The same, with more to be said of who writes.
    pub async fn write_as<T, E, F, W>(&self, author: Author, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        let writing = Writing { listeners: self.listeners().clone(), heard: self.heard().clone(), chain: self.chain().cloned(), author };
        let sql = self.sql().clone();
        let done = self.thread().run(async move {
            let desk = Desk::to_write(sql, &writing.author).await?;
            let (drawer, seq) = (desk.drawer.clone(), desk.seq);
            let result = work(desk).await;
            writing.end(drawer, seq, result.is_ok()).await?;
            Ok(result)
        });
        done.await.map_err(E::from)?
    }
}

/// What is left to do when something was written.
struct Writing {
    listeners: Listeners,
    heard: Arc<Heard>,
    chain: Option<Arc<Chain>>,
    author: Author,
}

impl Writing {
    /// Commits what went well, and tells of it.
    async fn end(self, drawer: Arc<Mutex<Drawer>>, seq: i64, well: bool) -> Result<(), StoreError> {
        // Nobody else holds it unless the work let a part of itself escape; then nothing is committed.
        let Ok(drawer) = Arc::try_unwrap(drawer) else { return Err(StoreError::Stopping) };
        let Drawer { open: Open::Writing(transaction), changes } = drawer.into_inner() else { return Err(StoreError::Stopping) };
        if well {
            if !changes.is_empty() {
                self.heard.made(seq);
            }
            commit(transaction, &changes, self.chain.as_deref(), &self.author).await.inspect_err(|_| self.heard.failed(seq))?;
            self.listeners.tell(&changes);
        }
        Ok(())
    }
}

/// How long it is waited before a connection is tried again.
const AGAIN: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(200)];

/// A connection; a server that has none to spare for a moment, or has closed the one at hand, is asked again.
async fn patiently<T, F>(get: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    for wait in AGAIN {
        match get().await {
            Err(error @ sqlx::Error::Database(_)) if crate::error::is_outage(&error) => tokio::time::sleep(wait).await,
            result => return Ok(result?),
        }
    }
    Ok(get().await?)
}

async fn commit(
    mut transaction: Transaction<'static, Any>,
    changes: &[Change],
    chain: Option<&Chain>,
    author: &Author,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(transaction.rollback().await?);
    }
    let now = micros();
    for change in changes {
        let insert = sqlx::query(statement::CHANGED).bind(change.seq).bind(&change.kind).bind(&change.id).bind(now);
        insert.execute(&mut *transaction).await?;
    }
    if let Some(chain) = chain {
        chain.witness(&mut transaction, author, changes).await?;
    }
    Ok(transaction.commit().await?)
}

impl Desk {
    async fn to_read(sql: Sql) -> Result<Self, StoreError> {
        let open = Open::Reading(patiently(|| sql.pool.acquire()).await?);
        Ok(Self { sql, actor: Arc::from(""), seq: 0, drawer: Arc::new(Mutex::new(Drawer { open, changes: Vec::new() })) })
    }

    async fn to_write(sql: Sql, author: &Author) -> Result<Self, StoreError> {
        let mut transaction = patiently(|| sql.writers.begin()).await?;
        let row = sqlx::query(statement::NEXT).fetch_one(&mut *transaction).await?;
        let drawer = Drawer { open: Open::Writing(transaction), changes: Vec::new() };
        Ok(Self { sql, actor: Arc::from(author.name.as_str()), seq: row.try_get(0)?, drawer: Arc::new(Mutex::new(drawer)) })
    }

    /// Who writes.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The object of that id.
    pub async fn get<O: Object>(&self, id: &str) -> Result<Option<O>, StoreError> {
        let row = self.row(sqlx::query(statement::GET).bind(O::KIND).bind(id.to_owned())).await?;
        row.map(|row| read(&row)).transpose()
    }

    /// The objects of those ids that exist, in any order.
    pub async fn several<O: Object>(&self, ids: &[String]) -> Result<Vec<O>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = self.sql.either(statement::SEVERAL, statement::SEVERAL_POSTGRES);
        self.rows(sqlx::query(text).bind(O::KIND).bind(list(ids))).await
    }

    /// The objects people call by that name.
    pub async fn named<O: Object>(&self, name: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::NAMED).bind(O::KIND).bind(name.to_owned())).await
    }

    /// The objects of that user.
    pub async fn of_user<O: Object>(&self, user: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::OF_USER).bind(O::KIND).bind(user.to_owned())).await
    }

    /// The objects of that team.
    pub async fn of_team<O: Object>(&self, team: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::OF_TEAM).bind(O::KIND).bind(team.to_owned())).await
    }

    /// The objects of that organization.
    pub async fn of_organization<O: Object>(&self, organization: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::OF_ORGANIZATION).bind(O::KIND).bind(organization.to_owned())).await
    }

    /// The objects of that project.
    pub async fn of_project<O: Object>(&self, project: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::OF_PROJECT).bind(O::KIND).bind(project.to_owned())).await
    }

    /// Every object of that kind, the oldest first.
    pub async fn all<O: Object>(&self) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::ALL).bind(O::KIND)).await
    }

    /// A page of objects, and how many there are on all pages.
    pub async fn page<O: Object>(&self, filter: &Filter, page: Page) -> Result<(Vec<O>, i64), StoreError> {
        let total = self.row(filter.bind(sqlx::query(page::count(&self.sql, filter)), O::KIND)).await?;
        let total = total.map_or(Ok(0), |row| row.try_get(0))?;
        let text = page::statement(&self.sql, filter, page);
        let rows =
            filter.bind(sqlx::query(text), O::KIND).bind(page.size.max(0)).bind(page.number.max(1).saturating_sub(1) * page.size.max(0));
        Ok((self.rows(rows).await?, total))
    }

    /// What was deleted of that kind under that id, the latest first.
    pub async fn deleted<O: Object>(&self, id: &str) -> Result<Vec<O>, StoreError> {
        self.rows(sqlx::query(statement::DELETED).bind(O::KIND).bind(id.to_owned())).await
    }

    /// When the object was written or used last.
    pub async fn touched<O: Object>(&self, id: &str) -> Result<Option<Time>, StoreError> {
        let row = self.row(sqlx::query(statement::TOUCHED).bind(O::KIND).bind(id.to_owned())).await?;
        row.map(|row| Ok(Time(row.try_get(0)?))).transpose()
    }

    /// Says that the object is used now. That changes nothing of it: nobody is told, and nothing is logged.
    pub async fn touch<O: Object>(&self, id: &str) -> Result<(), StoreError> {
        let touch = sqlx::query(statement::TOUCH).bind(O::KIND).bind(id.to_owned()).bind(micros());
        touch.execute(&self.sql.writers).await?;
        Ok(())
    }

    /// Writes an object, whether it is there or not.
    pub async fn put<O: Object>(&self, object: &O) -> Result<(), StoreError> {
        let (id, columns) = (object.id(), object.columns());
        let after = serde_json::to_value(object).map_err(|error| unreadable(O::KIND, error))?;
        let before: Option<Value> = self.document(O::KIND, &id).await?;
        let action = if before.is_some() { Action::Updated } else { Action::Created };
        let upsert = sqlx::query(statement::PUT)
            .bind(O::KIND)
            .bind(id.clone())
            .bind(columns.name)
            .bind(columns.user)
            .bind(columns.team)
            .bind(columns.organization)
            .bind(columns.project)
            .bind(columns.created_by)
            .bind(columns.expires.map(|time| time.0))
            .bind(columns.created.0)
            .bind(micros())
            .bind(O::FORM)
            .bind(after.to_string());
        self.change(upsert, action, (O::KIND, id), (before, Some(after))).await
    }

    /// Deletes an object; what it was is kept among the deleted. Whether it was there.
    pub async fn delete<O: Object>(&self, id: &str) -> Result<bool, StoreError> {
        let Some(before) = self.document(O::KIND, id).await? else { return Ok(false) };
        let keep = sqlx::query(statement::KEEP).bind(self.seq).bind(O::KIND).bind(id.to_owned());
        let keep = keep.bind(self.actor.to_string()).bind(micros()).bind(before.to_string());
        keep.execute(self.drawer.lock().await.open.connection()).await?;
        let delete = sqlx::query(statement::DELETE).bind(O::KIND).bind(id.to_owned());
        self.change(delete, Action::Deleted, (O::KIND, id.to_owned()), (Some(before), None)).await?;
        Ok(true)
    }

    async fn document(&self, kind: &'static str, id: &str) -> Result<Option<Value>, StoreError> {
        let row = self.row(sqlx::query(statement::GET).bind(kind).bind(id.to_owned())).await?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get(0)?;
        serde_json::from_str(&text).map(Some).map_err(|error| unreadable(kind, error))
    }

    async fn change(
        &self,
        statement: Query<'static, Any, AnyArguments>,
        action: Action,
        (kind, id): (&'static str, String),
        (before, after): (Option<Value>, Option<Value>),
    ) -> Result<(), StoreError> {
        let mut drawer = self.drawer.lock().await;
        statement.execute(drawer.open.connection()).await?;
        let actor = Some(self.actor.to_string());
        let earlier = drawer.changes.iter_mut().find(|change| change.kind == kind && change.id == id);
        match earlier {
            Some(change) => {
                change.after = after;
                change.action = match (change.action, action) {
                    (Action::Created, Action::Updated) => Action::Created,
                    (_, action) => action,
                };
            }
            None => drawer.changes.push(Change { seq: self.seq, action, kind: kind.to_owned(), id, actor, before, after }),
        }
        Ok(())
    }

    async fn row(&self, query: Query<'_, Any, AnyArguments>) -> Result<Option<AnyRow>, StoreError> {
        Ok(query.fetch_optional(self.drawer.lock().await.open.connection()).await?)
    }

    async fn rows<O: Object>(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<O>, StoreError> {
        let rows = query.fetch_all(self.drawer.lock().await.open.connection()).await?;
        rows.iter().map(read).collect()
    }
}

/// The document, in the first column.
fn read<O: Object>(row: &AnyRow) -> Result<O, StoreError> {
    let text: String = row.try_get(0)?;
    serde_json::from_str(&text).map_err(|error| unreadable(O::KIND, error))
}

fn unreadable(what: &'static str, source: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what, source: Box::new(source) }
}

/// Values of a list, for statements that look in one.
fn list(values: &[String]) -> String {
    Value::from(values).to_string()
}
