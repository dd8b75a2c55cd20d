//! The command line of the measuring tools.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use switchboard_bench::{Outcome, bare, measure, mockup, storm};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::LocalSet;

/// Measures the gateway against a bare pass-through proxy, all on loopback.
#[derive(Parser)]
#[command(name = "switchboard-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve as a mock of a model provider.
    Mockup {
        /// The port to listen on; 0 picks a free one and prints it.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Speak HTTP/2 over TLS, with a certificate that is written there.
        #[arg(long)]
        certificate: Option<PathBuf>,
    },
    /// Serve as a bare pass-through proxy.
    Bare {
        /// The port to listen on; 0 picks a free one and prints it.
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Where every request goes.
        #[arg(long)]
        upstream: SocketAddr,
        /// Threads, each with its own runtime, listener and pool.
        #[arg(long, default_value_t = 1)]
        workers: usize,
    },
    /// Send load and check every answer; prints one JSON object.
    Storm {
        #[command(flatten)]
        plan: storm::Plan,
        /// End well even when answers were wrong (for runs with faults on order).
        #[arg(long)]
        allow_flaws: bool,
    },
    /// Measure the gateway against the bare proxy and judge.
    Measure {
        #[command(flatten)]
        options: measure::Options,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("switchboard-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome<ExitCode> {
    match command {
        Command::Mockup { port, certificate } => local(async move {
            match certificate {
                Some(certificate) => mockup::over_http2::serve(listen(port)?, &certificate).await?,
                None => mockup::serve(listen(port)?).await?,
            }
            Ok(ExitCode::SUCCESS)
        }),
        Command::Bare { port, upstream, workers } => serve_bare(port, upstream, workers),
        Command::Storm { plan, allow_flaws } => {
            let report = local(async { storm::run(&plan).await })?;
            println!("{}", serde_json::to_string(&report)?);
            let good = allow_flaws || report.flaws.is_empty();
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Measure { options } => {
            let good = measure::run(&options)?;
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn serve_bare(port: u16, upstream: SocketAddr, workers: usize) -> Outcome<ExitCode> {
    if workers > 1 && port == 0 {
        return Err("several workers share a port: give one with `--port`".into());
    }
    let others: Vec<_> =
        (1..workers).map(|_| std::thread::spawn(move || local(async move { Ok(bare::serve(listen(port)?, upstream).await?) }))).collect();
    local(async move { Ok(bare::serve(listen(port)?, upstream).await?) })?;
    for other in others {
        other.join().map_err(|_| "a worker panicked")??;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs on one thread: one core each is what the figures are about.
fn local<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, future)
}

fn listen(port: u16) -> Outcome<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(port != 0)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    let listener = socket.listen(4096)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}
