//! What the database alone does not know: the places of a running gateway (I12), and a provider's own books (I14).

use std::path::Path;
use std::time::Duration;

use switchboard_engine::terms::NanoUsd;
use switchboard_engine::upstream::Transport;
use switchboard_store::Store;
use switchboard_store::ledger::{Attempts, Report};

use crate::command::Failure;
use crate::command::client::Client;
use crate::money::reconcile::{Columns, Unit, read, reconcile};

/// Looks that are taken: a request may come or go between the numbers of one of them.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// I12: no place is in use for which there is no request.
pub(super) async fn places(url: &str, key: Option<&str>, report: &mut Report) -> Result<(), Failure> {
    let client = Client::new(url, key, Transport::default())?;
    let mut found = String::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let page = client.read("/metrics", None).await?;
        let page = String::from_utf8_lossy(&page);
        let value = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<f64>().ok());
        let named = ["switchboard_requests_in_flight", "switchboard_attempts_in_flight", "switchboard_places_in_use"].map(value);
        let [Some(requests), Some(attempts), Some(places)] = named else {
            return Err(format!("{url} does not tell its places at /metrics").into());
        };
        if places <= requests + attempts {
            return Ok(());
        }
        found = format!("{places} places are in use for {requests} requests and {attempts} attempts");
    }
    report.find("I12", found);
    Ok(())
}

/// I14: what a provider says it did is what the ledger says, to the nano-dollar.
pub(super) async fn books(store: &Store, provider: &str, export: &Path, report: &mut Report) -> Result<(), Failure> {
    let lines = read(export, Unit::Dollars, &Columns { named: Vec::new() })?;
    let wanted = Attempts { from: 0, until: i64::MAX, provider: Some(provider.to_owned()), model: None };
    let compared = reconcile(store, &wanted, &lines, NanoUsd::ZERO).await?;
    for one in &compared.differences {
        let kind = serde_json::to_value(one.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        let cost = |cost: Option<switchboard_store::Money>| cost.map_or_else(|| "no cost".to_owned(), |cost| format!("{} USD", cost.0));
        let sides = (cost(one.ledger.cost), cost(one.export.cost));
        report
            .find("I14", format!("{provider} {} on {}: {kind}; the ledger says {}, the provider {}", one.model, one.day, sides.0, sides.1));
    }
    Ok(())
}
