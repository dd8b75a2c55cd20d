//! As much HTTP/1.1 as the mock and the load generator need: heads, and bodies by length, by chunks or by close.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 64 << 10;
const MAX_CHUNK_HEAD: usize = 1024;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of the current chunk are left; zero means a chunk head comes next.
    Chunked(u64),
    /// The data of a chunk is read, its line end is not.
    ChunkEnd,
    /// Until the peer closes.
    UntilClose,
    /// Nothing is left.
    Done,
}

/// A request as the mock sees it.
#[derive(Debug)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The `x-mock` header.
    pub script: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

/// A response head as the load generator sees it.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// Whether the content type is `text/event-stream`.
    pub event_stream: bool,
    /// Whether the peer closes the connection afterwards.
    pub close: bool,
    /// How the body ends.
    pub framing: Framing,
}

/// One connection with a read buffer.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffer: BytesMut,
}

/// What carries it.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    /// Another protocol, in this process.
    Pipe(DuplexStream),
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn truncated() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed in the middle of a message")
}

impl Connection {
    /// Wraps a connected socket.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream: Stream::Tcp(stream), buffer: BytesMut::with_capacity(16 << 10) })
    }

    /// Wraps one end of a pipe.
    pub fn piped(pipe: DuplexStream) -> Self {
        Self { stream: Stream::Pipe(pipe), buffer: BytesMut::new() }
    }

    /// Writes all bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes).await,
            Stream::Pipe(pipe) => pipe.write_all(bytes).await,
        }
    }

    /// Resets the connection instead of closing it.
    pub fn reset(self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)),
            // Its end amid an answer is one there.
            Stream::Pipe(_) => Ok(()),
        }
    }

    /// Resolves when the peer has closed; what it still sends is thrown away.
    pub async fn closed(&mut self) -> io::Result<()> {
        while self.fill().await? > 0 {
            self.buffer.clear();
        }
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tcp(stream) => {
                self.buffer.reserve(16 << 10);
                stream.read_buf(&mut self.buffer).await
            }
            Stream::Pipe(pipe) => {
                self.buffer.reserve(1 << 10);
                pipe.read_buf(&mut self.buffer).await
            }
        }
    }

    /// The next request with its body; `None` when the peer closed between requests.
    pub async fn read_request(&mut self) -> io::Result<Option<Request>> {
        let (mut request, mut framing, expects) = loop {
            if let Some((length, parsed)) = parse_request(&self.buffer)? {
                self.buffer.advance(length);
                break parsed;
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(truncated()) };
            }
        };
        if expects {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = self.read_body(&mut framing).await?;
        Ok(Some(request))
    }

    /// The next response head.
    pub async fn read_response_head(&mut self) -> io::Result<ResponseHead> {
        loop {
            if let Some((length, head)) = parse_response(&self.buffer)? {
                self.buffer.advance(length);
                if head.status != 100 {
                    return Ok(head);
                }
            } else if self.fill().await? == 0 {
                return Err(truncated());
            }
        }
    }

    /// The whole rest of a body in one piece.
    pub async fn read_body(&mut self, framing: &mut Framing) -> io::Result<Bytes> {
        if let Framing::Length(length) = *framing
            && length <= 64 << 20
        {
            // A body of known length stays contiguous in the buffer, so nothing is copied.
            let length = length as usize;
            self.buffer.reserve(length.saturating_sub(self.buffer.len()));
            while self.buffer.len() < length {
                if self.fill().await? == 0 {
                    return Err(truncated());
                }
            }
            *framing = Framing::Done;
            return Ok(self.buffer.split_to(length).freeze());
        }
        let mut body = BytesMut::new();
        while let Some(piece) = self.read_piece(framing).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// The next piece of a body as soon as it is there; `None` at its proper end.
    pub async fn read_piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        loop {
            match *framing {
                Framing::Done | Framing::Length(0) => return Ok(None),
                Framing::Length(left) if !self.buffer.is_empty() => {
                    let piece = self.take(left);
                    *framing = Framing::Length(left - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::Chunked(left) if left > 0 && !self.buffer.is_empty() => {
                    let piece = self.take(left);
                    let left = left - piece.len() as u64;
                    *framing = if left == 0 { Framing::ChunkEnd } else { Framing::Chunked(left) };
                    return Ok(Some(piece));
                }
                Framing::ChunkEnd if self.buffer.len() >= 2 => {
                    if !self.buffer.starts_with(b"\r\n") {
                        return Err(malformed("chunk without line end"));
                    }
                    self.buffer.advance(2);
                    *framing = Framing::Chunked(0);
                    continue;
                }
                Framing::Chunked(0) => {
                    if let Some(next) = self.read_chunk_head()? {
                        *framing = next;
                        continue;
                    }
                }
                Framing::UntilClose if !self.buffer.is_empty() => {
                    return Ok(Some(self.buffer.split().freeze()));
                }
                _ => {}
            }
            if self.fill().await? == 0 {
                if *framing == Framing::UntilClose {
                    *framing = Framing::Done;
                    return Ok(None);
                }
                return Err(truncated());
            }
        }
    }

    fn take(&mut self, at_most: u64) -> Bytes {
        let length = self.buffer.len().min(usize::try_from(at_most).unwrap_or(usize::MAX));
        self.buffer.split_to(length).freeze()
    }

    /// Reads the line before a chunk, or the last one with its trailers; `None` when more bytes are needed.
    fn read_chunk_head(&mut self) -> io::Result<Option<Framing>> {
        let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n") else {
            let endless = self.buffer.len() > MAX_CHUNK_HEAD;
            return if endless { Err(malformed("endless chunk head")) } else { Ok(None) };
        };
        let line = std::str::from_utf8(&self.buffer[..end]).map_err(|_| malformed("chunk head"))?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(digits, 16).map_err(|_| malformed("chunk length"))?;
        if length > 0 {
            self.buffer.advance(end + 2);
            return Ok(Some(Framing::Chunked(length)));
        }
        // Trailers end with an empty line, which without trailers is the line right after the zero.
        let Some(trailer) = memchr::memmem::find(&self.buffer[end..], b"\r\n\r\n") else {
            return Ok(None);
        };
        self.buffer.advance(end + trailer + 4);
        Ok(Some(Framing::Done))
    }
}

