//! Whole files, as installations write them: what they mean and what is said about them.

use super::environment;
use crate::config::{Loader, ProviderKeys, Source, report};

const FOLDER: &str = "src/config/tests/files/";

/// Credentials of the environment and the files, none of which may be shown.
const SECRETS: [&str; 7] = ["value-of", "user:pass", "secret-private-key", "hunter2", "9f2c4e81b7d05a63", "sk-1234", "0f9a7c3e"];

fn check(name: &str) {
    let loader = Loader::new(Source::File(format!("{FOLDER}{name}.yaml").into()), environment());
    let loaded = loader.load();
    let meaning = loaded.config.as_ref().map_or_else(|| "not usable\n".to_owned(), |config| report(config, &|_| None));
    let shown = format!("{meaning}\n{}", loaded.diagnostics).replace(FOLDER, "");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "`{secret}` is shown:\n{shown}");
        assert!(!format!("{loaded:?}").contains(secret), "`{secret}` is in the debug output of {name}");
    }
    insta::assert_snapshot!(name.to_owned(), shown);
}

macro_rules! golden {
    ($($name:ident)*) => { $(#[test] fn $name() { check(stringify!($name)); })* };
}

golden! {
    openai_azure_balance wildcards aliases_fallbacks bedrock vertex credentials include circle environment_variables anchors
    kitchen_sink own_section wrong_types unset_variables repeated_keys minimal not_yaml absent_file
}

#[test]
fn without_a_file() {
    let row = |provider: &str, variables: &[&str]| ProviderKeys {
        provider: provider.into(),
        variables: variables.iter().map(|name| (*name).to_owned()).collect(),
    };
    let providers = vec![
        row("openai", &["OPENAI_API_KEY"]),
        row("mistral", &["MISTRAL_API_KEY"]),
        row("gemini", &["GOOGLE_API_KEY", "GEMINI_API_KEY"]),
    ];
    let loaded = Loader { providers, ..Loader::new(Source::Environment, environment()) }.load();
    let config = loaded.config.expect("usable");
    assert_eq!(config.deployments[1].connection.api_key.as_ref().unwrap().expose(), "value-of-gemini");
    insta::assert_snapshot!("without_a_file", format!("{}\n{}", report(&config, &|_| None), loaded.diagnostics));
}
