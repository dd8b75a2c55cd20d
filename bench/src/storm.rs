//! The load generator: a closed loop over so many connections, or an open loop at a fixed rate, every answer checked.
//!
//! In the open loop a request's latency counts from the moment it was due, not from the moment it could be sent, so
//! a server that stands still cannot hide the requests it kept waiting.

mod check;
mod order;
mod pace;
mod tally;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::net::TcpStream;

pub use self::tally::Report;

use self::check::{Check, Flaw};
use self::order::Order;
use self::pace::Pace;
use self::tally::{Tally, nanoseconds};
use crate::Outcome;
use crate::http1::Connection;

/// The dialect the generator speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `POST /v1/chat/completions`.
    Openai,
    /// `POST /v1/messages`.
    Anthropic,
}

/// One storm.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Where to send; loopback only.
    #[arg(long)]
    pub target: SocketAddr,
    /// The model to ask for; its words say which answer is right.
    #[arg(long, default_value = "mock")]
    pub model: String,
    /// The words of the right answer, where the model name does not hold them.
    #[arg(long)]
    pub expect: Option<String>,
    /// The dialect to speak.
    #[arg(long, value_enum, default_value = "openai")]
    pub format: Format,
    /// The bearer key to send.
    #[arg(long, default_value = "sk-bench")]
    pub key: String,
    /// Ask for streams.
    #[arg(long)]
    pub stream: bool,
    /// Do not ask for usage in streams (and accept its absence).
    #[arg(long)]
    pub no_usage: bool,
    /// Bytes of prompt text.
    #[arg(long, default_value_t = 200)]
    pub prompt_bytes: usize,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 10_000)]
    pub requests: u64,
    /// Requests per second for an open loop; absent means a closed loop.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Stop sending after so many seconds, whatever is left.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Give up on one answer after so many seconds.
    #[arg(long, default_value_t = 30)]
    pub patience: u64,
}

/// Sends the storm and reports. Must run inside a [`tokio::task::LocalSet`].
pub async fn run(plan: &Plan) -> Outcome<Report> {
    if !plan.target.ip().is_loopback() {
        return Err("a storm goes to loopback only".into());
    }
    let pace = Pace::start(plan)?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let plan = Rc::new(plan.clone());
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..plan.connections {
        let sender = Sender { plan: Rc::clone(&plan), pace: pace.clone(), tally: Rc::clone(&tally), number };
        senders.spawn_local(sender.run());
    }
    while let Some(ended) = senders.join_next().await {
        ended?;
    }
    let report = tally.borrow_mut().report(began.elapsed());
    Ok(report)
}

struct Sender {
    plan: Rc<Plan>,
    pace: Pace,
    tally: Rc<RefCell<Tally>>,
    number: usize,
}

impl Sender {
    async fn run(self) {
        let mut order = Order::new(&self.plan, self.number);
        let check = Check::new(&self.plan);
        let mut connection = None;
        while let Some(due) = self.pace.next().await {
            order.renew_nonce();
            let mut sample = Sample::new(due);
            let patience = Duration::from_secs(self.plan.patience);
            let exchange = self.exchange(&mut connection, &order, &check, &mut sample);
            let verdict = tokio::time::timeout(patience, exchange).await.unwrap_or(Err(Flaw::Timeout));
            if verdict.is_err() {
                connection = None;
            }
            self.tally.borrow_mut().enter(&mut sample, verdict);
        }
    }

    async fn exchange(&self, slot: &mut Option<Connection>, order: &Order, check: &Check, sample: &mut Sample) -> Result<(), Flaw> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => connect(self.plan.target).await.map_err(Flaw::connect)?,
        };
        connection.write(order.bytes()).await.map_err(Flaw::io)?;
        let mut head = connection.read_response_head().await.map_err(Flaw::io)?;
        sample.status = Some(head.status);
        if head.status != 200 {
            connection.read_body(&mut head.framing).await.map_err(Flaw::io)?;
        } else if self.plan.stream {
            if !head.event_stream {
                return Err(Flaw::ContentType);
            }
            let mut reader = check.stream(order.nonce());
            let mut last = None;
            while let Some(piece) = connection.read_piece(&mut head.framing).await.map_err(Flaw::io)? {
                sample.bytes += piece.len() as u64;
                let said = reader.said();
                reader.push(&piece)?;
                if reader.said() > said && !check.pace().is_zero() {
                    let now = Instant::now();
                    let due = last.replace(now).map(|last: Instant| last + check.pace());
                    sample.late.extend(due.map(|due| nanoseconds(now.saturating_duration_since(due))));
                }
                if sample.first.is_none() && reader.has_content() {
                    sample.first = Some(sample.due.elapsed());
                }
            }
            sample.chunks = reader.finish()?;
        } else {
            let body = connection.read_body(&mut head.framing).await.map_err(Flaw::io)?;
            sample.bytes += body.len() as u64;
            check.whole(&body, order.nonce())?;
        }
        sample.took = Some(sample.due.elapsed());
        if !head.close {
            *slot = Some(connection);
        }
        if head.status == 200 { Ok(()) } else { Err(Flaw::Status(head.status)) }
    }
}

async fn connect(target: SocketAddr) -> std::io::Result<Connection> {
    Connection::new(TcpStream::connect(target).await?)
}

/// What one exchange showed.
#[derive(Debug)]
struct Sample {
    due: Instant,
    status: Option<u16>,
    first: Option<Duration>,
    took: Option<Duration>,
    bytes: u64,
    chunks: u64,
    late: Vec<u64>,
}

impl Sample {
    fn new(due: Instant) -> Self {
        Self { due, status: None, first: None, took: None, bytes: 0, chunks: 0, late: Vec::new() }
    }
}
