//! Limits that several gateways share, kept in Redis.
//!
//! A gateway draws slices of a window by a script that Redis runs as one step, with Redis' own clock. A slice is what is needed and a
//! part of what is left, so that slices shrink towards the limit; of wishes that come together only the first is given more than
//! it needs, and near the limit none, since another gateway may be refused what lies idle here. What does lie idle goes back within
//! seconds. Of requests at one time each gateway has its places under its own name, and they end with it.
//!
//! All that is asked goes through one task with one connection, which waits for an answer for [`PATIENCE`]. When none comes, all who
//! wait are told at once, and nobody asks any more until the task has found Redis again, so that a frozen Redis costs the requests
//! under way a few milliseconds, and the others nothing. Each gateway keeps to its part then, of as many as Redis knew of last; what the
//! database has heard of since counts more, and of a Redis that has not answered yet it is all there is.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use switchboard_engine::book::Book;
use switchboard_engine::book::port::{Later, Outage};
use switchboard_engine::book::share::{Company, Draw, Drawn, PLACES_LAST, Places, Pool, Shares, Surplus, Without};
use switchboard_engine::terms::Unit;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::lease::Present;
use crate::redis::{BadAddress, PATIENCE};

/// The longest a new connection may take; requests do not wait for it.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long until Redis is looked for again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a gateway says that it is there, and gives back what is idle.
const PACE: Duration = Duration::from_secs(1);
/// How long it is there without a word.
const LIFE: Duration = Duration::from_secs(5);
/// The longest a call waits for its turn with a Redis that answers.
const TURN: Duration = Duration::from_millis(500);
/// How often an answer that is late is looked for once more.
const LOOKS: usize = 4;
/// What may wait to be asked.
const WAITING: usize = 4096;
/// A slice is this part of what is left, divided by the gateways there are.
const SLICE: u64 = 4;
/// A slice is worth drawing where it holds so many calls; where less is left, or half of a limit is used, calls draw what they need.
const SMALLEST: u64 = 16;
/// What to do without Redis, in the order of their numbers.
const ALL: [Without; 3] = [Without::Share, Without::Closed, Without::Open];
/// Scripts count in floats; these are exact up to here.
const EXACT: u64 = 1 << 52;

const DRAW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local me, slices, lasts, smallest = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local whole = function(number) return string.format('%.0f', number) end
local out, sliced = {}, {}
for i, key in ipairs(KEYS) do
  local at = 2 + i * 3
  local within, limit, least = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local opened, taken, mine, left = 1, 0, 0, 0
  if within > 0 then
    local known = redis.call('HMGET', key, 'opened', 'taken')
    opened, taken = tonumber(known[1]), tonumber(known[2])
    if not opened or now >= opened + within then opened, taken = now, 0 end
    left = opened + within - now
  else
    local held = redis.call('HGETALL', key)
    for j = 1, #held, 2 do
      local count, ends = string.match(held[j + 1], '^(%d+) (%d+)$')
      if held[j] == me then mine = tonumber(count)
      elseif tonumber(ends) > now then taken = taken + tonumber(count)
      else redis.call('HDEL', key, held[j]) end
    end
    taken = taken + mine
  end
  local grant = 0
  if limit < 0 then grant = least
  elseif least <= limit - taken then
    local rest, near = limit - taken - least, math.min(limit / 2, slices * smallest * least)
    grant = least
    if rest > near and not sliced[key] then grant, sliced[key] = least + math.floor(rest / slices), true end
  end
  if grant > 0 then
    taken = taken + grant
    if within > 0 then
      redis.call('HSET', key, 'opened', whole(opened), 'taken', whole(taken))
      redis.call('PEXPIRE', key, whole(math.ceil(within / 1000) + 1000))
    else
      redis.call('HSET', key, me, whole(mine + grant) .. ' ' .. whole(now + lasts))
      redis.call('PEXPIRE', key, whole(math.ceil(lasts / 500)))
    end
  end
  out[i] = {grant, taken, opened, left}
end
return out";

const BACK: &str = r"
local me = ARGV[1]
local whole = function(number) return string.format('%.0f', number) end
for i, key in ipairs(KEYS) do
  local amount, window = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  if window == 0 then
    local held = redis.call('HGET', key, me)
    if held then
      local count, ends = string.match(held, '^(%d+) (%d+)$')
      local rest = tonumber(count) - amount
      if rest > 0 then redis.call('HSET', key, me, whole(rest) .. ' ' .. ends) else redis.call('HDEL', key, me) end
    end
  else
    local known = redis.call('HMGET', key, 'opened', 'taken')
    if known[1] and tonumber(known[1]) == window then
      redis.call('HSET', key, 'taken', whole(math.max(0, tonumber(known[2]) - amount)))
    end
  end
end
return 1";

const KEEP: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local me, lasts = ARGV[1], tonumber(ARGV[2])
local whole = function(number) return string.format('%.0f', number) end
for i, key in ipairs(KEYS) do
  local held = redis.call('HGET', key, me)
  local count = held and string.match(held, '^(%d+) ') or ARGV[i + 2]
  redis.call('HSET', key, me, count .. ' ' .. whole(now + lasts))
  redis.call('PEXPIRE', key, whole(math.ceil(lasts / 500)))
