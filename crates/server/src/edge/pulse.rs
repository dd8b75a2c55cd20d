//! What a connection waits for, and since when.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::Waker,
    time::Duration,
};

use super::settings::Settings;

/// A client that was refused gets this long to read why.
const LINGER: Duration = Duration::from_secs(2);
/// A connection that a sweep finds idle rests so many ticks after its last request. One in use may be found so too, once a tick.
const REST: u32 = 1;
/// What the protocol may be given of an answer before it has written what it has.
const AT_ONCE: usize = 8 * 1024;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of the unix socket.
    Unix,
}

/// One connection's cells, shared by its task, its socket and its worker's sweep. All of them run on one thread.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) peer: Peer,
    clock: Rc<Clock>,
    /// Shared by the worker's connections.
    crowded: Rc<Cell<bool>>,
    waits: Cell<Waits>,
    since: Cell<u32>,
    blocked_since: Cell<Option<u32>>,
    in_flight: Cell<u32>,
    /// No request has come yet.
    unused: Cell<bool>,
    /// What came in ends where a message ends.
    between: Cell<bool>,
    /// It may give back what it needs for a request.
    may_rest: Cell<bool>,
    /// Bytes of an answer given to the protocol since it last had written everything.
    unwritten: Cell<usize>,
    /// The protocol asked for more of an answer than it may have.
    held_back: Cell<bool>,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
}

/// A worker's time, counted in sweeps.
pub(super) type Clock = Cell<u32>;

/// What the connection waits for while no request is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// The first byte, or the rest of a head.
    Head,
    /// The next request.
    Request,
    /// The client to read our last words.
    Farewell,
    Closed,
}

/// What the connection's task is to do, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Serve,
    /// Finish what runs, then end.
    Drain,
    /// Say that what runs ends here, then end.
    LastCall,
    /// End now.
    Cut,
}

/// The limits, in ticks.
#[derive(Debug)]
pub(super) struct Limits {
    head: u32,
    idle: u32,
    stall: u32,
    farewell: u32,
}

impl Limits {
    pub(super) fn new(settings: &Settings) -> Self {
        let tick = settings.tick().as_millis().max(1);
        let ticks = |limit: Duration| u32::try_from(limit.as_millis().div_ceil(tick)).unwrap_or(u32::MAX);
        Self {
            head: ticks(settings.header_timeout),
            idle: ticks(settings.idle_timeout),
            stall: ticks(settings.stall_timeout),
            farewell: ticks(LINGER.min(settings.header_timeout)),
        }
    }
}

impl Limits {
    /// The same, with no time to idle.
    pub(super) fn without_idling(&self) -> Self {
        Self { idle: 0, ..*self }
    }
}

impl Pulse {
    pub(super) fn new(peer: Peer, clock: Rc<Clock>, crowded: Rc<Cell<bool>>) -> Rc<Self> {
        let since = Cell::new(clock.get());
        Rc::new(Self {
            peer,
            clock,
            crowded,
            waits: Cell::new(Waits::Head),
            since,
            blocked_since: Cell::new(None),
            in_flight: Cell::new(0),
            unused: Cell::new(true),
            between: Cell::new(false),
            may_rest: Cell::new(false),
            unwritten: Cell::new(0),
            held_back: Cell::new(false),
            order: Cell::new(Order::Serve),
            waker: RefCell::new(None),
        })
    }

    fn wait_for(&self, what: Waits) {
        self.waits.set(what);
        self.since.set(self.clock.get());
    }

    /// The connection is established; it now counts as idle until a request comes.
    pub(super) fn idle(&self) {
        self.wait_for(Waits::Request);
    }

    /// Bytes came in, and left the gate inside a head or outside, inside a message or between two.
    pub(super) fn received(&self, mid_head: bool, between: bool) {
        self.between.set(between);
        match (mid_head, self.waits.get()) {
            (true, Waits::Request) => self.wait_for(Waits::Head),
            (false, Waits::Head) => self.wait_for(Waits::Request),
            _ => {}
        }
    }

    /// The tick.
    pub(super) fn now(&self) -> u32 {
        self.clock.get()
    }

