mod elsewhere;
mod exposure;
mod golden;
mod laws;
mod meaning;
mod watching;
mod within;

use super::{Config, Environment, Loaded, Loader, Source};

/// Variables that the files of the tests refer to.
fn environment() -> Environment {
    Environment::from_iter([
        ("OPENAI_API_KEY", "value-of-openai"),
        ("AZURE_API_KEY", "value-of-azure"),
        ("AZURE_API_BASE", "https://user:pass@eu.openai.azure.com/"),
        ("ANTHROPIC_API_KEY", "value-of-anthropic"),
        ("GROQ_API_KEY", "value-of-groq"),
        ("GEMINI_API_KEY", "value-of-gemini"),
        ("AWS_ACCESS_KEY_ID", "value-of-aws-id"),
        ("AWS_SECRET_ACCESS_KEY", "value-of-aws-secret"),
        ("REDIS_HOST", "redis.internal"),
        ("TEAM", "value-of-team"),
        ("GOOD_MASTER_KEY", "sk-9f2c4e81b7d05a63"),
    ])
}

fn load_text(text: &str) -> Loaded {
    load_text_in(text, environment())
}

fn load_text_in(text: &str, environment: Environment) -> Loaded {
    Loader::new(Source::Text { name: "config.yaml".into(), text: text.into() }, environment).load()
}

/// The configuration of a text that must be usable.
fn config(text: &str) -> Config {
    let loaded = load_text(text);
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics))
}

/// The rendered findings of a text.
fn findings(text: &str) -> String {
    load_text(text).diagnostics.to_string()
}
