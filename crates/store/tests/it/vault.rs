//! Secrets open where they belong, and nowhere else.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::Row;
use switchboard_store::vault::{Cell, MasterKey, Vault, VaultError};
use switchboard_store::{Settings, Store};
use zeroize::Zeroizing;

use crate::stores::each;

fn master(text: &str) -> MasterKey {
    MasterKey::of_text(&format!("a master key for tests: {text}")).expect("long enough")
}

fn vault(store: &Store, text: &str) -> Vault {
    Vault::open(store, master(text), Vec::new()).expect("a vault")
}

/// Waits for something that any runtime may wait for.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn put(vault: &Vault, cell: &Cell, text: &str) {
    wait(vault.put(cell.clone(), Zeroizing::new(text.as_bytes().to_vec()))).expect("put");
}

fn get(vault: &Vault, cell: &Cell) -> Result<Option<String>, VaultError> {
    Ok(wait(vault.get(cell.clone()))?.map(|bytes| String::from_utf8(bytes.to_vec()).expect("text")))
}

/// Runs a statement as somebody would who can write to the database.
pub(crate) fn run(store: &Store, statement: &str) {
    let (sql, statement) = (store.sql().clone(), statement.to_owned());
    let done = store.thread().block(async move {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&sql.writers).await?;
        Ok(())
    });
    done.expect("run");
}

fn count(store: &Store, statement: &'static str) -> i64 {
    let sql = store.sql().clone();
    store.thread().block(async move { Ok(sqlx::query(statement).fetch_one(&sql.pool).await?.try_get(0)?) }).expect("a number")
}

#[test]
fn a_secret_comes_back_as_it_was() {
    each(|store| {
        let vault = vault(store, "one");
        let cell = Cell::new("credential", "openai", "api_key").of("team-1").for_origin("https://api.openai.com");
        assert_eq!(get(&vault, &cell).expect("read"), None);
        put(&vault, &cell, "sk-first");
        put(&vault, &cell, "sk-second");
        assert_eq!(get(&vault, &cell).expect("read").as_deref(), Some("sk-second"));
        assert_eq!(wait(vault.fields("credential", "openai".to_owned())).expect("fields"), ["api_key"]);
        let again = self::vault(store, "one");
        assert_eq!(get(&again, &cell).expect("read").as_deref(), Some("sk-second"));
        wait(vault.remove("credential", "openai".to_owned())).expect("removed");
        assert_eq!(get(&vault, &cell).expect("read"), None);
    });
}

#[test]
fn another_master_key_does_not_start() {
    each(|store| {
        put(&vault(store, "one"), &Cell::new("a", "b", "c"), "sk");
        let error = Vault::open(store, master("other"), Vec::new()).expect_err("another key");
        assert!(matches!(error, VaultError::WrongMaster { .. }), "{error}");
        assert!(!error.to_string().contains("for tests"), "{error}");
    });
}

#[test]
fn a_key_for_a_purpose_outlives_its_master() {
    each(|store| {
        let first = wait(vault(store, "one").purpose_key("pepper")).expect("a key");
        let both = Vault::open(store, master("two"), vec![master("one")]).expect("both are given");
        assert_ne!(*wait(both.purpose_key("other")).expect("a key"), *first);
        wait(both.rotate()).expect("rotated");
        assert_eq!(*wait(vault(store, "two").purpose_key("pepper")).expect("a key"), *first);
        assert!(matches!(Vault::open(store, master("one"), Vec::new()), Err(VaultError::WrongMaster { .. })));
    });
}

/// S3: whatever is swapped, rolled back or pointed elsewhere does not open.
#[test]
fn a_cell_that_was_tampered_with_never_opens() {
    each(|store| {
        let vault = vault(store, "one");
        let cells: Vec<Cell> = (0..40)
            .map(|n| {
                let cell = Cell::new(["credential", "model"][n % 2], format!("o{}", n / 4), ["api_key", "secret"][n / 2 % 2]);
                cell.of(format!("team-{}", n % 3)).for_origin(format!("https://host-{}.example", n % 5))
            })
            .collect();
        let mut former = Vec::new();
        for (n, cell) in cells.iter().enumerate() {
            put(&vault, cell, &format!("secret {n}"));
            former.push(sealed(store, cell));
            put(&vault, cell, &format!("secret {n} of today"));
        }
        let present: Vec<_> = cells.iter().map(|cell| sealed(store, cell)).collect();
        let (mut tried, mut opened) = (0, 0);
        for (n, cell) in cells.iter().enumerate() {
            // Any other cell's row, with or without the columns that go with it, and this cell's own former one.
            let others = (0..cells.len()).filter(|other| other != &n).map(|other| present[other].clone());
            for (version, revision, bytes) in others.chain([former[n].clone()]) {
                for columns in [Some((version, revision)), None] {
                    let (own_version, own_revision, own) = present[n].clone();
                    let (version, revision) = match columns {
                        Some(both) if bytes != former[n].2 => both,
                        _ => (own_version, own_revision),
                    };
                    overwrite(store, cell, (version, revision, &bytes));
                    tried += 1;
                    opened += u32::from(matches!(get(&vault, cell), Ok(Some(_))));
                    overwrite(store, cell, (own_version, own_revision, &own));
                    if tried % 3 != 0 {
                        break;
                    }
                }
            }
            // Another origin, another tenant.
            for wrong in [cell.clone().for_origin("https://attacker.example"), cell.clone().of("team-9")] {
                tried += 1;
                opened += u32::from(matches!(get(&vault, &wrong), Ok(Some(_))));
            }
            assert_eq!(get(&vault, cell).expect("untouched").as_deref(), Some(format!("secret {n} of today").as_str()));
        }
        assert!(tried >= 1000, "{tried}");
        assert_eq!(opened, 0, "of {tried}");
    });
}