end
return 1";

/// Limits that meet in Redis.
#[derive(Debug)]
pub struct RedisLimits {
    client: Client,
    /// This gateway's own name, and no other's.
    name: String,
    /// What gateways with other limits do not share.
    space: String,
    jobs: mpsc::Sender<Job>,
    waiting: Mutex<mpsc::Receiver<Job>>,
    is_up: AtomicBool,
    gateways: AtomicU64,
    rank: AtomicU64,
    without: AtomicU8,
    /// Who is there by the database's word, where gateways share one.
    present: Option<watch::Receiver<Present>>,
    draw: Script,
    back: Script,
    keep: Script,
}

/// Something to be asked of Redis.
#[derive(Debug)]
enum Job {
    Draw(Vec<Draw>, oneshot::Sender<Vec<Drawn>>),
    Back(Vec<Surplus>),
}

impl RedisLimits {
    /// Limits that meet in the Redis at that address, with gateways of the same `space`; nothing is asked of it yet.
    pub fn new(address: &str, name: impl Into<String>, space: impl Into<String>) -> Result<Self, BadAddress> {
        let client = Client::open(address).map_err(|error| BadAddress::of(&error))?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        Ok(Self {
            client,
            name: name.into(),
            space: space.into(),
            jobs,
            waiting: Mutex::new(waiting),
            is_up: AtomicBool::new(false),
            gateways: AtomicU64::new(1),
            rank: AtomicU64::new(0),
            without: AtomicU8::new(0),
            present: None,
            draw: Script::new(DRAW),
            back: Script::new(BACK),
            keep: Script::new(KEEP),
        })
    }

    /// While Redis does not answer, gateways are as many as the database says.
    #[must_use]
    pub fn with_present(self, present: Option<watch::Receiver<Present>>) -> Self {
        Self { present, ..self }
    }

    /// What to do while Redis cannot be reached.
    pub fn without(&self, without: Without) {
        self.without.store(without as u8, Ordering::Relaxed);
    }