type Parsed<T> = io::Result<Option<(usize, T)>>;

fn parse_request(buffer: &[u8]) -> Parsed<(Request, Framing, bool)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(buffer).map_err(|_| malformed("request head"))?;
    let httparse::Status::Complete(length) = status else {
        return incomplete(buffer);
    };
    let mut framing = Framing::Done;
    let mut expects = false;
    let mut script = None;
    for header in head.headers.iter() {
        read_framing(header, &mut framing)?;
        expects |= header.name.eq_ignore_ascii_case("expect");
        if header.name.eq_ignore_ascii_case("x-mock") {
            script = Some(String::from_utf8_lossy(header.value).into_owned());
        }
    }
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        script,
        body: Bytes::new(),
    };
    Ok(Some((length, (request, framing, expects))))
}

fn parse_response(buffer: &[u8]) -> Parsed<ResponseHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let status = head.parse(buffer).map_err(|_| malformed("response head"))?;
    let httparse::Status::Complete(length) = status else {
        return incomplete(buffer);
    };
    let status = head.code.unwrap_or_default();
    let bodyless = status < 200 || status == 204 || status == 304;
    let mut framing = if bodyless { Framing::Done } else { Framing::UntilClose };
    let (mut event_stream, mut close) = (false, false);
    for header in head.headers.iter() {
        if !bodyless {
            read_framing(header, &mut framing)?;
        }
        if header.name.eq_ignore_ascii_case("content-type") {
            event_stream = header.value.starts_with(b"text/event-stream");
        }
        if header.name.eq_ignore_ascii_case("connection") {
            close = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    close |= framing == Framing::UntilClose;
    Ok(Some((length, ResponseHead { status, event_stream, close, framing })))
}

fn incomplete<T>(buffer: &[u8]) -> Parsed<T> {
    if buffer.len() > MAX_HEAD { Err(malformed("endless head")) } else { Ok(None) }
}

fn read_framing(header: &httparse::Header<'_>, framing: &mut Framing) -> io::Result<()> {
    if header.name.eq_ignore_ascii_case("content-length") {
        let length = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
        *framing = Framing::Length(length.ok_or_else(|| malformed("content-length"))?);
    } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
        *framing = Framing::Chunked(0);
    }
    Ok(())
}
