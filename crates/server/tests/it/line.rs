//! A line to a server that can be frozen and cut, as networks are.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const OPEN: u8 = 0;
const FROZEN: u8 = 1;
const CUT: u8 = 2;
const SLOW: u8 = 3;

/// A line on loopback. Dropped, it ends.
pub(crate) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: AtomicU8,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Line {
    /// To that address.
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (shared, server) = (Arc::<Shared>::default(), server.to_owned());
        let kept = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if kept.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), shared) = (stream, kept.clone()) else { return };
                if shared.state.load(Ordering::Relaxed) == CUT {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server) else { continue };
                shared.open.lock().expect("lock").extend([client.try_clone().expect("a handle"), server.try_clone().expect("a handle")]);
                for (from, to) in [(client.try_clone(), server.try_clone()), (server.try_clone(), client.try_clone())] {
                    let (from, to, shared) = (from.expect("a handle"), to.expect("a handle"), shared.clone());
                    std::thread::spawn(move || pass(from, to, &shared));
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Nothing passes any more, and nobody is told.
    pub(crate) fn freeze(&self) {
        self.shared.state.store(FROZEN, Ordering::Relaxed);
    }

    /// Everything takes seconds.
    pub(crate) fn slow(&self) {
        self.shared.state.store(SLOW, Ordering::Relaxed);
    }

    /// Connections break, and new ones too.
    pub(crate) fn cut(&self) {
        self.shared.state.store(CUT, Ordering::Relaxed);
        self.shared.break_all();
    }

    /// It is as it was.
    pub(crate) fn mend(&self) {
        self.shared.state.store(OPEN, Ordering::Relaxed);
    }
}

impl Shared {
    fn break_all(&self) {
        for stream in self.open.lock().expect("lock").drain(..) {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if shared.state.load(Ordering::Relaxed) == SLOW {
            std::thread::sleep(Duration::from_secs(2));
        }
        while shared.state.load(Ordering::Relaxed) == FROZEN && !shared.ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.break_all();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        self.thread.take().expect("running").join().expect("ended");
    }
}
