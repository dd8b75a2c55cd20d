//! Looking once a second at what may have to be told, on a thread of its own, and telling each thing once: a [`courier`] brings it.

mod courier;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_engine::book::Scope;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Level, Mode, NanoUsd, ScopeId};
use switchboard_store::alert as told;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval};

use crate::alerts::Note;
use crate::alerts::alert::{Alert, BUDGETS, OUTAGES};
use crate::app::App;
use crate::chore::Chore;
use crate::config::Config;
use courier::{Address, Courier, Form, addresses};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which whose money was spent is looked at no more: other gateways' spend is known by then.
const LOOKS: u8 = 5;
/// How often it is looked for keys that expire, in looks.
const KEYS: u32 = 600;
/// How long it is known what was told.
const REMEMBERED: i64 = 400 * 86_400 * 1_000_000;
/// Names that are remembered here; the database remembers all.
const KEPT: usize = 100_000;
const HOUR: i64 = 3_600 * 1_000_000;

/// An alert on its way.
type Letter = Arc<Alert>;

/// Begins to watch and to tell; `own` is the configuration as the operator wrote it.
pub(crate) fn start(app: Arc<App>, own: Arc<Config>) -> std::io::Result<Option<Chore>> {
    let Some(mut inbox) = app.alerts.inbox() else { return Ok(None) };
    let chore = Chore::start("alerts", async move || {
        let room = app.config().switchboard.alerts.max_queued.max(1);
        let ((webhooks, to_webhooks), (slack, to_slack)) = (mpsc::channel(room), mpsc::channel(room));
        let mut watcher = Watcher {
            app: &app,
            own: &own,
            touched: HashMap::new(),
            told: HashSet::new(),
            posts: [(Form::Webhook, webhooks), (Form::Slack, slack)],
        };
        tokio::join!(watcher.run(&mut inbox), deliver(&app, &own, Form::Webhook, to_webhooks), deliver(&app, &own, Form::Slack, to_slack));
    });
    chore.map(Some)
}

/// Whose money was spent.
struct Touched {
    who: Arc<Principal>,
    refused: bool,
    looks: u8,
}

struct Watcher<'a> {
    app: &'a App,
    own: &'a Config,
    touched: HashMap<usize, Touched>,
    told: HashSet<String>,
    posts: [(Form, Sender<Letter>); 2],
}