    /// Asks Redis on behalf of everybody, until it is dropped. `book` has the limits.
    pub async fn serve(&self, book: &Book) {
        let mut waiting = self.waiting.lock().await;
        let mut present = self.present.clone();
        present.iter_mut().for_each(watch::Receiver::mark_changed);
        let mut was_up = true;
        loop {
            let error = match self.connect(book).await {
                Ok(connection) => {
                    if !was_up {
                        tracing::info!("limits are shared with the other gateways again");
                    }
                    was_up = true;
                    self.is_up.store(true, Ordering::Release);
                    let ended = self.answer(connection, &mut waiting, book).await;
                    self.is_up.store(false, Ordering::Release);
                    // Redis knew better than the database did until now.
                    present.iter_mut().for_each(watch::Receiver::mark_unchanged);
                    // Nobody waits for an answer that does not come.
                    while waiting.try_recv().is_ok() {}
                    ended
                }
                Err(error) => error,
            };
            if was_up {
                tracing::warn!(%error, "Redis does not answer; this gateway keeps limits by itself");
            }
            was_up = false;
            if let Some(present) = present.as_mut().filter(|present| present.has_changed().unwrap_or(false)) {
                self.count(*present.borrow_and_update());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self, book: &Book) -> Result<MultiplexedConnection, String> {
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection().await?;
            self.enter(&mut connection).await?;
            // What was used alone is counted before anybody draws again.
            let debts = book.debts();
            if !debts.is_empty() {
                self.take(&mut connection, &debts, book).await?;
            }
            Ok::<_, RedisError>(connection)
        };
        match tokio::time::timeout(CONNECTING, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.category().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Answers until something fails.
    async fn answer(&self, mut connection: MultiplexedConnection, waiting: &mut mpsc::Receiver<Job>, book: &Book) -> String {
        let mut pace = tokio::time::interval(PACE);
        loop {
            let done = tokio::select! {
                _ = pace.tick() => answered(self.tend(&mut connection, book)).await,
                job = waiting.recv() => match job {
                    Some(job) => answered(self.run(&mut connection, job, waiting, book)).await,
                    None => return "nobody asks any more".to_owned(),
                },
            };
            match done {
                Some(Ok(())) => {}
                Some(Err(error)) => return error.to_string(),
                None => return "no answer in time".to_owned(),
            }
        }
    }

    /// Does that job, and what has come in the meantime, in one step each.
    async fn run(
        &self,
        on: &mut MultiplexedConnection,
        first: Job,
        waiting: &mut mpsc::Receiver<Job>,
        book: &Book,
    ) -> Result<(), RedisError> {
        let (mut draws, mut answers, mut surplus) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Draw(wanted, answer) => {
                    answers.push((wanted.len(), answer));
                    draws.extend(wanted);
                }
                Job::Back(more) => surplus.extend(more),
            }
            next = if draws.len() < 64 { waiting.try_recv().ok() } else { None };
        }
        self.give(on, &surplus).await?;
        if draws.is_empty() {
            return Ok(());
        }
        let mut drawn = self.take(on, &draws, book).await?.into_iter();
        for (count, answer) in answers {
            // Whoever asked may be gone; what was drawn for it is there for others, or goes back when it has lain idle.
            let _ = answer.send(drawn.by_ref().take(count).collect());
        }
        Ok(())
    }

    /// Draws, and puts what is granted into the book.
    async fn take(&self, on: &mut MultiplexedConnection, draws: &[Draw], book: &Book) -> Result<Vec<Drawn>, RedisError> {
        let mut script = self.draw.prepare_invoke();
        script.arg(&self.name).arg(self.gateways.load(Ordering::Relaxed) * SLICE).arg(micros(PLACES_LAST)).arg(SMALLEST);
        for draw in draws {
            let limit = draw.limit.map_or(-1, |limit| limit.min(EXACT).cast_signed());
            script.key(self.key(&draw.pool)).arg(draw.pool.within).arg(limit).arg(draw.least.min(EXACT));
        }
        let drawn: Vec<(u64, u64, i64, i64)> = script.invoke_async(on).await?;
        let drawn: Vec<Drawn> = drawn.into_iter().map(|(granted, taken, window, left)| Drawn { granted, taken, window, left }).collect();
        draws.iter().zip(&drawn).for_each(|(draw, drawn)| book.receive(draw, drawn));
        Ok(drawn)
    }

    async fn give(&self, on: &mut MultiplexedConnection, surplus: &[Surplus]) -> Result<(), RedisError> {
        if surplus.is_empty() {
            return Ok(());
        }
        let mut script = self.back.prepare_invoke();
        script.arg(&self.name);
        for more in surplus {
            let window = if more.pool.unit == Unit::Parallel { 0 } else { more.window };
            script.key(self.key(&more.pool)).arg(more.amount).arg(window);
        }
        script.invoke_async::<()>(on).await
    }

    /// Says that this gateway is there, looks who else is, gives back what is idle, and keeps its places.
    async fn tend(&self, on: &mut MultiplexedConnection, book: &Book) -> Result<(), RedisError> {
        self.enter(on).await?;
        let (idle, held) = book.tend();
        self.give(on, &idle).await?;
        if held.is_empty() {
            return Ok(());
        }
        let mut script = self.keep.prepare_invoke();
        script.arg(&self.name).arg(micros(PLACES_LAST));
        for Places { pool, held } in &held {
            script.key(self.key(pool)).arg(*held);
        }
        script.invoke_async::<()>(on).await
    }

    async fn enter(&self, on: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(on).await?;
        let (now, set) = (seconds * 1000 + micros / 1000, format!("switchboard:gateways:{}", self.space));
        let life = i64::try_from(LIFE.as_millis()).unwrap_or(i64::MAX);
        let mut pipe = redis::pipe();
        pipe.zadd(&set, &self.name, now).ignore();
        pipe.zrembyscore(&set, "-inf", now - life).ignore();
        pipe.pexpire(&set, life * 12).ignore();
        pipe.zrange(&set, 0, -1);
        let (mut names,): (Vec<String>,) = pipe.query_async(on).await?;
        names.sort_unstable();
        let rank = names.iter().position(|name| *name == self.name).unwrap_or(0);
        self.count(Present { gateways: names.len() as u64, rank: rank as u64 });
        Ok(())
    }

    fn count(&self, Present { gateways, rank }: Present) {
        self.gateways.store(gateways.max(1), Ordering::Relaxed);
        self.rank.store(rank, Ordering::Relaxed);
    }

    fn key(&self, pool: &Pool) -> String {
        format!("switchboard:limit:{}:{}:{}:{}", self.space, pool.scope, pool.unit.as_str(), pool.within)
    }
}

impl Shares for RedisLimits {
    fn company(&self) -> Company {
        Company {
            is_up: self.is_up.load(Ordering::Acquire),
            gateways: self.gateways.load(Ordering::Relaxed),
            rank: self.rank.load(Ordering::Relaxed),
            without: ALL[usize::from(self.without.load(Ordering::Relaxed))],
        }
    }

    fn draw(&self, draws: Vec<Draw>) -> Later<'_, Result<Vec<Drawn>, Outage>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let count = draws.len();
            if !self.is_up.load(Ordering::Acquire) || self.jobs.try_send(Job::Draw(draws, answer)).is_err() {
                return Err(Outage);
            }
            match tokio::time::timeout(TURN, answered).await {
                Ok(Ok(drawn)) if drawn.len() == count => Ok(drawn),
                _ => Err(Outage),
            }
        })
    }

    fn give_back(&self, surplus: Vec<Surplus>) {
        // What cannot be given back ends with its window, or with this gateway's places.
        let _ = self.jobs.try_send(Job::Back(surplus));
    }
}

/// What Redis answers within [`PATIENCE`]. Where it was this process that had no time, the answer is there and is only not read yet.
async fn answered<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return Some(done);
    }
    for _ in 0..LOOKS {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::task::yield_now() => {}
        }
    }
    None
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
