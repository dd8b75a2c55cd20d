//! What checks of deployments have found. They are made in [`health`](crate::health).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// The most outcomes that are kept.
const KEPT: usize = 1_000;

/// What became of a question.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The deployment's id.
    pub(crate) id: String,
    /// The name that callers use.
    pub(crate) group: String,
    /// Provider and model.
    pub(crate) model: String,
    /// Why it is not well; `None`: it is.
    pub(crate) error: Option<String>,
    /// Whether that may pass by itself.
    pub(crate) is_transient: bool,
    /// How long it took.
    pub(crate) took: Duration,
    /// When, in Unix seconds.
    pub(crate) at: u64,
}

/// The latest outcome of each deployment, and those before.
#[derive(Debug, Default)]
pub struct Checks(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    latest: BTreeMap<String, (u64, Outcome)>,
    history: VecDeque<(u64, Outcome)>,
    count: u64,
}

impl Checks {
    /// Takes note of one.
    pub(crate) fn add(&self, outcome: &Outcome) {
        let mut kept = self.kept();
        kept.count += 1;
        let number = kept.count;
        kept.latest.insert(outcome.id.clone(), (number, outcome.clone()));
        kept.history.push_front((number, outcome.clone()));
        kept.history.truncate(KEPT);
    }

    /// The latest of a deployment.
    pub(crate) fn latest(&self, id: &str) -> Option<Outcome> {
        self.kept().latest.get(id).map(|(_, outcome)| outcome.clone())
    }

    /// The latest of each name that callers use.
    pub(crate) fn latest_by_group(&self) -> BTreeMap<String, Outcome> {
        let kept = self.kept();
        let mut latest: Vec<&(u64, Outcome)> = kept.latest.values().collect();
        latest.sort_by_key(|(number, _)| *number);
        latest.into_iter().map(|(_, outcome)| (outcome.group.clone(), outcome.clone())).collect()
    }

    /// LiteLLM's `/health/latest`, of the deployments that are `visible`.
    pub(crate) fn told_latest(&self, visible: &dyn Fn(&Outcome) -> bool) -> Value {
        let kept = self.kept();
        let shown = kept.latest.iter().filter(|(_, (_, outcome))| visible(outcome));
        let told: serde_json::Map<String, Value> = shown.map(|(id, (number, outcome))| (id.clone(), told(*number, outcome))).collect();
        json!({"total_models": told.len(), "latest_health_checks": told})
    }

    /// LiteLLM's `/health/history`, the newest first.
    pub(crate) fn told_history(&self, page: &Page, visible: &dyn Fn(&Outcome) -> bool) -> Value {
        let kept = self.kept();
        let fits = |outcome: &Outcome| {
            page.model.as_deref().is_none_or(|model| outcome.group == model || outcome.id == model)
                && page.healthy.is_none_or(|healthy| healthy == outcome.error.is_none())
        };
        let shown = kept.history.iter().filter(|(_, outcome)| visible(outcome) && fits(outcome));
        let list: Vec<Value> = shown.skip(page.offset).take(page.limit).map(|(number, outcome)| told(*number, outcome)).collect();
        json!({"total_records": list.len(), "health_checks": list, "limit": page.limit, "offset": page.offset})
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of the history is asked for.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) model: Option<String>,
    pub(crate) healthy: Option<bool>,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

fn told(number: u64, outcome: &Outcome) -> Value {
    let healthy = outcome.error.is_none();
    let at = switchboard_engine::sign::rfc3339(outcome.at);
    json!({
        "health_check_id": format!("check-{number}"),
        "model_name": outcome.group,
        "model_id": outcome.id,
        "status": if healthy { "healthy" } else { "unhealthy" },
        "healthy_count": u8::from(healthy),
        "unhealthy_count": u8::from(!healthy),
        "error_message": outcome.error,
        "response_time_ms": (outcome.took.as_secs_f64() * 100_000.0).round() / 100.0,
        "details": null,
        "checked_by": "switchboard",
        "checked_at": at,
        "created_at": at,
    })
}
