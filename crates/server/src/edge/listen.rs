//! Listening sockets: one share per worker.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    task::{Context, Poll},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Address, Settings, StartError, guarded::Socket, pulse::Peer};

/// Connections the system queues for us.
const BACKLOG: i32 = 4096;
/// When a silent TCP peer is first asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// What the system takes of an answer beyond what the client has room for: it would take megabytes for a client that does not read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 64 * 1024;
/// Who may connect to a unix socket: its owner and its group, such as that of a proxy in front.
const UNIX_MODE: u32 = 0o660;

/// An address being listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// With the port the system chose, if it had to.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One address and every worker's share of it.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: Bound,
    pub(super) shares: Vec<Share>,
    /// What stays when nobody listens any more.
    pub(super) file: Option<SocketFile>,
}

/// The file of a unix socket, which outlives its listener.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number: a successor's is another file of the same name.
    id: (u64, u64),
}

/// A worker's socket, not yet part of a runtime.
#[derive(Debug)]
pub(super) enum Share {
    Tcp(std::net::TcpListener),
    Unix(StdUnixListener),
}

/// Binds all addresses, once per worker.
pub(super) fn bind_all(settings: &Settings) -> Result<Vec<Listening>, StartError> {
    if settings.listen.is_empty() {
        return Err(StartError::NoAddress);
    }
    let bind = |address: &Address| match address {
        Address::Tcp(address) => bind_tcp(*address, settings),
        Address::Unix(path) => bind_unix(path, settings),
    };
    let named = |address: &Address| bind(address).map_err(|source| StartError::Listen { address: address.to_string(), source });
    settings.listen.iter().map(named).collect()
}

fn bind_tcp(address: SocketAddr, settings: &Settings) -> io::Result<Listening> {
    if !settings.takeover && address.port() != 0 {
        // with a shared port a second gateway would silently take half of the connections: ask without sharing first
        drop(open_tcp(address, Sharing::Alone)?);
    }
    let first = open_tcp(address, Sharing::Workers)?;
    let address = first.local_addr()?;
    let mut shares = vec![Share::Tcp(first)];
    for _ in 1..settings.workers {
        shares.push(Share::Tcp(open_tcp(address, Sharing::Workers)?));
    }
    Ok(Listening { address: Bound::Tcp(address), shares, file: None })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    Workers,
}

fn open_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // connections inherit these, which saves setting them one by one
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    if sharing == Sharing::Workers {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, settings: &Settings) -> io::Result<Listening> {
    let first = match open_unix(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && may_replace(path, settings.takeover)? => {
            // the new one takes the old one's name at once: nobody finds the door closed
            let beside = beside(path);
            absent(fs::remove_file(&beside))?;
            let opened = open_unix(&beside)?;
            fs::rename(&beside, path)?;
            opened
        }
        opened => opened?,
    };
    let file = Some(SocketFile { path: path.to_owned(), id: id_of(path)? });
    let mut shares = Vec::new();
    for _ in 1..settings.workers {
        shares.push(Share::Unix(first.try_clone()?));
    }
    shares.push(Share::Unix(first));
    Ok(Listening { address: Bound::Unix(path.to_owned()), shares, file })
}

/// Nobody can connect before the mode is set: until it listens, the system refuses.
fn open_unix(path: &Path) -> io::Result<StdUnixListener> {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(UNIX_MODE))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether a gateway may have this name: a socket has it on which nobody listens any more, or somebody who is about to end.
fn may_replace(path: &Path, takeover: bool) -> io::Result<bool> {
    let is_socket = fs::symlink_metadata(path)?.file_type().is_socket();
    let is_stale = || StdUnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    Ok(is_socket && (takeover || is_stale()))
}

/// The name of a socket that is not yet the one that clients know.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// What is not there need not be removed.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl SocketFile {
    /// Removes the file, unless a successor has taken its name: the next start would have to guess whether it is in use.
    pub(super) fn remove(&self) {
        let Self { path, id } = self;
        if id_of(path).is_ok_and(|now| now == *id)
            && let Err(error) = absent(fs::remove_file(path))
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the unix socket");
        }
    }
}

/// A share within a worker's runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn new(share: Share) -> io::Result<Self> {
        Ok(match share {
            Share::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Share::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, address)| (Socket::Tcp(stream), Peer::Tcp(address))),
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| (Socket::Unix(stream), Peer::Unix)),
        }
    }

    /// Stops listening and hands over what the system has queued for us, which closing would reset.
    ///
    /// Asks the system itself: the runtime may not have heard of the latest connections yet.
    pub(super) fn close(self) -> io::Result<Vec<(Socket, Peer)>> {
        let mut queued = Vec::new();
        match self {
            Self::Tcp(listener) => {
                let listener = listener.into_std()?;
                while let Some((stream, address)) = queued_in(listener.accept()) {
                    stream.set_nonblocking(true)?;
                    queued.push((Socket::Tcp(TcpStream::from_std(stream)?), Peer::Tcp(address)));
                }
            }
            Self::Unix(listener) => {
                let listener = listener.into_std()?;
                while let Some((stream, _)) = queued_in(listener.accept()) {
                    stream.set_nonblocking(true)?;
                    queued.push((Socket::Unix(UnixStream::from_std(stream)?), Peer::Unix));
                }
            }
        }
        Ok(queued)
    }
}

/// `None` once the queue is empty, or no more can be taken from it.
fn queued_in<T>(accepted: io::Result<T>) -> Option<T> {
    accepted
        .inspect_err(|error| {
            if error.kind() != io::ErrorKind::WouldBlock {
                tracing::warn!(%error, "queued connections are lost");
            }
        })
        .ok()
}

/// Whether the connection failed before we took it, which says nothing about the listener.
pub(super) fn is_one_connections_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
