//! The connection to Redis, where gateways agree on what is worth no database: limits, rests, figures.
//!
//! Nothing here is worth waiting for. A command that takes longer than [`PATIENCE`] counts as failed; after a failure Redis is left
//! alone for a while, so that a gateway whose Redis is away serves as fast as one that has none. What lives in Redis may be lost at
//! any time: whoever uses it has an answer of its own without it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, RedisError};

/// The longest a command may take.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// The longest a new connection may take; requests do not wait for it.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long Redis is left alone after a failure, at first.
const SHORTEST: Duration = Duration::from_millis(250);
/// How long at most.
const LONGEST: Duration = Duration::from_secs(10);

/// Redis did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It failed a moment ago, and is left alone.
    #[error("Redis is left alone after a failure")]
    LeftAlone,
    /// It did not answer in time.
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It cannot be reached, or refused.
    #[error("Redis failed: {0}")]
    Failed(#[from] RedisError),
}

/// The address of Redis cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the address of Redis cannot be understood: {0}; write `redis://[:PASSWORD@]HOST:PORT/DATABASE`")]
pub struct BadAddress(String);

impl BadAddress {
    /// There is no thread on which to speak to it.
    pub(crate) fn thread(error: &std::io::Error) -> Self {
        Self(format!("no thread could be started: {error}"))
    }
}

/// A connection to Redis that is made when it is needed, shared by whoever uses it on one runtime.
#[derive(Debug)]
pub struct Redis {
    client: Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Until when it is left alone, and for how long after the next failure.
    alone: Option<(Instant, Duration)>,
}

impl Redis {
    /// A way to the Redis at that address; nothing is asked of it yet.
    pub fn new(address: &str) -> Result<Self, BadAddress> {
        // What the library says may repeat the address, and with it the password.
        let client = Client::open(address).map_err(|error| BadAddress(error.category().to_owned()))?;
        Ok(Self { client, state: Mutex::default() })
    }

    /// Whether the last thing asked of it was answered.
    pub fn is_up(&self) -> bool {
        let state = self.state();
        state.connection.is_some() && state.alone.is_none()
    }

    /// Does something with the connection, within [`PATIENCE`] beside what a new connection takes.
    pub async fn with<T, F>(&self, work: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, Unanswered>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let connection = self.connection().await?;
        let answered = match tokio::time::timeout(PATIENCE, work(connection)).await {
            Ok(Ok(answer)) => {
                self.state().alone = None;
                return Ok(answer);
            }
            Ok(Err(error)) => Unanswered::Failed(error),
            Err(_) => Unanswered::Late(PATIENCE),
        };
        // A refused command is the command's fault, and no reason to leave Redis alone.
        let refused = matches!(&answered, Unanswered::Failed(error) if !is_outage(error));
        if !refused {
            self.failed();
        }
        Err(answered)
    }

    async fn connection(&self) -> Result<MultiplexedConnection, Unanswered> {
        {
            let state = self.state();
            if state.alone.is_some_and(|(until, _)| until > Instant::now()) {
                return Err(Unanswered::LeftAlone);
            }
            if let Some(connection) = &state.connection {
                return Ok(connection.clone());
            }
        }
        let made = match tokio::time::timeout(CONNECTING, self.client.get_multiplexed_async_connection()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Unanswered::Failed(error)),
            Err(_) => Err(Unanswered::Late(CONNECTING)),
        };
        match made {
            Ok(connection) => {
                self.state().connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                self.failed();
                Err(error)
            }
        }
    }

    fn failed(&self) {
        let mut state = self.state();
        let pause = state.alone.map_or(SHORTEST, |(_, pause)| (pause * 2).min(LONGEST));
        // A late answer must not be taken for that of the next question.
        state.connection = None;
        state.alone = Some((Instant::now() + pause, pause));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Redis as a whole is to blame, and not what was asked of it.
fn is_outage(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || matches!(error.kind(), ErrorKind::Io | ErrorKind::AuthenticationFailed)
}