    /// The socket took bytes, or would not.
    pub(super) fn wrote(&self, blocked: bool) {
        if !blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(self.clock.get()));
        }
    }

    /// The protocol has written everything it had. Whoever held back may go on.
    pub(super) fn flushed(&self) {
        self.unwritten.set(0);
        if self.held_back.take() {
            self.wake();
        }
    }

    /// Whether the connection has waited for its next request for a while and holds nothing of any; in a crowd it need not have
    /// waited. Asked once nothing is left to do.
    pub(super) fn is_at_rest(&self) -> bool {
        (self.may_rest.take() || self.crowded.get())
            && self.order.get() == Order::Serve
            && self.in_flight.get() == 0
            && self.between.get()
            && self.waits.get() == Waits::Request
            && self.blocked_since.get().is_none()
    }

    /// Our side is closed; the client may still be sending.
    pub(super) fn farewell(&self) {
        if self.waits.get() != Waits::Farewell {
            self.wait_for(Waits::Farewell);
        }
    }

    pub(super) fn close(&self) {
        self.waits.set(Waits::Closed);
        self.waker.borrow_mut().take();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waits.get() == Waits::Closed
    }

    /// What to do now. A new connection's first request is probably on its way and would be lost: until it is there, or
    /// the time for its head is up, a drain can wait.
    pub(super) fn order(&self) -> Order {
        match self.order.get() {
            Order::Drain if self.unused.get() && self.waits.get() == Waits::Head => Order::Serve,
            order => order,
        }
    }

    /// Remembers whom to wake when an order comes. A task keeps its waker, so this clones once.
    pub(super) fn listen(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Gives an order; a stronger one stands.
    pub(super) fn give(&self, order: Order) {
        if self.order.get() < order {
            self.order.set(order);
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// For how many ticks nobody would have missed the connection; `None`: somebody would. A new one is given a tick to say something.
    pub(super) fn spared(&self) -> Option<u32> {
        let waited = self.clock.get().wrapping_sub(self.since.get());
        let spared = match self.waits.get() {
            _ if self.in_flight.get() > 0 || self.order.get() == Order::Cut => false,
            Waits::Head => waited > 0,
            Waits::Request | Waits::Farewell => true,
            Waits::Closed => false,
        };
        spared.then_some(waited)
    }

    /// Gives the order that is due, if any.
    pub(super) fn sweep(&self, limits: &Limits) {
        let now = self.clock.get();
        // a wait began up to a tick after the clock last moved, hence `>`
        let over = |since: u32, limit: u32| now.wrapping_sub(since) > limit;
        if self.blocked_since.get().is_some_and(|since| over(since, limits.stall)) {
            return self.give(Order::Cut);
        }
        let since = self.since.get();
        match self.waits.get() {
            Waits::Farewell if over(since, limits.farewell) => self.give(Order::Cut),
            _ if self.in_flight.get() > 0 => {}
            Waits::Head if over(since, limits.head) => self.give(Order::Cut),
            Waits::Request if over(since, limits.idle) => {
                // a client may be writing a request this instant: HTTP/2 can tell it not to
                let drained = self.order.get() >= Order::Drain;
                self.give(if drained { Order::Cut } else { Order::Drain });
                self.since.set(now);
            }
            // told once: a connection that rests waits for bytes alone
            Waits::Request if now.wrapping_sub(since) == REST && self.between.get() => {
                self.may_rest.set(true);
                self.wake();
            }
            _ => {}
        }
    }
}

/// One HTTP/2 stream's cells. A client may read the connection and still starve one stream, by its window.
#[derive(Debug)]
pub(super) struct Stream {
    clock: Rc<Clock>,
    /// Since when a piece of the answer waits to be taken.
    offered_since: Cell<Option<u32>>,
    state: Cell<StreamState>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    Running,
    Cut,
    Ended,
}

impl Stream {
    pub(super) fn new(clock: Rc<Clock>) -> Rc<Self> {
        let (offered_since, state) = (Cell::new(None), Cell::new(StreamState::Running));
        Rc::new(Self { clock, offered_since, state, waker: RefCell::new(None) })
    }

    /// Whether the stream's task is to end. Remembers whom to wake then.
    pub(super) fn is_cut(&self, waker: &Waker) -> bool {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        self.state.get() == StreamState::Cut
    }

    /// Has its task look at its connection's order.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn end(&self) {
        self.state.set(StreamState::Ended);
        self.waker.borrow_mut().take();
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state.get() == StreamState::Ended
    }

    /// Cuts the stream if its client has left a piece waiting for too long.
    pub(super) fn sweep(&self, limits: &Limits) {
        let over = |since: u32| self.clock.get().wrapping_sub(since) > limits.stall;
        if self.offered_since.get().is_some_and(over) && self.state.get() == StreamState::Running {
            self.state.set(StreamState::Cut);
            self.wake();
        }
    }
}

/// One request being answered; dropped with the answer's body.
#[derive(Debug)]
pub(super) struct Exchange {
    pulse: Rc<Pulse>,
    stream: Option<Rc<Stream>>,
}

impl Exchange {
    pub(super) fn begin(pulse: Rc<Pulse>) -> Self {
        pulse.in_flight.set(pulse.in_flight.get() + 1);
        pulse.unused.set(false);
        Self { pulse, stream: None }
    }

    /// The answer travels on this stream; HTTP/1 has none.
    pub(super) fn runs_on(&mut self, stream: Option<Rc<Stream>>) {
        self.stream = stream;
    }

    /// Whether the answer's time is up.
    pub(super) fn is_last_call(&self) -> bool {
        self.pulse.order.get() == Order::LastCall
    }

    /// Whether the protocol has to write what it has before it gets more. HTTP/2 has a bound of its own for each stream; HTTP/1
    /// would take whatever comes, and keep it for a client that reads slowly. Small pieces would be the worst: each keeps alive all
    /// that it was read with.
    pub(super) fn holds_back(&self) -> bool {
        let most = if self.pulse.blocked_since.get().is_some() { 1 } else { AT_ONCE };
        let full = self.stream.is_none() && self.pulse.unwritten.get() >= most;
        if full {
            self.pulse.held_back.set(true);
        }
        full
    }

    /// The protocol asked for a piece of the answer, and may have got one of that size. It asks again once that is on its way.
    pub(super) fn offered(&self, got: Option<usize>) {
        match &self.stream {
            Some(stream) => stream.offered_since.set(got.map(|_| stream.clock.get())),
            None => self.pulse.unwritten.set(self.pulse.unwritten.get() + got.unwrap_or(0)),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.pulse.in_flight.set(self.pulse.in_flight.get().saturating_sub(1));
        self.pulse.since.set(self.pulse.clock.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_read_is_given_no_more_pieces_however_small() {
        let pulse = Pulse::new(Peer::Unix, Rc::default(), Rc::default());
        let exchange = Exchange::begin(Rc::clone(&pulse));
        exchange.offered(Some(100));
        assert!(!exchange.holds_back(), "what is ready is written together");
        pulse.wrote(true);
        assert!(exchange.holds_back(), "the socket is full");
        pulse.wrote(false);
        pulse.flushed();
        assert!(!exchange.holds_back());
        pulse.wrote(true);
        assert!(!exchange.holds_back(), "nothing waits to be written");
        pulse.wrote(false);
        exchange.offered(Some(AT_ONCE));
        assert!(exchange.holds_back());
    }
}
