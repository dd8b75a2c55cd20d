//! The table of what went wrong elsewhere names tests that are there (P13).

use std::path::Path;

/// Every text below a folder that ends so.
fn texts(folder: &Path, ending: &str, out: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts(&path, ending, out);
        } else if path.extension().is_some_and(|found| found == ending) {
            out.push_str(&std::fs::read_to_string(&path).expect("a text"));
        }
    }
}

#[test]
fn every_failure_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = std::fs::read_to_string(root.join("docs/peer-failures.md")).expect("a table");
    let (mut code, mut figures) = (String::new(), String::new());
    texts(&root.join("crates"), "rs", &mut code);
    texts(&root.join("tests/crash"), "py", &mut figures);
    let (mut rows, mut missing) = (0, Vec::new());
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| failure")) {
        let shown = row.split(" | ").nth(1).expect("two columns");
        let mut found = shown.contains("none here") || shown.starts_with("the same") || shown.starts_with('`') && !shown.contains("::");
        for name in shown.split('`').skip(1).step_by(2) {
            let name = name.rsplit([':', ' ']).next().unwrap_or_default().trim_end_matches('…');
            let exists = code.contains(&format!("fn {name}")) || code.contains(&format!("mod {name};"));
            found |= exists;
            if !exists {
                missing.push(format!("{name}: {row}"));
            }
        }
        for name in shown.split("figure").skip(1).flat_map(|rest| rest.trim_start_matches('s').split([',', ' ', '|', ';'])) {
            let is_name = name.len() < 4
                && name.starts_with(['a', 'c', 'd', 'l', 'm', 's', 'u', 'x'])
                && name.ends_with(|last: char| last.is_ascii_digit());
            if is_name {
                let exists = figures.contains(&format!("async def {name}("));
                found |= exists;
                missing.extend((!exists).then(|| format!("figure {name}: {row}")));
            }
        }
        missing.extend((!found).then(|| format!("nothing: {row}")));
        rows += 1;
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(rows >= 40, "{rows}");
}
