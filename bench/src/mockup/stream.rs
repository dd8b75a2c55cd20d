//! A stream of server-sent events: every event is one HTTP chunk and one write, as providers send them.

use std::io;

use crate::http1::Connection;
use crate::script::Fault;

use super::ask::Ask;
use super::fault::{Fate, break_off, is_mid_body};
use super::{Next, write_head};

const MALFORMED: &str = "data: {\"id\":\"chatcmpl-mock\",\"choices\":[{\"del\n\n";

/// Plays one stream to its end or to its fault.
pub(super) async fn play(mut connection: Connection, ask: &Ask<'_>, fate: &Fate<'_>) -> io::Result<Next> {
    let script = fate.script;
    fate.books.borrow_mut().streams += 1;
    let mut out = Vec::with_capacity(4096);
    write_head(&mut out, 200, "text/event-stream; charset=utf-8", None, Some("cache-control: no-cache\r\n"));
    for event in ask.shape.opening(ask) {
        write_chunk(&mut out, &event);
    }
    connection.write(&out).await?;
    if !script.first.is_zero() {
        tokio::time::sleep(script.first).await;
    }
    let chunks = if fate.fault == Some(Fault::Empty) { 0 } else { script.chunks };
    for index in 0..chunks {
        if index > 0 {
            rest(script.pace).await;
        }
        if index == script.fault_after.min(chunks - 1)
            && let Some(fault) = fate.fault.filter(|fault| strikes_between_chunks(*fault))
        {
            return strike(connection, ask, fault).await;
        }
        let greeting = if index == 0 { ask.greeting() } else { String::new() };
        out.clear();
        write_chunk(&mut out, &ask.shape.delta(ask, &(greeting + &script.chunk_text(index))));
        connection.write(&out).await?;
        fate.books.borrow_mut().chunks += 1;
    }
    let usage = (fate.fault != Some(Fault::NoUsage)).then_some(chunks);
    let last = if fate.fault == Some(Fault::NoEnd) { "" } else { ask.shape.end() };
    let next = end(connection, &ask.shape.closing(ask, usage), last).await?;
    fate.books.borrow_mut().settle(ask, chunks);
    Ok(next)
}

fn strikes_between_chunks(fault: Fault) -> bool {
    is_mid_body(fault) || matches!(fault, Fault::ErrorEvent | Fault::Malformed)
}

async fn strike(connection: Connection, ask: &Ask<'_>, fault: Fault) -> io::Result<Next> {
    match fault {
        Fault::ErrorEvent => end(connection, &[ask.shape.error_event()], "").await,
        Fault::Malformed => end(connection, &[MALFORMED.to_owned()], "").await,
        _ => break_off(connection, fault).await,
    }
}

/// Even without a pace other connections get their turn, so that chunks do not pile up in one write.
async fn rest(pace: std::time::Duration) {
    if pace.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(pace).await;
    }
}

async fn end(mut connection: Connection, events: &[String], last: &str) -> io::Result<Next> {
    let mut out = Vec::with_capacity(1024);
    for event in events.iter().map(String::as_str).chain([last]) {
        write_chunk(&mut out, event);
    }
    out.extend_from_slice(b"0\r\n\r\n");
    connection.write(&out).await?;
    Ok(Next::Reuse(connection))
}

fn write_chunk(out: &mut Vec<u8>, event: &str) {
    // An empty chunk would end the body.
    if event.is_empty() {
        return;
    }
    out.extend_from_slice(format!("{:x}\r\n", event.len()).as_bytes());
    out.extend_from_slice(event.as_bytes());
    out.extend_from_slice(b"\r\n");
}
