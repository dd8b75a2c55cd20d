//! The scenarios which are run in interleaved rounds against both subjects.

use super::goal::{Compared, Figures, Goal, Row};
use super::round::{Load, Round};
use super::stage::{BUDGETED, Books, Running, Stage, Subject, Wrap};
use super::{Options, round};
use crate::Outcome;
use crate::statistics::{median, noise};

/// A figure that a round gives.
#[derive(Clone, Copy)]
struct Metric {
    what: &'static str,
    unit: &'static str,
    read: fn(&Round) -> Option<f64>,
    goal: Goal,
    /// Being within the noise of the bare proxy's own rounds counts as better.
    noise_is_better: bool,
}

struct Scenario {
    id: &'static str,
    title: &'static str,
    load: Load,
    /// The gateway's model where it is to translate; the bare proxy has nothing to translate.
    gateway_model: Option<&'static str>,
    metrics: Vec<Metric>,
}

fn ratio(what: &'static str, read: fn(&Round) -> Option<f64>, reach: f64, better: f64) -> Metric {
    let goal = Goal { compared: Compared::Ratio, reach, better };
    Metric { what, unit: "us", read, goal, noise_is_better: false }
}

fn added(what: &'static str, read: fn(&Round) -> Option<f64>, reach: f64, better: Option<f64>) -> Metric {
    let goal = Goal { compared: Compared::Added, reach, better: better.unwrap_or(0.0) };
    Metric { what, unit: "us", read, goal, noise_is_better: better.is_none() }
}

fn cpu_per_request(round: &Round) -> Option<f64> {
    (round.report.ok > 0).then(|| round.cpu_us / round.report.ok as f64)
}

fn cpu_per_chunk(round: &Round) -> Option<f64> {
    (round.report.chunks > 0).then(|| round.cpu_us / round.report.chunks as f64)
}

fn p50(round: &Round) -> Option<f64> {
    round.report.latency_us.map(|latency| latency.p50)
}

fn p99(round: &Round) -> Option<f64> {
    round.report.latency_us.map(|latency| latency.p99)
}

fn first_p50(round: &Round) -> Option<f64> {
    round.report.first_us.map(|first| first.p50)
}

fn scenarios(options: &Options) -> Vec<Scenario> {
    let mut all = requests(options);
    all.extend(streams(options));
    all.extend(translations(options));
    all
}

impl Scenario {
    fn same_format(id: &'static str, title: &'static str, load: Load, metrics: Vec<Metric>) -> Self {
        Self { id, title, load, gateway_model: None, metrics }
    }
}

fn requests(options: &Options) -> Vec<Scenario> {
    let at_rate = |rate: f64, connections| Load { rate: Some(rate), ..Load::new("mock", connections, options.count((rate * 4.0) as u64)) };
    let chat = Load::new("mock", 64, options.count(20_000));
    let large = Load { prompt_bytes: 1 << 20, ..Load::new("mock", 1, options.count(500)) };
    let cpu = |reach, better| ratio("CPU per request", cpu_per_request, reach, better);
    let latency = || vec![added("added p50", p50, 50.0, None), added("added p99", p99, 300.0, None)];
    let large_metrics = vec![cpu(2.2, 1.4), added("added p50", p50, 1500.0, Some(800.0))];
    vec![
        Scenario::same_format("chat", "chat, same format, 64 connections", chat, vec![cpu(1.5, 1.25)]),
        Scenario::same_format("latency-200", "chat at 200 requests/s", at_rate(200.0, 16), latency()),
        Scenario::same_format("latency-2000", "chat at 2,000 requests/s", at_rate(2000.0, 64), latency()),
        Scenario::same_format("prompt-1mib", "1 MiB prompt, one connection", large, large_metrics),
    ]
}

fn streams(options: &Options) -> Vec<Scenario> {
    let busy = Load::streams("mock-50x260", 64, options.count(1_500));
    // A stream lasts a second: begun evenly at this rate, a hundred are open at once and none in a burst.
    let paced = Load { rate: Some(98.0), ..Load::streams("mock-50x260-ttft20ms-pace20ms", 200, options.count(400)) };
    let cpu = || ratio("CPU per chunk", cpu_per_chunk, 1.4, 1.0);
    let first = added("added time to first token p50", first_p50, 500.0, Some(200.0));
    vec![
        Scenario::same_format("stream", "stream, same format, 64 connections", busy, vec![cpu()]),
        Scenario::same_format("stream-paced", "100 streams, a chunk every 20 ms", paced, vec![first, cpu()]),
    ]
}

fn translations(options: &Options) -> Vec<Scenario> {
    vec![
        Scenario {
            id: "translate",
            title: "OpenAI client, Anthropic upstream",
            load: Load::new("mock", 64, options.count(20_000)),
            gateway_model: Some("claude-mock"),
            metrics: vec![ratio("CPU per request", cpu_per_request, 2.5, 1.8)],
        },
        Scenario {
            id: "translate-stream",
            title: "the same, streamed",
            load: Load::streams("mock-50x260", 64, options.count(1_500)),
            gateway_model: Some("claude-mock-50x260"),
            metrics: vec![ratio("CPU per chunk", cpu_per_chunk, 3.0, 2.0)],
        },
    ]
}

