use std::fmt::Write;
use std::sync::Arc;

use super::{Limits, Map, Node, parse};
use crate::config::diagnostic::Diagnostics;

fn read(text: &str) -> Result<Node, String> {
    let mut found = Diagnostics::default();
    parse(&Arc::from("f"), text.as_bytes(), Limits::default(), &mut found).map_err(|error| error.to_string())
}

fn json(text: &str) -> String {
    read(text).unwrap().to_json().to_string()
}

fn root(text: &str) -> Map {
    read(text).unwrap().as_map().unwrap().clone()
}

#[test]
fn plain_scalars_mean_what_they_mean_to_pyyaml() {
    for (written, meant) in [
        ("yes", "true"),
        ("Off", "false"),
        ("~", "null"),
        ("", "null"),
        ("12", "12"),
        ("-3", "-3"),
        ("1_000", "1000"),
        ("0x1F", "31"),
        ("0b11", "3"),
        ("010", "8"),
        ("0", "0"),
        ("-0", "0"),
        ("1:30", "90"),
        ("4.5", "4.5"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1.5e+3", "1500.0"),
        ("1e5", "\"1e5\""),
        ("1.5e3", "\"1.5e3\""),
        (".inf", "\".inf\""),
        ("2024-01-01", "\"2024-01-01\""),
        ("08", "\"08\""),
        ("y", "\"y\""),
        ("'yes'", "\"yes\""),
        ("\"12\"", "\"12\""),
        ("!!str 12", "\"12\""),
        ("!!int '12'", "12"),
        ("0.0.0.0", "\"0.0.0.0\""),
        ("gpt-4o:free", "\"gpt-4o:free\""),
        ("_", "\"_\""),
        ("-", "[null]"),
        ("+", "\"+\""),
        (".", "\".\""),
        ("1__0", "10"),
        ("0x", "\"0x\""),
        ("0x+1", "\"0x+1\""),
    ] {
        assert_eq!(json(written), meant, "{written:?}");
    }
}

#[test]
fn every_key_and_value_knows_its_place() {
    let map = root("a: 1\nb:\n  - x\n  - deep: [y, ü: z]\n");
    let entry = &map.entries[1];
    assert_eq!(entry.at.to_string(), "f:2:1");
    let items = entry.node.as_list().unwrap();
    assert_eq!(items[0].at.to_string(), "f:3:5");
    let deep = &items[1].as_map().unwrap().entries[0];
    assert_eq!(deep.at.to_string(), "f:4:5");
    assert_eq!(deep.node.as_list().unwrap()[0].at.to_string(), "f:4:12");
}

#[test]
fn merges_follow_pyyaml() {
    let text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc:\n  y: 3\n  <<: [*b, *a]\n";
    assert_eq!(root(text).get("c").unwrap().to_json(), serde_json::json!({"y": 3, "x": 2, "z": 2}));
    assert!(read("a: {<<: 1}").unwrap_err().contains("`<<` needs a map"));
    assert_eq!(json("a: {'<<': 1}"), r#"{"a":{"<<":1}}"#);
}

#[test]
fn a_repeated_key_wins_with_a_warning() {
    let mut found = Diagnostics::default();
    let node = parse(&Arc::from("f"), b"a: 1\nb: 2\na: 3\n", Limits::default(), &mut found).unwrap();
    assert_eq!(node.to_json().to_string(), r#"{"a":3,"b":2}"#);
    assert_eq!(found.to_string(), "warning: `a` is written twice; this one counts\n  --> f:3:1\n  = hint: remove the one at f:1:1\n");
}

#[test]
fn keys_are_text() {
    assert_eq!(json("{1: a, true: b, ~: c}"), r#"{"1":"a","null":"c","true":"b"}"#);
    assert!(read("? [a]\n: b").unwrap_err().contains("a key must be text"));
}

#[test]
fn what_is_not_one_document_is_an_error_with_a_place() {
    assert!(read("a: 1\n---\nb: 2\n").unwrap_err().contains("second document"));
    assert!(read("a: [1,\nb: }").unwrap_err().contains("f:2:"));
    assert!(read("a: *nowhere").is_err());
    assert!(read("a: !python/object:os.system x").unwrap_err().contains("tag is not known"));
    assert!(read("a: &x [*x]").is_err());
}

#[test]
fn other_encodings_are_errors_with_a_line() {
    let mut found = Diagnostics::default();
    let error = parse(&Arc::from("f"), b"a: 1\nb: \xff\n", Limits::default(), &mut found).unwrap_err();
    assert!(error.to_string().contains("not UTF-8\n  --> f:2:1"), "{error}");
    assert_eq!(json("\u{feff}a: 1"), r#"{"a":1}"#);
}

#[test]
fn an_alias_bomb_is_an_error() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        writeln!(text, "a{level}: &a{level} [{}]", vec![below; 9].join(", ")).unwrap();
    }
    assert!(read(&text).unwrap_err().contains("unfolds into more than"));
}

#[test]
fn a_merge_bomb_is_an_error() {
    let mut text = String::from("a0: &a0 {x: [1, 2, 3, 4, 5, 6, 7, 8, 9]}\n");
    for level in 1..12 {
        let keys: Vec<_> = (0..9).map(|key| format!("k{key}: {{<<: *a{}}}", level - 1)).collect();
        writeln!(text, "a{level}: &a{level} {{{}}}", keys.join(", ")).unwrap();
    }
    assert!(read(&text).unwrap_err().contains("unfolds into more than"));
}

#[test]
fn deep_nesting_is_an_error() {
    assert!(read(&"[".repeat(100_000)).is_err());
    let text: String = (0..500).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(read(&text).unwrap_err().contains("nested deeper than"));
    assert!(read(&"- ".repeat(50_000)).is_err());
}

#[test]
fn large_files_are_errors() {
    let mut found = Diagnostics::default();
    let limits = Limits { bytes: 10, ..Limits::default() };
    assert!(parse(&Arc::from("f"), b"a: 12345678", limits, &mut found).unwrap_err().message.contains("larger than 10"));
}
