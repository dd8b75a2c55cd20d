//! The HTTP edge over loopback sockets.

mod conformance;
mod floods;
mod frames;
mod hazards;
mod protocols;
mod resting;
mod smuggling;
mod stopping;

use std::{
    io::{Read, Write},
    net::TcpStream,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use switchboard_server::edge::{Address, Edge, LastWords, RequestBody, Running, Settings};
use tokio::sync::mpsc;

/// An answer's body fed by hand; counts itself gone when dropped.
pub(crate) struct Fed {
    frames: mpsc::UnboundedReceiver<Bytes>,
    stopped: Stopped,
    _gone: Gone,
}

impl LastWords for Fed {
    fn stop(mut self: Pin<&mut Self>) {
        if self.stopped == Stopped::No {
            self.stopped = Stopped::Unsaid;
            self.frames.close();
        }
    }
}

/// Whether an answer was told that its time is up, and has said so.
#[derive(PartialEq, Eq)]
enum Stopped {
    No,
    Unsaid,
    Said,
}

impl Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let frame = std::task::ready!(self.frames.poll_recv(cx));
        if frame.is_none() && self.stopped == Stopped::Unsaid {
            self.stopped = Stopped::Said;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"cut short")))));
        }
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Adds one to the count when dropped.
pub(crate) struct Gone(Arc<Counts>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::SeqCst);
    }
}

/// What happened inside the service.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) called: AtomicUsize,
    pub(crate) gone: AtomicUsize,
    /// The sender of the stream being answered, so that tests feed it.
    pub(crate) feed: std::sync::Mutex<Option<mpsc::UnboundedSender<Bytes>>>,
}

impl Counts {
    pub(crate) fn called(&self) -> usize {
        self.called.load(Ordering::SeqCst)
    }

    pub(crate) fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn feed(&self, text: &'static str) {
        let feed = self.feed.lock().expect("lock");
        feed.as_ref().expect("a stream").send(Bytes::from_static(text.as_bytes())).expect("a reader");
    }

    pub(crate) fn end(&self) {
        self.feed.lock().expect("lock").take();
    }
}

/// A running edge and what its service saw.
pub(crate) struct House {
    pub(crate) running: Running,
    pub(crate) counts: Arc<Counts>,
}

pub(crate) fn settings() -> Settings {
    Settings { listen: vec!["127.0.0.1:0".parse::<Address>().expect("address")], workers: 1, ..Settings::default() }
}

/// Starts an edge whose service answers `METHOD path body`, except for the paths in `answer`.
pub(crate) fn start(settings: Settings) -> House {
    let counts = Arc::new(Counts::default());
    let shared = Arc::clone(&counts);
    let running = Edge::run(settings, move |_| {
        let counts = Arc::clone(&shared);
        Ok(move |request| answer(request, Arc::clone(&counts)))
    })
    .expect("the edge starts");
    House { running, counts }
}

async fn answer(request: Request<RequestBody>, counts: Arc<Counts>) -> Response<Fed> {
    counts.called.fetch_add(1, Ordering::SeqCst);
    let (feed, frames) = mpsc::unbounded_channel();
    let gone = Gone(Arc::clone(&counts));
    let (head, body) = request.into_parts();
    let mut status = 200;
    match head.uri.path() {
        "/stream" => {
            feed.send(Bytes::from_static(b"begin")).expect("a reader");
            *counts.feed.lock().expect("lock") = Some(feed);
        }
        "/never" => std::future::pending().await,
        "/panic" => panic!("injected"),
        "/unread" => feed.send(Bytes::from_static(b"unread")).expect("a reader"),
        "/flood" => {
            for _ in 0..256 {
                feed.send(Bytes::from(vec![b'x'; 64 * 1024])).expect("a reader");
            }
        }
        path => match body.collect().await {
            Ok(body) => {
                let size = body.len();
                let body = String::from_utf8_lossy(&body.into_bytes()).chars().take(64).collect::<String>();
                let text = format!("[{} {path} {size} {body}]", head.method);
                feed.send(text.into()).expect("a reader");
            }
            Err(error) => {
                status = error.status().as_u16();
                feed.send(error.to_string().into()).expect("a reader");
            }
        },
    }
    Response::builder().status(status).body(Fed { frames, stopped: Stopped::No, _gone: gone }).expect("a response")
}

impl House {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.running.tcp().expect("an address")).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        stream
    }

    /// Sends raw bytes and reads until the server closes. An input that keeps the connection open must end with a request
    /// that closes it.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // the server may refuse and close before it has read everything
        let _sent = stream.write_all(bytes);
        read_to_close(&mut stream)
    }
}

/// Everything until the other side closes or resets; panics if it does neither.
pub(crate) fn read_to_close(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut space = [0; 4096];
    loop {
        match stream.read(&mut space) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&space[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("not closed: {error}; so far {:?}", String::from_utf8_lossy(&text)),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads until the text contains the mark.
pub(crate) fn read_until(stream: &mut impl Read, mark: &str) -> String {
    let mut text = String::new();
    let mut space = [0; 4096];
    while !text.contains(mark) {
        let read = stream.read(&mut space).expect("readable");
        assert_ne!(read, 0, "closed before {mark:?}: {text:?}");
        text.push_str(&String::from_utf8_lossy(&space[..read]));
    }
    text
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, so: impl Fn() -> bool) {
    for _ in 0..4000 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never happened: {what}");
}

pub(crate) fn statuses(text: &str) -> Vec<&str> {
    text.match_indices("HTTP/1.1 ").filter_map(|(at, mark)| text.get(at + mark.len()..at + mark.len() + 3)).collect()
}
