//! What is backed up comes back, from each database to each.

use std::sync::Arc;

use switchboard_engine::admit::journal::AttemptId;
use switchboard_store::backup::{BackupError, Beside, backup, check, restore};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Writer, verify};
use switchboard_store::object::Team;
use switchboard_store::{Settings, Store, StoreError, micros};

use crate::ledger::{futures, intend, settle};
use crate::stores::{each, postgres};

const ROWS: u64 = 700;

fn filled(store: &Store, folder: &std::path::Path) {
    let (journal, _) = Journal::open(folder, Durability::Grouped).expect("a journal");
    for amount in 0..ROWS {
        let attempt = AttemptId::mint(micros());
        intend(&journal, attempt, 1);
        settle(&journal, attempt, i64::try_from(amount).expect("small"));
    }
    Writer::start(store, Arc::new(journal)).flush_blocking(std::time::Duration::from_secs(20)).expect("a database");
    let made = store.write::<_, StoreError, _, _>("me", |desk| async move {
        desk.put(&Team { team_id: "t".to_owned(), team_alias: Some("crew \"\u{e9}\"".to_owned()), ..Team::default() }).await
    });
    futures(made);
}

fn looks_the_same(settings: &Settings) {
    let store = Store::open(settings).expect("an address");
    let report = futures(verify(&store));
    assert_eq!((report.rows, report.findings), (ROWS, vec![]));
    let team = store.read::<_, StoreError, _, _>(|desk| async move { desk.get::<Team>("t").await });
    assert_eq!(futures(team).and_then(|team| team.team_alias).as_deref(), Some("crew \"\u{e9}\""));
    store.close();
}

#[test]
fn a_backup_comes_back_from_each_database_to_each() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        filled(store, &at("journal"));
        std::fs::write(at("pepper"), b"0123456789abcdef0123456789abcdef").expect("written");
        let beside = |place: &str| Beside {
            folders: vec![("journal".to_owned(), at(place).join("journal"))],
            files: vec![("pepper".to_owned(), at(place).join("pepper"))],
        };
        let from = Beside { folders: vec![("journal".to_owned(), at("journal"))], files: vec![("pepper".to_owned(), at("pepper"))] };
        for (name, logical) in [("one", false), ("two", true)] {
            let made = backup(store, &at(name), &from, logical).expect("a backup");
            assert_eq!(check(&at(name)).expect("whole"), made);
            assert!(matches!(backup(store, &at(name), &from, logical), Err(BackupError::Taken(_))));
            let place = format!("{name}-back");
            let sqlite = Settings { address: format!("sqlite:{}", at(&place).join("s.db").display()), connections: 2 };
            std::fs::create_dir_all(at(&place)).expect("a folder");
            restore(&sqlite, &at(name), &beside(&place), false).expect("restored");
            looks_the_same(&sqlite);
            assert_eq!(std::fs::read(at(&place).join("pepper")).expect("a pepper"), b"0123456789abcdef0123456789abcdef");
            assert!(at(&place).join("journal/instance").exists());
            assert!(matches!(restore(&sqlite, &at(name), &Beside::default(), false), Err(BackupError::Occupied(_))));
            restore(&sqlite, &at(name), &Beside::default(), true).expect("replaced");
            looks_the_same(&sqlite);
            if let Some(other) = postgres() {
                restore(&other, &at(name), &Beside::default(), false).expect("restored");
                looks_the_same(&other);
            }
        }
    });
}

#[test]
fn nothing_comes_back_from_a_backup_that_was_changed() {
    each(|store| {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        filled(store, &at("journal"));
        backup(store, &at("one"), &Beside::default(), true).expect("a backup");
        let file = at("one").join("tables/ledger.jsonl");
        let mut text = std::fs::read(&file).expect("a table");
        let last = text.len() - 10;
        text[last] ^= 1;
        std::fs::write(&file, text).expect("written");
        let sqlite = Settings { address: format!("sqlite:{}", at("s.db").display()), connections: 2 };
        assert!(matches!(restore(&sqlite, &at("one"), &Beside::default(), true), Err(BackupError::Damaged(_))));
        assert!(!at("s.db").exists());
    });
}
