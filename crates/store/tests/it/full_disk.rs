//! M16: a journal on a disk that is full, and has room again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_engine::admit::journal::{AttemptId, Journal as _};
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::journal::{Durability, Journal, Standing};
use switchboard_store::ledger::{Writer, spent, verify};
use switchboard_store::micros;

use crate::disk::Disk;
use crate::ledger::{futures, intent_of, settle};
use crate::stores::each;

/// More records than fit into what is left of a page.
const MOST: usize = 2000;

/// Fills a disk, and what the journal there has kept of it.
fn fill(disk: &Disk, journal: &Journal) -> Vec<AttemptId> {
    let reserve = disk.path().join("journal/reserve");
    assert!(reserve.metadata().expect("a reserve").len() > 1 << 20);
    disk.fill();
    let mut taken = Vec::new();
    while reserve.exists() {
        let attempt = AttemptId::mint(micros());
        intent_of(attempt, &attempt.to_string(), 1, |intent| journal.intend(intent)).expect("room was kept");
        taken.push(attempt);
        assert!(taken.len() < MOST);
    }
    assert_eq!(journal.standing(), Standing::Open);
    disk.fill();
    taken.extend(until_refused(journal));
    assert_eq!(journal.standing(), Standing::Late);
    taken
}

/// So many intents as are taken before one is refused.
fn until_refused(journal: &Journal) -> Vec<AttemptId> {
    let mut taken = Vec::new();
    for _ in 0..MOST {
        let attempt = AttemptId::mint(micros());
        if intent_of(attempt, &attempt.to_string(), 1, |intent| journal.intend(intent)).is_err() {
            return taken;
        }
        taken.push(attempt);
    }
    panic!("{MOST} intents fit on a full disk");
}

#[test]
fn a_full_disk_refuses_for_a_while_and_loses_nothing() {
    each(|store| {
        let Some(disk) = Disk::of(12) else { return };
        let (journal, _) = Journal::open(&disk.path().join("journal"), Durability::Grouped).expect("a journal");
        let journal = Arc::new(journal);
        let attempts = fill(&disk, &journal);
        attempts.iter().for_each(|attempt| settle(&journal, *attempt, 7));
        let waits = AttemptId::mint(micros());
        intent_of(waits, &waits.to_string(), 1, |intent| journal.intend_later(intent)).expect("room in memory");
        settle(&journal, waits, 5);

        disk.clear();
        let end = Instant::now() + Duration::from_secs(20);
        while journal.standing() != Standing::Open {
            assert!(Instant::now() < end, "nobody has tried again");
            std::thread::sleep(Duration::from_millis(20));
        }
        let writer = Writer::start(store, journal.clone());
        writer.flush_blocking(Duration::from_secs(20)).expect("a database");
        let all = NanoUsd(attempts.len() as i64 * 7 + 5);
        assert!(futures(spent(store, &ScopeId::new(Level::Key, "k"))).contains(&(Window::Lifetime, 0, all)));
        let report = futures(verify(store));
        assert!(report.is_clean() && report.rows == attempts.len() as u64 + 1, "{report:?}");
        drop((writer, journal));
        store.close();
    });
}

#[test]
fn what_is_late_is_written_at_the_end() {
    let Some(disk) = Disk::of(12) else { return };
    let folder = disk.path().join("journal");
    let (journal, _) = Journal::open(&folder, Durability::Strict).expect("a journal");
    let open = fill(&disk, &journal);
    open.iter().for_each(|attempt| settle(&journal, *attempt, 7));
    disk.clear();
    drop(journal);
    let (_journal, recovered) = Journal::open(&folder, Durability::Strict).expect("a journal");
    assert_eq!(recovered.attempts, 0);
}
