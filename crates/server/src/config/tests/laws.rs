//! What holds for every input.

use proptest::prelude::*;

use super::load_text;
use crate::config::{Loader, Source, report};

/// Lines that look like a configuration, so that random files get past the parser.
fn line() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "model_list:",
        "- model_name: a",
        "litellm_params:",
        "model: openai/x",
        "router_settings:",
        "general_settings:",
        "fallbacks: [{a: [b]}]",
        "timeout: 1e999",
        "rpm: -5",
        "weight: .5",
        "num_retries: 99999999999999999999",
        "<<: *x",
        "a: &x {b: *x}",
        "- &x [1, *x]",
        "include: [nowhere.yaml]",
        "api_key: os.environ/",
        "x: ${A}",
        "x: ${",
        "? [a]",
        "listen: []",
        "listen: [1]",
        "switchboard:",
        "model_info: 7",
        "credential_list: [{}, 1, []]",
        "environment_variables:",
        "A: {b: c}",
        "on: off",
        "t: !!int x",
        "t: !y z",
        "---",
        "...",
        "\"",
        "|",
        ">-",
        "{",
        "]",
        "model_group_alias: {a: a}",
        "input_cost_per_token: 1:30",
        "drain_ms: 18446744073709551615",
        "timeout: 18446744073709551615",
        "\t- x: y",
    ]);
    (0usize..6, words).prop_map(|(indent, text)| format!("{}{text}\n", "  ".repeat(indent)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_files_never_panic(lines in prop::collection::vec(line(), 0..30)) {
        let loaded = load_text(&lines.concat());
        prop_assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
        if let Some(config) = &loaded.config {
            report(config, &|_| None);
        }
        let _ = loaded.diagnostics.to_string();
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        load_text(&String::from_utf8_lossy(&bytes));
        let file = std::env::temp_dir().join(format!("switchboard-config-bytes-{}", std::process::id()));
        std::fs::write(&file, &bytes).unwrap();
        let loaded = Loader::new(Source::File(file.clone()), super::environment()).load();
        std::fs::remove_file(&file).unwrap();
        prop_assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
    }

    #[test]
    fn loading_twice_says_the_same(lines in prop::collection::vec(line(), 0..20)) {
        let text = lines.concat();
        prop_assert_eq!(load_text(&text).diagnostics, load_text(&text).diagnostics);
    }
}
