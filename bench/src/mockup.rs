//! A mock of a model provider on loopback: OpenAI chat and embeddings, Anthropic messages, streams, faults on order.
//!
//! It runs on one thread, writes prebuilt bytes and keeps its own books (`GET /__books`), against which a gateway's
//! bill can be checked. What it plays is ordered by words; see [`crate::script`].

mod anthropic;
mod ask;
mod books;
mod fault;
mod openai;
pub mod over_http2;
mod shape;
mod stream;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};

pub use self::books::Books;

use self::ask::{Ask, Door};
use self::fault::Fate;
use crate::http1::{Connection, Request};
use crate::script::Script;

/// The books as the connections of one mock share them.
type SharedBooks = Rc<RefCell<Books>>;

/// Whether a connection can carry another request.
#[derive(Debug)]
enum Next {
    Reuse(Connection),
    Close,
}

/// Serves until the future is dropped. Must run inside a [`tokio::task::LocalSet`].
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let books = SharedBooks::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let books = Rc::clone(&books);
        tokio::task::spawn_local(async move {
            books.borrow_mut().connections += 1;
            // A peer that goes away is no fault of the mock: it is entered in the books and that is all.
            if greet(stream, &books).await.is_err() {
                books.borrow_mut().broken_connections += 1;
            }
        });
    }
}

async fn greet(stream: TcpStream, books: &SharedBooks) -> io::Result<()> {
    converse(Connection::new(stream)?, books).await
}

async fn converse(mut connection: Connection, books: &SharedBooks) -> io::Result<()> {
    while let Some(request) = connection.read_request().await? {
        let next = match Door::of(&request) {
            Door::Books => answer_books(connection, books).await?,
            Door::ResetBooks => {
                *books.borrow_mut() = Books::default();
                answer_books(connection, books).await?
            }
            Door::Models => answer_json(connection, 200, openai::MODELS).await?,
            Door::Unknown => answer_json(connection, 404, b"{\"error\":{\"message\":\"no such route\"}}").await?,
            Door::Shape(shape) => play(connection, Ask::read(&request, shape), script_of(&request), books).await?,
        };
        match next {
            Next::Reuse(same) => connection = same,
            Next::Close => return Ok(()),
        }
    }
    Ok(())
}

/// The order of words: model name first, then path and query, then the header, the last one wins.
fn script_of(request: &Request) -> Script {
    let mut script = Script::of_model(ask::find_model(&request.body).unwrap_or_default());
    script.apply(&request.target);
    script.apply(request.script.as_deref().unwrap_or_default());
    script
}

async fn play(mut connection: Connection, ask: Ask<'_>, script: Script, books: &SharedBooks) -> io::Result<Next> {
    let fault = books.borrow_mut().enter(&ask, &script);
    if !script.latency.is_zero() {
        tokio::time::sleep(script.latency).await;
    }
    let fate = Fate { fault, script: &script, books };
    if let Some(fault) = fault {
        match fate.strike_early(connection, &ask, fault).await? {
            fault::Early::Over(next) => return Ok(next),
            fault::Early::Later(same) => connection = same,
        }
    }
    if ask.stream {
        return stream::play(connection, &ask, &fate).await;
    }
    let mut body = Vec::with_capacity(1024 + script.answer_bytes);
    ask.shape.write_whole(&mut body, &ask, &script, fault);
    if let Some(fault) = fault.filter(|fault| fault::is_mid_body(*fault)) {
        return fate.break_body(connection, &body, fault).await;
    }
    books.borrow_mut().settle(&ask, script.answer_tokens());
    answer_json(connection, 200, &body).await
}

async fn answer_books(connection: Connection, books: &SharedBooks) -> io::Result<Next> {
    let body = serde_json::to_vec(&*books.borrow())?;
    answer_json(connection, 200, &body).await
}

async fn answer_json(mut connection: Connection, status: u16, body: &[u8]) -> io::Result<Next> {
    let mut out = Vec::with_capacity(256 + body.len());
    write_head(&mut out, status, "application/json", Some(body.len()), None);
    out.extend_from_slice(body);
    connection.write(&out).await?;
    Ok(Next::Reuse(connection))
}

fn write_head(out: &mut Vec<u8>, status: u16, content_type: &str, length: Option<usize>, extra: Option<&str>) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(digits.format(status).as_bytes());
    out.extend_from_slice(b" Mock\r\nserver: mockup\r\nx-request-id: req_mock\r\ncontent-type: ");
    out.extend_from_slice(content_type.as_bytes());
    match length {
        Some(length) => {
            out.extend_from_slice(b"\r\ncontent-length: ");
            out.extend_from_slice(digits.format(length).as_bytes());
        }
        None => out.extend_from_slice(b"\r\ntransfer-encoding: chunked"),
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(extra.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}
