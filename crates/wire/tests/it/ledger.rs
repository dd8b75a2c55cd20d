//! What became of many exchanges under the laws.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use switchboard_wire::Dialect;

use crate::answers::{self, Answer, Passage};
use crate::corpus::{Exchange, Subject};
use crate::limits;
use crate::meaning::differences;
use crate::requests::{self, Sent};
use crate::{explained, oracle, verbatim};

/// How many, and how many of them as they should be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    /// All.
    pub(crate) total: usize,
    /// As they were.
    pub(crate) whole: usize,
    /// As they were but for what the format cannot express.
    pub(crate) limited: usize,
}

impl Score {
    pub(crate) fn add(&mut self, other: Score) {
        self.total += other.total;
        self.whole += other.whole;
        self.limited += other.limited;
    }

    /// Those that are neither.
    pub(crate) fn wrong(self) -> usize {
        self.total - self.whole - self.limited
    }
}

/// Something a law forbids.
pub(crate) struct Exception {
    pub(crate) id: String,
    pub(crate) api: String,
    pub(crate) what: String,
    pub(crate) reason: Option<&'static str>,
}

/// How many, and the ids of the first few.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    pub(crate) count: usize,
    pub(crate) ids: BTreeSet<String>,
}

impl Count {
    pub(crate) fn add(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < 3 {
            self.ids.insert(id.to_owned());
        }
    }
}

/// The requests from one dialect to another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Road {
    pub(crate) total: usize,
    pub(crate) refused: usize,
    pub(crate) lossless: usize,
}

/// The counts of everything.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Exchanges by API: how many, and in which dialect or why in none.
    pub(crate) apis: BTreeMap<String, BTreeMap<String, usize>>,
    /// The first law on requests and on streams, by API.
    pub(crate) requests_verbatim: BTreeMap<String, Score>,
    pub(crate) streams_verbatim: BTreeMap<String, Score>,
    /// The second law, by API and client.
    pub(crate) passages: BTreeMap<String, BTreeMap<Dialect, Score>>,
    /// The differences that each limit explains.
    pub(crate) limits: BTreeMap<usize, Count>,
    pub(crate) exceptions: Vec<Exception>,
    /// Requests, by (from, to).
    pub(crate) roads: BTreeMap<(Dialect, Dialect), Road>,
    pub(crate) refusals: BTreeMap<(Dialect, String, String), Count>,
    pub(crate) losses: BTreeMap<(Dialect, String), Count>,
    /// Requests that no client could have sent.
    pub(crate) unread: Vec<(String, String, String)>,
    /// Differences from other readings.
    pub(crate) compared: usize,
    pub(crate) groups: BTreeMap<usize, Count>,
}

impl Ledger {
    /// Holds the laws against all of them.
    pub(crate) fn of(exchanges: &[Exchange], readings: &HashMap<String, Value>) -> Self {
        let mut ledger = Self::default();
        for exchange in exchanges {
            let subject = match exchange.subject {
                Subject::Chat(dialect) if dialect.outbound().is_some() => dialect.to_string(),
                Subject::Chat(dialect) => format!("`{dialect}` is not spoken yet"),
                Subject::Left(why) => why.to_owned(),
            };
            *ledger.apis.entry(exchange.api.clone()).or_default().entry(subject).or_default() += 1;
            let Some(answer) = answers::read(exchange) else { continue };
            ledger.verbatim(exchange, &answer);
            ledger.answer(exchange, &answer);
            ledger.requests(exchange);
            if let Some(reading) = readings.get(&exchange.id) {
                ledger.compare(exchange, &answer, reading);
            }
        }
        ledger
    }

    fn except(&mut self, exchange: &Exchange, what: String) {
        let reason = explained::exception(&what);
        self.exceptions.push(Exception { id: exchange.id.clone(), api: exchange.api.clone(), what, reason });
    }

