use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn frames(text: &str, size: usize) -> Frames {
    text.as_bytes().chunks(size.max(1)).map(Bytes::copy_from_slice).collect()
}

fn apply(text: &str, edits: &Edits) -> String {
    let mut results: Vec<String> = [1, 3, 1000]
        .into_iter()
        .map(|size| {
            let body = frames(text, size);
            let edited = Outline::scan(&body).expect("an object").apply(&body, edits);
            String::from_utf8(edited.join().to_vec()).expect("text")
        })
        .collect();
    results.dedup();
    assert_eq!(results.len(), 1, "the same however it is cut: {results:?}");
    results.remove(0)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn keys_are_found_and_read() {
    let body = frames(r#" { "model" : "gpt", "n":2, "messages":[{"content":"a \"} b"}], "mod\u0065": null } "#, 2);
    let outline = Outline::scan(&body).expect("an object");
    let keys: Vec<_> = outline.entries().iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["model", "n", "messages", "mode"]);
    assert_eq!(outline.read::<String>(&body, "model").expect("text").as_deref(), Some("gpt"));
    assert_eq!(outline.read::<u64>(&body, "n").expect("number"), Some(2));
    assert_eq!(outline.read::<u64>(&body, "mode").expect("null"), None);
    assert_eq!(outline.read::<u64>(&body, "model").expect_err("no number").at.as_deref(), Some("model"));
}

#[test]
fn hostile_bodies_are_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases = [
        "",
        "[]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{a:1}",
        "{\"a\":1}x",
        "{\"a\":[}",
        "{\"a\":{]}}",
        "{\"a\":1,\"a\":2}",
        "{\"model\":1,\"mod\\u0065l\":2}",
        "{\"a\":\"",
        "{\"a\":tru}",
        "{\"\\ud800\":1}",
        &deep,
    ];
    for case in cases {
        for size in [1, 1000] {
            assert!(Outline::scan(&frames(case, size)).is_err(), "{case}");
        }
    }
    let invalid: Frames = [&b"{\"a\":\"\xc3"[..], &b"(\"}"[..]].into_iter().map(Bytes::copy_from_slice).collect();
    assert!(Outline::scan(&invalid).is_err());
}

