use std::time::Instant;

use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::{Dialect, Operation};

use super::*;
use crate::call::Door;
use crate::principal::Principal;

fn asked(body: &str, headers: &[(&'static str, &str)]) -> Asked {
    let body = Frames::from(body.as_bytes().to_vec());
    let call = Call {
        id: "1".to_owned(),
        door: Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false },
        principal: std::sync::Arc::new(Principal::default()),
        model: "a".to_owned(),
        model_in_path: false,
        stream: false,
        headers: headers.iter().map(|(name, value)| ((*name).parse().expect("a name"), value.parse().expect("a value"))).collect(),
        content: Content::Json(Outline::scan(&body).expect("JSON")),
        body,
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 0,
        mentioned: Default::default(),
        laid: Default::default(),
    };
    Asked::of(&call)
}

#[test]
fn fields_and_headers_are_read_and_headers_win() {
    let said = asked(r#"{"model":"a","num_retries":3,"timeout":20,"stream_timeout":"1.5"}"#, &[("x-litellm-timeout", "7")]);
    assert_eq!((said.retries, said.timeout), (Some(3), Some(Duration::from_secs(7))));
    assert_eq!(said.stream_timeout, Some(Duration::from_millis(1500)));
    let headers = [
        ("x-tfy-request-timeout", "2500"),
        ("x-tfy-ttft-timeout-ms", "300"),
        ("x-tfy-retry-config", r#"{"attempts":2,"onStatusCodes":[429,"500"]}"#),
        ("x-stainless-timeout", "600"),
        ("x-litellm-num-retries", "99"),
    ];
    let said = asked(r#"{"model":"a"}"#, &headers);
    assert_eq!((said.timeout, said.stream_timeout), (Some(Duration::from_millis(2500)), Some(Duration::from_millis(300))));
    assert_eq!(said.rule.expect("a rule").statuses, [429, 500]);
    assert_eq!((said.patience, said.retries), (Some(Duration::from_secs(600)), Some(MOST_RETRIES)));
}

#[test]
fn nonsense_is_as_if_nothing_were_said() {
    let headers = [("x-litellm-timeout", "-1"), ("x-tfy-retry-config", "[]"), ("x-stainless-timeout", "NaN")];
    let said = asked(r#"{"model":"a","num_retries":"many","timeout":{"read":1},"context_window_fallbacks":7}"#, &headers);
    assert!(
        said.retries.is_none()
            && said.timeout.is_none()
            && said.rule.is_none()
            && said.patience.is_none()
            && said.context_window_fallbacks.is_none()
    );
}

#[test]
fn fallbacks_are_names_parameters_or_maps() {
    let said =
        asked(r#"{"model":"a","context_window_fallbacks":["b",{"model":"c","temperature":0.5,"api_key":"x"},{"a":["d"],"z":["e"]}]}"#, &[]);
    let found = said.context_window_fallbacks.expect("fallbacks");
    let names: Vec<&str> = found.iter().map(|fallback| fallback.model.as_str()).collect();
    assert_eq!(names, ["b", "c", "d"]);
    assert_eq!(found[1].params, [("temperature".to_owned(), "0.5".to_owned())]);
}

#[test]
fn mocks_are_read() {
    assert_eq!(asked(r#"{"mock_response":"hi"}"#, &[]).mock.as_deref(), Some(&Mock::Response("hi".to_owned())));
    assert_eq!(asked(r#"{"mock_testing_fallbacks":true}"#, &[]).mock.as_deref(), Some(&Mock::Fallbacks));
    assert_eq!(asked(r#"{"mock_testing_fallbacks":false}"#, &[]).mock, None);
}