impl Watcher<'_> {
    async fn run(&mut self, inbox: &mut Receiver<Note>) {
        let mut clock = interval(LOOK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut round: u32 = 0;
        loop {
            tokio::select! {
                note = inbox.recv() => match note {
                    Some(note) => self.heard(note).await,
                    None => return,
                },
                _ = clock.tick() => {
                    let heard = [BUDGETS, OUTAGES].into_iter().any(|kind| !self.addresses(kind).is_empty());
                    self.app.alerts.hear(heard);
                    if heard {
                        self.look().await;
                        if round.is_multiple_of(KEYS) {
                            self.keys().await;
                        }
                        round = round.wrapping_add(1);
                    }
                }
            }
        }
    }

    fn addresses(&self, kind: &str) -> Vec<Address> {
        addresses(&self.app.config(), self.own, kind)
    }

    async fn heard(&mut self, note: Note) {
        match note {
            Note::Spent { who, refused } => {
                let key = Arc::as_ptr(&who).addr();
                let entry = self.touched.entry(key).or_insert(Touched { who, refused: false, looks: 0 });
                (entry.refused, entry.looks) = (entry.refused | refused, 0);
            }
            Note::Outage(deployment) => {
                let every = self.app.config().general.alerting.outage_ttl;
                let every = i64::try_from(every.as_micros()).unwrap_or(HOUR);
                self.tell(Alert::outage(&deployment, self.app.book.now(), every)).await;
            }
            Note::Keys => self.keys().await,
            Note::Said(alert) => self.tell(*alert).await,
        }
    }

    /// Looks at the budgets of all whose money was spent.
    async fn look(&mut self) {
        let mut found = Vec::new();
        for touched in self.touched.values_mut() {
            touched.looks += 1;
            found.extend(self::budgets(self.app, &touched.who, touched.refused));
        }
        self.touched.retain(|_, touched| touched.looks < LOOKS);
        for alert in found {
            self.tell(alert).await;
        }
    }

    /// Looks for keys that expire soon.
    async fn keys(&mut self) {
        let Some(store) = &self.app.store else { return };
        let now = switchboard_store::micros();
        let soon = i64::try_from(self.app.config().switchboard.alerts.key_expiry.as_micros()).unwrap_or(HOUR);
        match told::expiring(store, now, now.saturating_add(soon)).await {
            Ok(keys) => {
                for alert in keys.iter().filter_map(Alert::key_expiry) {
                    self.tell(alert).await;
                }
            }
            Err(error) => tracing::debug!(%error, "keys that expire cannot be looked for"),
        }
        if let Err(error) = told::forget(store, now - REMEMBERED).await {
            tracing::debug!(%error, "what was told long ago cannot be forgotten");
        }
    }

    /// Tells it, unless it has been told.
    async fn tell(&mut self, alert: Alert) {
        if self.told.contains(&alert.name) {
            return;
        }
        let addresses = self.addresses(alert.kind);
        if addresses.is_empty() {
            return;
        }
        if let Some(store) = &self.app.store {
            // Better twice than never, where the database is away.
            if matches!(told::claim(store, alert.name.clone(), switchboard_store::micros()).await, Ok(false)) {
                self.told.insert(alert.name);
                return;
            }
        }
        if self.told.len() >= KEPT {
            self.told.clear();
        }
        self.told.insert(alert.name.clone());
        let letter = Arc::new(alert);
        for (form, post) in &self.posts {
            if addresses.iter().any(|address| address.form == *form) && post.try_send(letter.clone()).is_err() {
                self.app.alerts.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What is to be told of the budgets that caller is in.
fn budgets(app: &App, who: &Principal, refused: bool) -> Vec<Alert> {
    let now = app.book.now();
    let proxy = app.book.find(&ScopeId::new(Level::Proxy, ""));
    let mut found = Vec::new();
    for scope in who.scopes.iter().chain(&proxy).filter(|scope| scope.id.level != Level::Credits) {
        for budget in &scope.terms().budgets {
            let spent = spent(app, scope, budget.window);
            // A call may be refused because it is dear, or because others are under way: that the budget is spent it says only near the end.
            let near = refused && budget.mode != Mode::Audit && i128::from(spent.0) * 100 >= i128::from(budget.limit.0) * 85;
            found.extend(Alert::of_budget(who, scope, budget, spent, (now, near)));
        }
    }
    found
}

/// What a scope has spent, by all that is known here.
fn spent(app: &App, scope: &Scope, window: switchboard_engine::terms::Window) -> NanoUsd {
    let own = scope.spent_in(window, app.book.now()).unwrap_or_default();
    if app.book.is_shared() { own.max(app.book.spent(&scope.id, window)) } else { own }
}

/// Brings one alert after the other to all addresses of that form.
async fn deliver(app: &App, own: &Config, form: Form, mut letters: Receiver<Letter>) {
    let mut courier = Courier::default();
    while let Some(letter) = letters.recv().await {
        let config = app.config();
        let mut told = false;
        for address in addresses(&config, own, letter.kind).into_iter().filter(|address| address.form == form) {
            match courier.bring(&config, &address, &letter).await {
                Ok(()) => told = true,
                Err(error) => tracing::warn!(%error, alert = letter.name, "an alert could not be told"),
            }
        }
        let counts = &app.alerts.counts;
        if told {
            counts.told.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        counts.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(store) = &app.store
            && let Err(error) = told::withdraw(store, letter.name.clone()).await
        {
            tracing::debug!(%error, "that an alert was not told cannot be written down");
        }
    }
}
