use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn what_models_write_around_and_into_json_is_put_right() {
    for (said, meant) in [
        (r#"{"name": "Alice", "age": 30"#, r#"{"name": "Alice", "age": 30}"#),
        ("```json\n{\"name\": \"Bob\"}\n```", r#"{"name": "Bob"}"#),
        ("```json\n{\"names\": [\"Bob\"\n```", r#"{"names": ["Bob"]}"#),
        ("Here's the [data] for {you}:\n{\"name\": \"Charlie\"} – see [1].", r#"{"name": "Charlie"}"#),
        (r#"{"name": "David", "age": 35, }"#, r#"{"name": "David", "age": 35 }"#),
        (r#"{name: "Eve", "ok": True, 'quoted': 'it\'s "so"'}"#, r#"{"name": "Eve", "ok": true, "quoted": "it's \"so\""}"#),
        (r#"[{"a": 1}, {"b": [1, 2}"#, r#"[{"a": 1}, {"b": [1, 2]}]"#),
        ("{\"a\": \"one\ntwo\"\n \"b\": \"c:\\dir\"}", "{\"a\": \"one\\ntwo\",\n \"b\": \"c:\\\\dir\"}"),
        (r#"{"a": 1, "b":"#, r#"{"a": 1}"#),
        (r#"{"a": [1, tru"#, r#"{"a": [1]}"#),
        (r#"{"a": "cut \u00"#, r#"{"a": "cut "}"#),
        (r#"{"a": 1}}"#, r#"{"a": 1}"#),
    ] {
        assert_eq!(text(said).as_deref(), Some(meant), "{said}");
    }
}

#[test]
fn what_cannot_be_told_stays_as_it_is() {
    for said in [
        "I cannot answer that.",
        "see [the page] and {that}",
        "",
        "{",
        "\"{\\\"a\\\": 1\"",
        r#"{"a": "he said "so" twice", "b": {"c": 1}}"#,
        r#"{"a": nothing}"#,
        r#"{"a": hello"#,
        r#"[1, 2}"#,
        r#"{"a":, "b": 1}"#,
    ] {
        assert_eq!(text(said), None, "{said}");
    }
    assert_eq!(text(&"[".repeat(5_000)), None, "no reader goes so deep");
}

#[test]
fn answers_keep_all_but_the_texts() {
    let chat = |first: &str, second: &str| {
        format!(
            r#"{{"id":"x", "choices":[{{"index":0,"message":{{"content":{},"x_own": 1.50}},"finish_reason":"stop"}},{{"message":{{"content":{}}},"finish_reason":"length"}},{{"message":{{"content":null}}}}]}}"#,
            json!(first),
            json!(second)
        )
    };
    let healed = whole(Dialect::OpenAiChat, &chat("{\"a\": 1", "{\"b\": 1").into());
    assert_eq!(healed.as_deref(), Some(chat("{\"a\": 1}", "{\"b\": 1").as_bytes()));
    assert_eq!(whole(Dialect::OpenAiChat, &chat("{\"a\": 1}", "").into()), None);
    let response = |kind: &str, text: &str| {
        json!({"status": "completed", "output": [{"type": kind, "content": [{"type": "output_text", "text": text}]}]}).to_string()
    };
    let healed = whole(Dialect::OpenAiResponses, &response("message", "{a: 1}").into());
    assert_eq!(healed.as_deref(), Some(response("message", "{\"a\": 1}").as_bytes()));
    assert_eq!(whole(Dialect::OpenAiResponses, &response("reasoning", "{a: 1}").into()), None);
}

/// Any object or list.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("a number", |number| serde_json::Number::from_f64(number).map(Value::Number)),
        ".{0,12}".prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::btree_map(".{0,6}", inner, 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    any.prop_filter("an object or a list", |value| value.is_object() || value.is_array())
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

proptest! {
    #[test]
    fn what_is_json_stays(value in json()) {
        prop_assert_eq!(text(&value.to_string()), None);
        prop_assert_eq!(text(&serde_json::to_string_pretty(&value).expect("JSON")), None);
    }

    #[test]
    fn whatever_comes_out_is_an_object_or_a_list(said in r#"[\[\]{}:,"'\\`a-z0-9 \n.é-]{0,60}"#) {
        if let Some(healed) = text(&said) {
            let value = read(&healed);
            prop_assert!(value.is_object() || value.is_array());
        }
    }

    #[test]
    fn what_stands_around_is_taken_away(value in json(), before in "[a-z .:\n]{0,20}", behind in "[a-z .:\n]{0,20}") {
        prop_assume!(!(before.trim().is_empty() && behind.trim().is_empty()));
        let said = format!("{before}{value}{behind}");
        prop_assert_eq!(text(&said), Some(value.to_string()));
        let fenced = format!("{before}```json\n{value:#}\n```{behind}");
        prop_assert_eq!(text(&fenced), Some(format!("{value:#}")));
    }

    #[test]
    fn commas_too_many_are_taken_away(value in json()) {
        let json = value.to_string();
        let (inner, end) = json.split_at(json.len() - 1);
        prop_assume!(inner.len() > 1);
        prop_assert_eq!(text(&format!("{inner},{end}")), Some(json));
    }

    #[test]
    fn what_was_cut_off_ends_where_it_was_cut(value in json(), at in any::<prop::sample::Index>()) {
        let value = json!({"first": 1, "second": value});
        let said = value.to_string();
        let ends: Vec<usize> = said.char_indices().map(|(at, _)| at).filter(|at| *at > 10).collect();
        let cut = &said[..ends[at.index(ends.len())]];
        let healed = text(cut).map(|healed| read(&healed)).expect("JSON of what is there");
        prop_assert_eq!(&healed["first"], &json!(1));
        let is_known = |name: &String| ["first", "second"].contains(&name.as_str());
        prop_assert!(healed.as_object().expect("an object").keys().all(is_known));
    }
}