/// Runs every scenario that is wanted.
pub(super) fn measure(stage: &Stage<'_>, rows: &mut Vec<Row>) -> Outcome<()> {
    let mut wanted = scenarios(stage.options);
    stage.add_models(&wanted.iter().flat_map(|s| [s.load.model].into_iter().chain(s.gateway_model)).collect::<Vec<_>>());
    wanted.retain(|scenario| stage.options.wants(scenario.id));
    if wanted.is_empty() {
        return Ok(());
    }
    let bare = stage.start(Subject::Bare, &Wrap::Plain)?;
    let gateway = stage.start(Subject::Gateway, &Wrap::Plain)?;
    for scenario in &wanted {
        eprintln!("measuring {}", scenario.id);
        measure_one(stage, [&bare, &gateway], scenario, rows)?;
    }
    Ok(())
}

/// What authentication, limits, budgets, reservations, journal and metering add: a key of somebody in a team, all with budgets and limits,
/// beside a gateway without keys.
pub(super) fn measure_books(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let options = stage.options;
    if options.gateway == "bare" {
        return Ok(Vec::new());
    }
    let mut places = vec![(Books::File, "money", "budgets and limits, books in SQLite, against the gateway without keys")];
    if options.database_url.is_some() && options.redis_url.is_some() {
        places.push((Books::Servers, "money-servers", "the same, books in PostgreSQL and limits in Redis"));
    }
    let mut rows = Vec::new();
    for (books, id, title) in places {
        let load = Load { key: BUDGETED, ..Load::new("mock", 64, options.count(20_000)) };
        let scenario = Scenario::same_format(id, title, load, vec![added("CPU per request", cpu_per_request, 15.0, Some(10.0))]);
        let (open, keeping) = (stage.start(Subject::Open, &Wrap::Plain)?, stage.start(Subject::Keeping(books), &Wrap::Plain)?);
        Stage::make_key(&keeping)?;
        measure_one(stage, [&open, &keeping], &scenario, &mut rows)?;
    }
    Ok(rows)
}

fn measure_one(stage: &Stage<'_>, subjects: [&Running; 2], scenario: &Scenario, rows: &mut Vec<Row>) -> Outcome<()> {
    let gateway_model = match stage.options.gateway.as_str() {
        // A second bare proxy translates nothing.
        "bare" => None,
        _ => scenario.gateway_model,
    };
    let loads = [scenario.load, Load { model: gateway_model.unwrap_or(scenario.load.model), ..scenario.load }];
    for (subject, load) in subjects.iter().zip(loads) {
        let warm_up = Load { requests: (load.requests / 10).max(load.connections), rate: None, ..load };
        round::run(stage, subject, warm_up)?;
    }
    let mut rounds = [Vec::new(), Vec::new()];
    for number in 0..stage.options.rounds() {
        // Who comes first changes, so that a drift of the machine hits both.
        for side in if number % 2 == 0 { [0, 1] } else { [1, 0] } {
            rounds[side].push(round::run(stage, subjects[side], loads[side])?);
        }
    }
    rows.extend(scenario.metrics.iter().map(|metric| judge(scenario, metric, &rounds)));
    Ok(())
}

fn judge(scenario: &Scenario, metric: &Metric, rounds: &[Vec<Round>; 2]) -> Row {
    let [bare, gateway] = rounds.each_ref().map(|side| side.iter().filter_map(metric.read).collect::<Vec<f64>>());
    let mut goal = metric.goal;
    if metric.noise_is_better {
        goal.better = noise(&bare).unwrap_or(0.0).min(goal.reach);
    }
    let flawed = rounds.iter().flatten().any(|round| !round.report.flaws.is_empty());
    let figures = Figures { bare: median(&bare), gateway: median(&gateway), note: note(rounds), flawed };
    Row::judged(scenario.id, &format!("{}: {}", scenario.title, metric.what), metric.unit, figures, goal)
}

fn note(rounds: &[Vec<Round>; 2]) -> String {
    let flaws: Vec<_> = rounds.iter().flatten().map(|round| &round.report.flaws).filter(|flaws| !flaws.is_empty()).collect();
    if let Some(first) = flaws.first() {
        return format!("wrong answers in {} rounds, for example {first:?}", flaws.len());
    }
    let [bare, gateway] = rounds.each_ref().map(|side| {
        let rates: Vec<f64> = side.iter().map(|round| round.report.rate).collect();
        let shares: Vec<f64> = side.iter().filter_map(|round| round.user_share).collect();
        let user = median(&shares).map_or_else(|| "?".to_owned(), |share| format!("{:.0} %", share * 100.0));
        format!("{:.0}/s, {user} user", median(&rates).unwrap_or(0.0))
    });
    format!("bare {bare}; gateway {gateway}")
}
