//! Experiments while the gateway runs: which there are, how their shares stand, and when they shift.
//!
//! What an experiment is stands in the configuration, or in the database where it was made over the API. How it stands (shares,
//! winner) is in the database alone, one row each, which only changes for whoever knows its last version: of several gateways one
//! shifts and the others follow. Without a database the shares stay as they are written.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard_engine::experiment::{Experiment, Running, Tally};
use switchboard_engine::smart::Smart;
use switchboard_store::experiment::{self, Figures, Row};
use switchboard_store::{Store, StoreError, micros};

use crate::chore::Chore;
use crate::config::Config;
use crate::config::resolved::ExperimentForm;

/// How often the database is asked what has changed.
const LOOK: Duration = Duration::from_secs(2);
const MICROS: i64 = 1_000_000;

/// Where an experiment is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Requests are split and counted.
    #[default]
    Running,
    /// The name stands for the first arm, for now.
    Paused,
    /// An arm has won.
    Won,
    /// It is over without a winner: the name stands for the first arm.
    Stopped,
}

/// How an experiment stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// The share of each arm; where one is missing they are as written.
    pub(crate) shares: BTreeMap<String, f64>,
    pub(crate) winner: Option<String>,
    /// The probability of each arm to be the best, when that was last asked.
    pub(crate) best: BTreeMap<String, f64>,
    pub(crate) began_at: i64,
    pub(crate) stepped_at: i64,
    pub(crate) steps: u64,
}

/// An experiment, how it stands, and the row that says so.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) experiment: Arc<Experiment>,
    /// As it was written over the API; none where the configuration says it.
    pub(crate) form: Option<ExperimentForm>,
    pub(crate) state: State,
    /// Zero: there is no row.
    pub(crate) version: i64,
}

/// What the database last said, and how it is with copies for shadows.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    rows: Mutex<Vec<Row>>,
    pub(crate) copies: Copies,
}

/// Copies of requests for shadows, as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// Those that have a place: under way, or waiting for that.
    pub(crate) held: AtomicU64,
    /// Those there was no room for.
    pub(crate) dropped: AtomicU64,
}

impl State {
    fn begin() -> Self {
        Self { began_at: micros(), stepped_at: micros(), ..Self::default() }
    }

    /// The shares of an experiment's arms.
    pub(crate) fn shares(&self, experiment: &Experiment) -> Vec<f64> {
        let known: Option<Vec<f64>> = experiment.arms.iter().map(|arm| self.shares.get(&*arm.name).copied()).collect();
        known.filter(|shares| shares.len() == self.shares.len()).unwrap_or_else(|| experiment.weights())
    }

    fn running(&self, experiment: &Arc<Experiment>) -> Running {
        let only = |place: usize| (0..experiment.arms.len()).map(|arm| f64::from(u8::from(arm == place))).collect();
        let winner = self.winner.as_deref().and_then(|winner| experiment.place(winner));
        let promotes = experiment.policy.is_none_or(|policy| policy.promote);
        let (shares, counts) = match (self.status, winner) {
            (Status::Running, _) => (self.shares(experiment), true),
            (Status::Won, _) if !promotes => (self.shares(experiment), true),
            (Status::Won, Some(winner)) => (only(winner), false),
            (Status::Paused | Status::Stopped | Status::Won, _) => (only(0), false),
        };
        Running { experiment: experiment.clone(), shares, counts }
    }
}

impl Known {
    pub(crate) fn running(&self) -> Running {
        self.state.running(&self.experiment)
    }

    /// Its row, as it is to be.
    fn row(&self) -> Option<Row> {
        let document = self.form.as_ref().map(serde_json::to_string).transpose().ok()?;
        let state = serde_json::to_string(&self.state).ok()?;
        Some(Row { name: self.experiment.name.clone(), document, state, version: self.version })
    }

    /// Writes it, if nobody else has meanwhile.
    pub(crate) async fn write(&self, store: &Store) -> Result<bool, StoreError> {
        match self.row() {
            Some(row) => experiment::put(store, row).await,
            None => Ok(false),
        }
    }
}