    fn verbatim(&mut self, exchange: &Exchange, answer: &Answer) {
        let mut laws = Vec::new();
        if exchange.request.is_some() {
            laws.push((false, verbatim::request(exchange)));
        }
        if answer.events.is_some() {
            laws.push((true, verbatim::stream(exchange, answer)));
        }
        for (is_stream, wrong) in laws {
            let scores = if is_stream { &mut self.streams_verbatim } else { &mut self.requests_verbatim };
            let score = Score { total: 1, whole: usize::from(wrong.is_empty()), limited: 0 };
            scores.entry(exchange.api.clone()).or_default().add(score);
            wrong.into_iter().for_each(|what| self.except(exchange, what));
        }
    }

    fn answer(&mut self, exchange: &Exchange, answer: &Answer) {
        if let Some(wrong) = answer.events.as_deref().and_then(answers::disorder) {
            self.except(exchange, format!("the events' order: {wrong}"));
        }
        for (client, inbound, outbound) in answers::clients() {
            let mut wrong = verbatim::translation(exchange, answer, client, inbound);
            wrong.extend(verbatim::as_whole(answer, client, inbound, outbound));
            wrong.into_iter().for_each(|what| self.except(exchange, what));
        }
        for passage in answers::passages(answer) {
            let score = self.passage(exchange, &passage);
            self.passages.entry(exchange.api.clone()).or_default().entry(passage.client).or_default().add(score);
        }
    }

    fn passage(&mut self, exchange: &Exchange, passage: &Passage) -> Score {
        let form = if passage.streamed { "streamed" } else { "whole" };
        let mut score = Score { total: 1, whole: 1, limited: 0 };
        let mut wrong: Vec<String> = passage.disorder.iter().map(|why| format!("the events' order: {why}")).collect();
        for difference in differences(&passage.was, &passage.is) {
            match limits::limit(passage.client, &difference, &passage.was, &passage.is) {
                Some(limit) => {
                    score = Score { total: 1, whole: 0, limited: 1 };
                    self.limits.entry(limit).or_default().add(&exchange.id);
                }
                None => wrong.push(difference.to_string()),
            }
        }
        if !wrong.is_empty() {
            score = Score { total: 1, whole: 0, limited: 0 };
        }
        wrong.into_iter().for_each(|what| self.except(exchange, format!("as {}, {form}: {what}", passage.client)));
        score
    }

    fn requests(&mut self, exchange: &Exchange) {
        for request in requests::read(exchange) {
            match request {
                Ok(request) => Dialect::ALL.into_iter().for_each(|to| self.road(exchange, &request, to)),
                Err(unread) if !unread.recorded || exchange.status == 400 => {
                    let made =
                        if unread.recorded { "the provider refused it, too" } else { "made by the collection only: its file is empty" };
                    self.unread.push((exchange.id.clone(), exchange.api.clone(), format!("{} ({made})", unread.why)));
                }
                Err(unread) => self.except(exchange, format!("the request is refused: {}", unread.why)),
            }
        }
    }

    fn road(&mut self, exchange: &Exchange, request: &requests::Request, to: Dialect) {
        let Some(sent) = requests::send(request, to) else { return };
        let road = self.roads.entry((request.from, to)).or_default();
        road.total += 1;
        match sent {
            Sent::Refused(field, why) => {
                road.refused += 1;
                self.refusals.entry((to, field, why)).or_default().add(&exchange.id);
            }
            Sent::Written { losses, differences } => {
                road.lossless += usize::from(losses.is_empty());
                for loss in losses {
                    self.losses.entry((to, loss)).or_default().add(&exchange.id);
                }
                for difference in differences {
                    self.except(exchange, format!("the request from {} to {to}: {}", request.from, requests::around(&difference)));
                }
            }
        }
    }

    fn compare(&mut self, exchange: &Exchange, answer: &Answer, reading: &Value) {
        self.compared += 1;
        for other in oracle::compare(answer, reading) {
            match explained::group(exchange, &other) {
                Some(group) => self.groups.entry(group).or_default().add(&exchange.id),
                None => {
                    let cut = |value: &Value| value.to_string().chars().take(160).collect::<String>();
                    let what =
                        format!("{:?} reads `{}` otherwise: {} and not {}", other.whose, other.field, cut(&other.theirs), cut(&other.ours));
                    self.except(exchange, what);
                }
            }
        }
    }
}
