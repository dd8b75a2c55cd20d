//! The socket as the protocol code sees it: bytes pass the gate, waiting is noted in the pulse.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

use super::{
    gate::{Gate, Part},
    noise::Noise,
    pulse::Pulse,
};

/// Bytes read and thrown away after our side closed, so that the client gets to read our last words.
const FAREWELL_BYTES: usize = 256 * 1024;

/// The kinds of sockets, behind one type so that the protocol code is compiled once.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket with its gate and pulse.
#[derive(Debug)]
pub(super) struct Guarded {
    socket: Socket,
    gate: Gate,
    /// Over HTTP/2.
    noise: Option<Noise>,
    pulse: Rc<Pulse>,
    /// Bytes read to tell the protocols apart, to be read again.
    prefix: Vec<u8>,
    refused: bool,
    discarded: usize,
}

impl Guarded {
    pub(super) fn new(socket: Socket, gate: Gate, pulse: Rc<Pulse>, prefix: Vec<u8>) -> Self {
        Self { socket, gate, noise: None, pulse, prefix, refused: false, discarded: 0 }
    }

    /// The same, with HTTP/2 frames counted that ask for nothing.
    pub(super) fn over_http2(self) -> Self {
        Self { noise: Some(Noise::new()), ..self }
    }

    /// The socket, where nothing of a message is left.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// What went out, or would not.
    fn wrote(&mut self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.wrote(wrote.is_pending());
        if let (Some(noise), Poll::Ready(Ok(bytes))) = (&mut self.noise, &wrote) {
            noise.sent(*bytes);
        }
        wrote
    }

    /// Reads and forgets what the client still sends: closing with unread input would reset the connection, and the
    /// client might lose the answer that told it to stop.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while self.discarded < FAREWELL_BYTES {
            let mut buf = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.discarded += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if !this.prefix.is_empty() {
            let taken = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..taken]);
            this.prefix.drain(..taken);
            if !this.refused && buf.remaining() > 0 {
                // what follows comes along: a head given in two pieces doubles the parser's buffer
                let more = Pin::new(&mut this.socket).poll_read(cx, buf);
                if let Poll::Ready(Err(error)) = more {
                    return Poll::Ready(Err(error));
                }
            }
        } else if this.refused {
            // the input has ended as far as the parser is concerned
            return Poll::Ready(Ok(()));
        } else {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        }
        let fresh = &mut buf.filled_mut()[before..];
        if let Some(noise) = &mut this.noise
            && let Err(error) = noise.received(fresh, this.pulse.now())
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)));
        }
        if let Err(refused) = this.gate.read(fresh) {
            tracing::debug!(peer = ?this.pulse.peer, "refused the framing of a request");
            fresh[refused.at] = 0;
            buf.set_filled(before + refused.at + 1);
            this.refused = true;
            // the parser looks at a head again only once it seems whole; a body must not seem whole
            this.prefix = match refused.part {
                Part::Head => b"\r\n\r\n".to_vec(),
                Part::Body => Vec::new(),
            };
        }
        this.pulse.received(this.gate.is_mid_head(), !this.gate.is_mid_message());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.wrote(wrote)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        // both protocols flush only once everything is written, so a flush that is done means nothing is blocked
        this.pulse.wrote(flushed.is_pending());
        if flushed.is_ready() {
            this.pulse.flushed();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.pulse.farewell();
        ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        if this.gate.is_mid_message() {
            ready!(this.poll_discard(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// The same call on whichever socket it is.
macro_rules! each {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            Socket::Tcp($socket) => $call,
            Socket::Unix($socket) => $call,
            Socket::Tls($socket) => $call,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, socket => socket.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
