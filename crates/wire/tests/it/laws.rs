//! The laws, held against every exchange.

use std::collections::HashMap;
use std::fs;

use switchboard_wire::Dialect;

use crate::corpus;
use crate::ledger::Ledger;
use crate::oracle;
use crate::page::page;

fn unexplained(ledger: &Ledger) -> Vec<String> {
    let open = ledger.exceptions.iter().filter(|exception| exception.reason.is_none());
    open.map(|exception| format!("{} {}: {}", exception.id, exception.api, exception.what)).collect()
}

#[test]
fn our_own_exchanges_keep_their_meaning() {
    // What Replicate's models take and give differs by model, and none streams: `replicate/tests.rs` holds its laws.
    for dialect in Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Replicate) {
        let ours = || corpus::fixtures().iter().filter(|exchange| exchange.dialect() == Some(dialect));
        assert!(ours().any(|exchange| exchange.framing.is_some()), "no stream of {dialect}");
        assert!(ours().any(|exchange| exchange.framing.is_none() && exchange.is_success()), "no whole answer of {dialect}");
    }
    let ledger = Ledger::of(corpus::fixtures(), &HashMap::new());
    let wrong = unexplained(&ledger);
    assert!(wrong.is_empty(), "{} exceptions:\n{}", wrong.len(), wrong.join("\n"));
    every_pair_is_travelled(&ledger);
}

/// No pair of formats is left out by accident, neither on the way there nor on the way back.
fn every_pair_is_travelled(ledger: &Ledger) {
    let clients = || Dialect::ALL.into_iter().filter(|dialect| dialect.inbound().is_some());
    for provider in Dialect::ALL.into_iter().filter(|dialect| dialect.outbound().is_some()) {
        for client in clients().filter(|client| *client != provider) {
            let sent = ledger.roads.get(&(client, provider)).is_some_and(|road| road.total > 0);
            assert!(sent, "no request from {client} to {provider}");
        }
        if provider == Dialect::Replicate {
            continue;
        }
        let answers = ledger.passages.iter().filter(|(api, _)| ledger.apis[*api].contains_key(provider.as_str()));
        let reached: Vec<Dialect> = answers.flat_map(|(_, scores)| scores.keys().copied()).collect();
        for client in clients() {
            assert!(reached.contains(&client), "no answer of {provider} for {client}");
        }
    }
}

#[test]
fn recorded_exchanges_keep_their_meaning() {
    let Some(exchanges) = corpus::recorded() else { return };
    let ledger = Ledger::of(exchanges, &oracle::readings());
    let page = page(&ledger);
    let path = corpus::beside("../../docs/fidelity.md");
    let bless = std::env::vars_os().any(|(name, value)| name == "BLESS" && value == "1");
    if bless {
        fs::write(&path, &page).expect("docs/fidelity.md");
    }
    let wrong = unexplained(&ledger);
    assert!(wrong.is_empty(), "{} exceptions without a reason:\n{}", wrong.len(), wrong.join("\n"));
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/fidelity.md is stale: run the tests with BLESS=1");
}