impl Trials {
    /// Those there are at the start of a gateway. A database that is away is asked again later.
    pub(crate) fn open(store: Option<&Store>) -> Self {
        let rows = store.map(experiment::list_blocking).transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "experiments cannot be read yet; those of the configuration begin with the shares written there");
            None
        });
        Self { rows: Mutex::new(rows.unwrap_or_default()), copies: Copies::default() }
    }

    /// Those there are: what the configuration says goes before what was made over the API.
    pub(crate) fn known(&self, config: &Config) -> Vec<Known> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let configured = &config.switchboard.experiments;
        let mut known: Vec<Known> = configured.iter().map(|experiment| of_config(experiment, &rows)).collect();
        for row in rows.iter().filter(|row| configured.iter().all(|experiment| experiment.name != row.name)) {
            let Some(form) = row.document.as_deref().and_then(|text| serde_json::from_str::<ExperimentForm>(text).ok()) else { continue };
            match form.meant() {
                Ok(experiment) => {
                    let experiment = Arc::new(experiment);
                    known.push(Known { experiment, form: Some(form), state: state_of(row), version: row.version });
                }
                Err(why) => tracing::error!(name = row.name, why, "an experiment in the database cannot be used"),
            }
        }
        known
    }

    /// Routes by them from now on.
    pub(crate) fn apply(&self, smart: &Smart, config: &Config) {
        smart.compare(self.known(config).iter().map(Known::running).collect());
    }

    /// Reads what the database says, and routes by it.
    pub(crate) async fn refresh(&self, store: &Store, smart: &Smart, config: &Config) -> Result<(), StoreError> {
        let rows = experiment::list(store).await?;
        let changed = {
            let mut known = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = *known != rows;
            *known = rows;
            changed
        };
        if changed {
            self.apply(smart, config);
        }
        Ok(())
    }

    /// One look at what the database says and at what is due.
    async fn round(&self, (store, smart): (&Store, &Smart), config: &Config, rng: &mut fastrand::Rng) -> Result<(), StoreError> {
        self.refresh(store, smart, config).await?;
        for known in self.known(config) {
            if step(&known, store, rng).await? {
                self.refresh(store, smart, config).await?;
            }
        }
        Ok(())
    }
}

fn of_config(experiment: &Arc<Experiment>, rows: &[Row]) -> Known {
    let row = rows.iter().find(|row| row.name == experiment.name);
    let (state, version) = row.map_or_else(|| (State::default(), 0), |row| (state_of(row), row.version));
    Known { experiment: experiment.clone(), form: None, state, version }
}

fn state_of(row: &Row) -> State {
    serde_json::from_str(&row.state).unwrap_or_default()
}

/// What each arm has come to with its callers, in the order of the arms.
pub(crate) fn tallies(experiment: &Experiment, figures: &[Figures]) -> Vec<Tally> {
    let of = |arm: &str| {
        let found = figures.iter().find(|one| one.experiment == experiment.name && one.arm == arm && one.role == "live");
        found.map(|one| one.tally).unwrap_or_default()
    };
    experiment.arms.iter().map(|arm| of(&arm.name)).collect()
}

/// Follows the database and shifts shares, until it is dropped.
pub(crate) fn start(
    trials: Arc<Trials>,
    (store, smart): (Store, Arc<Smart>),
    config: impl Fn() -> Arc<Config> + Send + 'static,
) -> std::io::Result<Chore> {
    Chore::start("experiments", async move || {
        let mut rng = fastrand::Rng::new();
        loop {
            if let Err(error) = trials.round((&store, &smart), &config(), &mut rng).await {
                tracing::warn!(%error, "experiments stay as they are while the database does not answer");
            }
            tokio::time::sleep(LOOK).await;
        }
    })
}

/// One step of one experiment, where one is due. Says whether anything was written.
async fn step(known: &Known, store: &Store, rng: &mut fastrand::Rng) -> Result<bool, StoreError> {
    let Some(policy) = known.experiment.policy.filter(|_| known.state.status == Status::Running) else { return Ok(false) };
    if known.version == 0 {
        return Known { state: State::begin(), ..known.clone() }.write(store).await;
    }
    let now = micros();
    let seconds = |count: u64| i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(MICROS);
    if now < known.state.stepped_at.saturating_add(seconds(policy.every_seconds)) {
        return Ok(false);
    }
    let figures = experiment::figures(store, Some(known.experiment.name.clone())).await?;
    let shares = known.state.shares(&known.experiment);
    let mut state = State { stepped_at: now, steps: known.state.steps + 1, ..known.state.clone() };
    let by_arm = |values: &[f64]| known.experiment.arms.iter().map(|arm| arm.name.to_string()).zip(values.iter().copied()).collect();
    if let Some(verdict) = policy.step(&tallies(&known.experiment, &figures), &shares, rng) {
        state.best = by_arm(&verdict.best);
        state.shares = by_arm(&verdict.shares);
        if let Some(winner) = verdict.winner.and_then(|place| known.experiment.arms.get(place)) {
            tracing::info!(experiment = known.experiment.name, winner = &*winner.name, "an experiment has a winner");
            (state.status, state.winner) = (Status::Won, Some(winner.name.to_string()));
        }
    }
    if state.status == Status::Running && policy.max_seconds.is_some_and(|most| now >= state.began_at.saturating_add(seconds(most))) {
        tracing::info!(experiment = known.experiment.name, "an experiment has ended without a winner");
        state.status = Status::Stopped;
    }
    Known { state, ..known.clone() }.write(store).await
}

impl State {
    /// What a step taken over the API leaves: begun, where it had not.
    pub(crate) fn begun(mut self) -> Self {
        if self.began_at == 0 {
            (self.began_at, self.stepped_at) = (micros(), micros());
        }
        self
    }
}
