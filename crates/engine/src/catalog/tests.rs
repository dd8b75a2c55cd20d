//! The embedded files, held against the code that reads them and against the facts they were made from.

use std::path::{Path, PathBuf};

use super::*;

mod derivation;
mod names;
mod prices;
mod rows;
mod urls;

fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of facts the project was started from; `None`, and a word about it, on machines that do not have it.
fn shared(file: &str) -> Option<String> {
    let places = ["../shared", "../../shared"].map(|place| project_root().join(place).join("catalog").join(file));
    let found = places.iter().find_map(|path| std::fs::read_to_string(path).ok());
    if found.is_none() {
        eprintln!("skipped: {file} is not on this machine");
    }
    found
}

/// Compares a generated file with the committed one; `BLESS=1` rewrites it.
#[expect(clippy::disallowed_methods, reason = "a test's switch, not configuration")]
fn assert_committed(path: &str, fresh: &str) {
    let path = project_root().join(path);
    if std::env::var("BLESS").is_ok() {
        std::fs::write(&path, fresh).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(fresh.lines()).find(|(one, other)| one != other);
    assert!(committed == fresh, "{} is stale, run the tests with BLESS=1; first difference: {differs:?}", path.display());
}