type Sealed = (i64, i64, Vec<u8>);

fn sealed(store: &Store, cell: &Cell) -> Sealed {
    let (sql, cell) = (store.sql().clone(), cell.clone());
    let read = async move {
        let query = sqlx::query("SELECT key_version, revision, sealed FROM secrets WHERE kind = $1 AND object = $2 AND field = $3");
        let row = query.bind(cell.kind).bind(cell.object).bind(cell.field).fetch_one(&sql.pool).await?;
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    store.thread().block(read).expect("a row")
}

fn overwrite(store: &Store, cell: &Cell, (version, revision, bytes): (i64, i64, &[u8])) {
    let (sql, cell, bytes) = (store.sql().clone(), cell.clone(), bytes.to_vec());
    let write = async move {
        let query =
            sqlx::query("UPDATE secrets SET key_version = $1, revision = $2, sealed = $3 WHERE kind = $4 AND object = $5 AND field = $6");
        query.bind(version).bind(revision).bind(bytes).bind(cell.kind).bind(cell.object).bind(cell.field).execute(&sql.writers).await?;
        Ok(())
    };
    store.thread().block(write).expect("written");
}

/// S2: the files of the database hold no secret in plain text.
#[test]
fn the_files_of_the_database_show_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store =
        Store::open(&Settings { address: format!("sqlite:{}", folder.path().join("a.db").display()), connections: 2 }).expect("open");
    store.migrate().expect("a database");
    let vault = vault(&store, "one");
    let canaries: Vec<String> = (0..50).map(|n| format!("sk-canary-{n}-0123456789abcdef")).collect();
    for (n, canary) in canaries.iter().enumerate() {
        put(&vault, &Cell::new("credential", format!("c{n}"), "api_key"), canary);
    }
    wait(vault.rotate()).expect("rotated");
    // While it runs, so that the journal is there too, and afterwards.
    let looked = look(folder.path(), &canaries);
    store.close();
    assert!(looked + look(folder.path(), &canaries) >= 2);
}

fn look(folder: &std::path::Path, canaries: &[String]) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("bytes");
        files += 1;
        for hidden in canaries.iter().map(String::as_str).chain(["a master key for tests"]) {
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes()), "{} shows {hidden}", path.display());
        }
    }
    files
}

/// S4: a rotation that is broken off again and again is finished all the same, and everything stays readable meanwhile.
#[test]
fn a_rotation_survives_being_broken_off() {
    each(|store| {
        let first = vault(store, "one");
        let cells: Vec<Cell> =
            (0..100).map(|n| Cell::new("credential", format!("c{n}"), "api_key").of(format!("team-{}", n % 7))).collect();
        for cell in &cells {
            put(&first, cell, &format!("secret of {}", cell.object));
        }
        let both = Vault::open(store, master("two"), vec![master("one")]).expect("both are given");
        let mut rotated = None;
        for patience in 0..200_u64 {
            // The store's thread goes on with what was begun, as a database does; a new rotation begins beside it.
            match wait(async { tokio::time::timeout(Duration::from_millis(patience * 4), both.rotate()).await }) {
                Ok(done) => {
                    rotated = Some(done.expect("rotated"));
                    break;
                }
                Err(_) => {
                    let cell = &cells[(patience as usize * 37) % cells.len()];
                    assert_eq!(get(&both, cell).expect("readable").expect("there"), format!("secret of {}", cell.object));
                }
            }
        }
        assert_eq!(rotated.expect("finished").unreadable, 0);
        wait(both.rotate()).expect("a last one");
        let second = vault(store, "two");
        for cell in &cells {
            assert_eq!(get(&second, cell).expect("readable").expect("there"), format!("secret of {}", cell.object));
        }
        let stale = "SELECT COUNT(*) FROM secrets s WHERE key_version < (SELECT MAX(version) FROM data_keys k WHERE k.tenant = s.tenant)";
        assert_eq!(count(store, stale), 0, "the old keys are unused");
        assert_eq!(count(store, "SELECT COUNT(*) FROM master_keys WHERE retired_at IS NULL"), 1);
    });
}

#[test]
fn a_secret_that_was_tampered_with_does_not_keep_the_others_from_rotating() {
    each(|store| {
        let vault = vault(store, "one");
        for n in 0..5 {
            put(&vault, &Cell::new("credential", format!("c{n}"), "api_key"), "sk");
        }
        run(store, "UPDATE secrets SET origin = 'https://attacker.example' WHERE object = 'c2'");
        let rotated = wait(vault.rotate()).expect("rotated");
        assert_eq!((rotated.resealed, rotated.unreadable), (4, 1));
        assert!(matches!(
            get(&vault, &Cell::new("credential", "c2", "api_key").for_origin("https://attacker.example")),
            Err(VaultError::DoesNotOpen)
        ));
    });
}

#[test]
fn two_secrets_that_are_the_same_are_sealed_differently() {
    each(|store| {
        let vault = vault(store, "one");
        let cells: Vec<Cell> = (0..20).map(|n| Cell::new("credential", format!("c{n}"), "api_key")).collect();
        cells.iter().for_each(|cell| put(&vault, cell, "the same"));
        let distinct: HashSet<Vec<u8>> = cells.iter().map(|cell| sealed(store, cell).2).collect();
        assert_eq!(distinct.len(), cells.len());
    });
}
