use std::collections::BTreeSet;
use std::path::Path;

use super::{Section, Within, render_configuration_markdown, within};

#[test]
fn no_key_is_declared_twice_and_each_has_a_sentence() {
    for section in Section::ALL {
        let mut names = BTreeSet::new();
        for key in section.keys() {
            assert!(names.insert(key.name), "{section:?} declares `{}` twice", key.name);
            assert!(key.doc.ends_with('.') && key.doc.len() > 5, "`{}` lacks a sentence", key.name);
        }
    }
}

#[test]
fn the_documentation_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let rendered = render_configuration_markdown();
    if std::env::vars_os().any(|(name, value)| name == "BLESS" && value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &rendered).unwrap();
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == rendered, "docs/configuration.md is stale: run the tests with BLESS=1");
}

/// What new keys, users and teams may be given are the fields of requests for them.
#[test]
fn what_is_given_to_new_ones_can_be_asked_for() {
    for (within, form) in
        [(within::NEW_KEY, "GenerateKeyRequest"), (within::NEW_USER, "NewUserRequest"), (within::NEW_TEAM, "NewTeamRequest")]
    {
        let Within::Joined(lists) = within else { panic!("{form}: names are known") };
        for name in lists.concat().iter().filter(|name| **name != "available_teams") {
            assert!(crate::admin::form::has(form, name), "`{name}` is no field of {form}");
        }
    }
}

/// The inventory marks the keys used most with a star; each must have a row that says so.
#[test]
fn every_common_key_of_the_inventory_is_declared() {
    let Ok(inventory) = std::fs::read_to_string("/work/shared/design/litellm.md") else {
        eprintln!("skipped: the inventory is not here");
        return;
    };
    let chapter = inventory.split("## 2. config.yaml").nth(1).unwrap().split("\n## 3.").next().unwrap();
    let starred = starred(chapter);
    assert!(starred.len() > 50, "the marks were not found: {starred:?}");
    let declared: BTreeSet<&str> =
        Section::ALL.iter().flat_map(|section| section.keys()).filter(|key| key.common).map(|key| key.name).collect();
    let missing: Vec<_> = starred.iter().filter(|name| !declared.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "common keys without a row: {missing:?}");
}

/// The same inventory lists several hundred keys in the first column of its tables.
#[test]
fn every_key_of_the_tables_is_declared() {
    let Ok(inventory) = std::fs::read_to_string("/work/shared/design/litellm.md") else {
        eprintln!("skipped: the inventory is not here");
        return;
    };
    let chapter = inventory.split("### 2.1 ").nth(1).unwrap().split("### 2.5").next().unwrap();
    let declared: BTreeSet<&str> = Section::ALL.iter().flat_map(|section| section.keys()).map(|key| key.name).collect();
    let first_cells = chapter.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let names = first_cells.filter_map(|line| line.split('|').nth(1)).flat_map(quoted);
    let plain = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    // The second half of a written pair, variables, and values.
    let elsewhere = ["max_time", "group", "LITELLM_MASTER_KEY", "DATABASE_URL", "STORE_MODEL_IN_DB", "total", "input", "output"];
    let missing: Vec<_> = plain.filter(|name| !declared.contains(name.as_str()) && !elsewhere.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "keys without a row: {missing:?}");
}

fn starred(text: &str) -> BTreeSet<String> {
    let before = text.split('★').skip(1).filter_map(|rest| rest.trim_start().strip_prefix('`')?.split('`').next());
    let after = text.split('★').filter_map(|rest| rest.trim_end().strip_suffix('`')?.rsplit('`').next());
    // A star between two names belongs to the one it touches; both are known keys, so asking for both is harmless.
    before.chain(after).filter(|name| !name.is_empty() && !name.contains(' ')).map(str::to_owned).collect()
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
