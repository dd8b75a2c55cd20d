//! The faults, played.

use std::io;
use std::time::Duration;

use crate::http1::Connection;
use crate::script::{Fault, Script};

use super::ask::Ask;
use super::shape::error_kind;
use super::{Next, SharedBooks, write_head};

/// How long a stalled connection is held open for a peer that never gives up.
const STALL: Duration = Duration::from_secs(600);
const SLOW: Duration = Duration::from_secs(2);

/// What is in store for one answer.
pub(super) struct Fate<'a> {
    pub(super) fault: Option<Fault>,
    pub(super) script: &'a Script,
    pub(super) books: &'a SharedBooks,
}

/// Whether a fault has already been the whole answer.
pub(super) enum Early {
    Over(Next),
    Later(Connection),
}

/// Whether the fault strikes after a part of the body.
pub(super) fn is_mid_body(fault: Fault) -> bool {
    matches!(fault, Fault::Cut | Fault::Abort | Fault::Stall)
}

impl Fate<'_> {
    /// Plays the faults which need no part of the proper answer.
    pub(super) async fn strike_early(&self, connection: Connection, ask: &Ask<'_>, fault: Fault) -> io::Result<Early> {
        let reply = match fault {
            Fault::Status(status) => self.error_reply(ask, status, error_kind(status)),
            Fault::Quota => self.error_reply(ask, 429, "insufficient_quota"),
            Fault::ErrorEvent if !ask.stream => json_reply(200, &ask.shape.error_body(500, "server_error")),
            Fault::Malformed if !ask.stream => json_reply(200, "{\"id\":\"chatcmpl-mock\",\"choices\":[{"),
            Fault::Null => json_reply(200, "null"),
            Fault::Html => reply(200, "text/html", "<!doctype html><title>Bad gateway</title>", None),
            Fault::Redirect => reply(307, "text/plain", "", Some("location: http://127.0.0.1:9/elsewhere\r\n")),
            Fault::Reset => return connection.reset().map(|()| Early::Over(Next::Close)),
            Fault::Hang => return hold(connection).await.map(Early::Over),
            Fault::Slow => {
                tokio::time::sleep(SLOW).await;
                return Ok(Early::Later(connection));
            }
            Fault::ResetAfterHead => {
                return reset_after_head(connection, ask).await.map(Early::Over);
            }
            Fault::Cut | Fault::Abort | Fault::Stall | Fault::Malformed | Fault::ErrorEvent => {
                return Ok(Early::Later(connection));
            }
            Fault::Empty | Fault::NoEnd | Fault::NoUsage => return Ok(Early::Later(connection)),
        };
        let mut connection = connection;
        connection.write(&reply).await?;
        Ok(Early::Over(Next::Reuse(connection)))
    }

    fn error_reply(&self, ask: &Ask<'_>, status: u16, kind: &str) -> Vec<u8> {
        let hint = self.script.retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
        reply(status, "application/json", &ask.shape.error_body(status, kind), hint.as_deref())
    }

    /// Promises a whole body and sends half of it.
    pub(super) async fn break_body(&self, mut connection: Connection, body: &[u8], fault: Fault) -> io::Result<Next> {
        let mut out = Vec::new();
        write_head(&mut out, 200, "application/json", Some(body.len()), None);
        out.extend_from_slice(&body[..body.len() / 2]);
        connection.write(&out).await?;
        break_off(connection, fault).await
    }
}

/// Leaves a connection in the way the fault asks for.
pub(super) async fn break_off(connection: Connection, fault: Fault) -> io::Result<Next> {
    match fault {
        Fault::Stall => hold(connection).await,
        Fault::Abort => connection.reset().map(|()| Next::Close),
        _ => Ok(Next::Close),
    }
}

/// Keeps silent until the peer goes away.
async fn hold(mut connection: Connection) -> io::Result<Next> {
    match tokio::time::timeout(STALL, connection.closed()).await {
        Ok(closed) => closed.map(|()| Next::Close),
        Err(_) => Ok(Next::Close),
    }
}

async fn reset_after_head(mut connection: Connection, ask: &Ask<'_>) -> io::Result<Next> {
    let mut out = Vec::new();
    match ask.stream {
        true => write_head(&mut out, 200, "text/event-stream", None, None),
        false => write_head(&mut out, 200, "application/json", Some(1000), None),
    }
    connection.write(&out).await?;
    connection.reset().map(|()| Next::Close)
}

fn json_reply(status: u16, body: &str) -> Vec<u8> {
    reply(status, "application/json", body, None)
}

fn reply(status: u16, content_type: &str, body: &str, extra: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    write_head(&mut out, status, content_type, Some(body.len()), extra);
    out.extend_from_slice(body.as_bytes());
    out
}
