//! The gateway's own metrics: how it is, apart from whom it serves.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use switchboard_engine::meter::Outcome;

use crate::app::App;
use crate::metrics::row::{CallRow, Histogram};
use crate::metrics::text::{Kind, Page, Value, number};

/// How the metrics themselves are.
pub(super) struct Standing {
    pub(super) began: Instant,
    /// Of each table: its name, its label sets, and what was counted without one.
    pub(super) tables: [(&'static str, usize, u64); 2],
}

/// Writes all of them.
pub(super) fn write(page: &mut Page, app: &App, calls: &[CallRow], standing: &Standing) {
    requests(page, calls);
    page.one("switchboard_requests_in_flight", "Requests being served", Kind::Gauge, number(app.gateway.in_flight() as u64));
    page.one("switchboard_uptime_seconds", "Seconds since the gateway began", Kind::Gauge, standing.began.elapsed().as_secs_f64());
    page.one("switchboard_deployments", "Deployments there are", Kind::Gauge, number(app.gateway.fleet().deployments().count() as u64));
    page.one("switchboard_scopes", "Keys, teams, users and others whose spend is counted here", Kind::Gauge, number(app.book.len() as u64));
    if let Some(mut info) = page.metric("switchboard_build_info", "What runs", Kind::Gauge) {
        info.put(&[("version", env!("CARGO_PKG_VERSION"))], Value::Number(1.0));
        page.add(&info);
    }
    let attempts: u64 = app.gateway.fleet().deployments().map(|deployment| u64::from(deployment.health.in_flight())).sum();
    page.one("switchboard_attempts_in_flight", "Attempts at deployments under way", Kind::Gauge, number(attempts));
    let places = app.book.places();
    page.one("switchboard_places_in_use", "Most places that any key, team or deployment has given out", Kind::Gauge, number(places));
    let waiting = u64::try_from(app.gateway.queue().waiting()).unwrap_or(u64::MAX);
    page.one("switchboard_requests_waiting", "Requests that wait for their turn", Kind::Gauge, number(waiting));
    let counts = &app.alerts.counts;
    for (name, help, count) in [
        ("switchboard_alerts_told", "Alerts that were told", &counts.told),
        ("switchboard_alerts_failed", "Alerts that could not be told", &counts.failed),
        ("switchboard_alerts_dropped", "Alerts there was no room for", &counts.dropped),
    ] {
        page.one(name, help, Kind::Counter, number(count.load(Ordering::Relaxed)));
    }
    let copies = &app.trials.copies;
    let held = number(copies.held.load(Ordering::Relaxed));
    page.one("switchboard_shadow_copies_in_flight", "Copies of requests that are sent to shadows, or wait for that", Kind::Gauge, held);
    let dropped = number(copies.dropped.load(Ordering::Relaxed));
    page.one("switchboard_shadow_copies_dropped", "Copies of requests there was no room for", Kind::Counter, dropped);
    page.one("switchboard_soft_budgets_crossed", "Soft budgets that were spent", Kind::Counter, number(app.alerts.crossed()));
    if let Some(company) = app.limits.company() {
        let is_shared = f64::from(company.is_up);
        page.one("switchboard_limits_shared", "Whether limits are shared with other gateways now", Kind::Gauge, is_shared);
        let gateways = number(company.gateways);
        page.one("switchboard_limits_gateways", "Gateways that share limits, or keep to their part of them", Kind::Gauge, gateways);
    }
    let sets = page.metric("switchboard_metrics_label_sets", "Label sets that are counted", Kind::Gauge);
    let lost = page.metric("switchboard_metrics_overflow", "What was counted as `other`, for want of room for more labels", Kind::Counter);
    if let (Some(mut sets), Some(mut lost)) = (sets, lost) {
        for (table, rows, overflowed) in standing.tables {
            sets.put(&[("table", table)], Value::Number(number(rows as u64)));
            lost.put(&[("table", table)], Value::Number(number(overflowed)));
        }
        page.add(&sets);
        page.add(&lost);
    }
    if let Some(bytes) = resident() {
        page.one("process_resident_memory_bytes", "Memory the process has", Kind::Gauge, number(bytes));
    }
}

/// Requests and their time, without anything of whom they were for.
fn requests(page: &mut Page, calls: &[CallRow]) {
    let counted = page.metric("switchboard_requests", "Requests for models", Kind::Counter);
    let took = page.metric("switchboard_request_seconds", "Seconds that answered requests took", Kind::Histogram);
    let (Some(mut counted), Some(mut took)) = (counted, took) else { return };
    let mut times: BTreeMap<(&str, &str), Histogram> = BTreeMap::new();
    for row in calls {
        let outcome = match row.outcome {
            Outcome::Complete => "complete",
            Outcome::Cancelled => "cancelled",
            Outcome::Failed(kind) => kind.as_str(),
        };
        let (dialect, operation) = (row.dialect.as_str(), row.operation.as_str());
        let labels = [("dialect", dialect), ("operation", operation), ("outcome", outcome)];
        counted.put(&labels, Value::Number(number(row.calls)));
        if let Some(latencies) = &row.latencies {
            times.entry((dialect, operation)).or_default().merge(&latencies.total);
        }
    }
    for ((dialect, operation), histogram) in times {
        took.put(&[("dialect", dialect), ("operation", operation)], Value::Distribution(histogram));
    }
    page.add(&counted);
    page.add(&took);
}

/// Memory of this process, where the system tells.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