#[test]
fn edits_touch_nothing_else() {
    let text = r#"{"a":1, "model": "x","b":[1, 2] }"#;
    assert_eq!(apply(text, &Edits { set: pairs(&[("model", "\"y\"")]), ..Edits::default() }), r#"{"a":1, "model": "y","b":[1, 2] }"#);
    assert_eq!(apply(text, &Edits { remove: vec!["b".into()], ..Edits::default() }), r#"{"a":1, "model": "x" }"#);
    assert_eq!(apply(text, &Edits { remove: vec!["a".into()], ..Edits::default() }), r#"{"model": "x","b":[1, 2] }"#);
    assert_eq!(
        apply(text, &Edits { remove: vec!["a".into(), "model".into(), "b".into()], set: pairs(&[("c", "3")]), ..Edits::default() }),
        r#"{"c":3 }"#
    );
    assert_eq!(apply("{}", &Edits { set: pairs(&[("c", "3"), ("d", "4")]), ..Edits::default() }), r#"{"c":3,"d":4}"#);
    assert_eq!(
        apply(text, &Edits { default: pairs(&[("a", "9"), ("z", "9")]), ..Edits::default() }),
        r#"{"a":1, "model": "x","b":[1, 2],"z":9 }"#
    );
    assert_eq!(
        apply(text, &Edits { rename: pairs(&[("a", "aa"), ("b", "model")]), ..Edits::default() }),
        r#"{"aa":1, "model": "x" }"#,
        "the new name is there already"
    );
    let renamed = || pairs(&[("a", "aa")]);
    let (default, set) = (pairs(&[("aa", "9")]), pairs(&[("aa", "8")]));
    assert_eq!(apply(text, &Edits { rename: renamed(), default, ..Edits::default() }), r#"{"aa":1, "model": "x","b":[1, 2] }"#);
    assert_eq!(apply(text, &Edits { rename: renamed(), set, ..Edits::default() }), r#"{"aa":8, "model": "x","b":[1, 2] }"#);
    assert_eq!(apply(text, &Edits { lose: vec!["b".into()], ..Edits::default() }), r#"{"a":1, "model": "x" }"#);
}

#[test]
fn what_is_laid_over_leaves_what_stands_beside_it() {
    let lay = pairs(&[("config", r#"{"most":9}"#)]);
    let (default, rename) = (pairs(&[("config", r#"{"heat":1}"#)]), pairs(&[("con_fig", "config")]));
    let edits = Edits { lay, default, rename, ..Edits::default() };
    for (text, expected) in [
        (r#"{"a":1}"#, json!({"a": 1, "config": {"heat": 1, "most": 9}})),
        (r#"{"config":{"most":20,"cold":2}}"#, json!({"config": {"cold": 2, "most": 9}})),
        (r#"{"con_fig":{"cold":2},"a":1}"#, json!({"a": 1, "config": {"cold": 2, "most": 9}})),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&apply(text, &edits)).expect("JSON"), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_object_survives_and_any_bytes_are_safe(
        keys in proptest::collection::btree_map("[a-z\"\\\\é]{0,4}", "\\PC{0,12}", 0..6),
        remove in "[a-z]{1,2}",
        size in 1_usize..9,
        junk in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let object: Value = keys.iter().map(|(key, value)| (key.clone(), json!([value, {"k": 1.5}]))).collect::<serde_json::Map<_, _>>().into();
        let text = object.to_string();
        let body = frames(&text, size);
        let outline = Outline::scan(&body).expect("an object");
        let edits = Edits { remove: vec![remove.clone()], set: pairs(&[("zzz", "{}")]), ..Edits::default() };
        let edited: Value = serde_json::from_slice(&outline.apply(&body, &edits).join()).expect("json");
        let mut wanted = object;
        wanted.as_object_mut().expect("object").remove(&remove);
        wanted["zzz"] = json!({});
        prop_assert_eq!(edited, wanted);
        let scanned = Outline::scan(&Frames::from(junk.clone()));
        if scanned.is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Map<String, Value>>(&junk).is_ok() || junk.len() > 20);
        }
    }
}

#[test]
fn a_key_in_two_spellings_is_there_twice() {
    for other in ["model", "Model", "MODEL", "mod\\u0065l", "\\u004dodel"] {
        let body = format!("{{\"model\":\"a\",\"x\":1,\"{other}\":\"b\"}}");
        assert!(Outline::scan(&frames(&body, 7)).is_err(), "{body}");
    }
    for (one, other) in [("max_tokens", "max_to\u{212a}ens"), ("stop", "\u{17f}top"), ("\u{17f}top", "Stop")] {
        let body = format!("{{\"{one}\":1,\"{other}\":2}}");
        assert!(Outline::scan(&frames(&body, 1000)).is_err(), "{body}");
    }
    assert!(Outline::scan(&frames(r#"{"model":"a","models":["b"],"mode":1,"é":2,"É":3}"#, 5)).is_ok());
}

#[test]
fn what_this_gateway_named_or_sealed_is_seen_wherever_the_frames_end() {
    let begins = |text: &str, size| Outline::scan(&frames(text, size)).expect("an object").holds_ours();
    for size in 1..40 {
        for ours in ["swb1.openai.e.aWQ.gAAA", "msg_swb1.abc_1", "rs_swb1.abc_1", "fc_swb1.abc_1", "ig_swb1.abc_1"] {
            assert!(begins(&format!(r#"{{"a":[{{"id":"{ours}"}}],"z":1}}"#), size), "{ours} by {size}");
            assert!(begins(&format!(r#"{{"a":1,"id":"{ours}"}}"#), size), "{ours} by {size}");
        }
        for other in ["", "swb1", "swb2.a", "a swb1.", "msg_1", "msg_swb1", "we say swb1. now"] {
            assert!(!begins(&format!(r#"{{"a":[{{"id":"{other}"}}],"id":"{other}"}}"#), size), "{other} by {size}");
        }
    }
}

#[test]
fn paths_leave_out_what_stands_below() {
    let text = r#"{"tools": [{"name":"a","input_examples":[1],"f":{"strict":true,"x":1.0}}, {"name":"b","input_examples":[2]}], "metadata":{"a":1,"b":2},"a.b":3}"#;
    let without = |paths: &[&str]| {
        let remove = paths.iter().map(|path| (*path).to_owned()).collect();
        apply(text, &Edits { remove, ..Edits::default() })
    };
    let of_tools = |tools: &str| text.replace(&text[text.find('[').expect("a list")..text.find("], \"m").expect("its end") + 1], tools);
    for (paths, expected) in [
        (&["tools[*].input_examples"][..], of_tools(r#"[{"name":"a","f":{"strict":true,"x":1.0}},{"name":"b"}]"#)),
        (&["tools[1].name"], of_tools(r#"[{"name":"a","input_examples":[1],"f":{"strict":true,"x":1.0}},{"input_examples":[2]}]"#)),
        (&["tools[*].f.strict", "tools[0].name"], of_tools(r#"[{"input_examples":[1],"f":{"x":1.0}},{"name":"b","input_examples":[2]}]"#)),
        (&["metadata.a"], text.replace(r#"{"a":1,"b":2}"#, r#"{"b":2}"#)),
        (&["a.b"], text.replace(r#","a.b":3"#, "")),
    ] {
        assert_eq!(without(paths), expected, "{paths:?}");
    }
    for nowhere in ["tools.name", "metadata[0].a", "metadata.a.b", "tools[x].name", "tools[9].name", "other.a", "tools[*].name.a"] {
        let (said, left): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(text).expect("JSON"), serde_json::from_str(&without(&[nowhere])).expect("JSON"));
        assert_eq!(said, left, "{nowhere}");
    }
    let set = pairs(&[("tools", r#"[{"a":1,"b":2}]"#)]);
    assert_eq!(apply("{}", &Edits { set, remove: vec!["tools[0].a".into()], ..Edits::default() }), r#"{"tools":[{"b":2}]}"#);
}
