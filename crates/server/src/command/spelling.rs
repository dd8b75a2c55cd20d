//! The command line as people type it, LiteLLM's spelling included.

use std::ffi::OsString;

/// The command line, ready to be parsed.
pub(super) struct Spelled {
    pub(super) words: Vec<OsString>,
    pub(super) notices: Vec<String>,
}

/// What becomes of a flag of LiteLLM's that is not ours.
enum Fate {
    /// It changes nothing here; whether a value follows.
    Without(bool),
    /// It must not be ignored; what to do instead.
    Instead(&'static str),
}

use Fate::{Instead, Without};

/// LiteLLM's flags that have no meaning here, or another place.
const FOREIGN: [(&str, Fate); 34] = [
    ("azure-postgresql-auth", Instead("put a password into `general_settings.database_url`")),
    ("ciphers", Without(true)),
    ("enforce-prisma-migration-check", Without(false)),
    ("granian-threads", Without(true)),
    ("iam-token-db-auth", Instead("put a password into `general_settings.database_url`")),
    ("limit-concurrency", Without(true)),
    ("local", Without(false)),
    ("log-config", Without(true)),
    ("loop", Without(true)),
    ("max-requests-before-restart", Without(true)),
    ("max-requests-before-restart-jitter", Without(true)),
    ("prometheus-metrics-port", Without(true)),
    ("reload", Without(false)),
    ("run-granian", Without(false)),
    ("run-gunicorn", Without(false)),
    ("run-hypercorn", Without(false)),
    ("telemetry", Without(true)),
    ("timeout-worker-healthcheck", Without(true)),
    ("use-legacy-migration-resolver", Without(false)),
    ("use-prisma-db-push", Without(false)),
    ("use-prisma-migrate", Without(false)),
    ("use-v2-migration-resolver", Without(false)),
    ("use-queue", Without(false)),
    ("num-requests", Instead("it belonged to LiteLLM's own load test")),
    (
        "add-function-to-prompt",
        Instead("there is no such rewriting; choose a model with tools (`switchboard models --supports function_calling`)"),
    ),
    ("headers", Instead("write `extra_headers` under `litellm_params` of a configuration file")),
    ("health", Instead("ask the running gateway for GET /health")),
    ("max-budget", Instead("budgets belong to keys, not to the command line")),
    ("max-tokens", Instead("write `max_tokens` under `litellm_params` of a configuration file")),
    ("temperature", Instead("write `temperature` under `litellm_params` of a configuration file")),
    ("save", Instead("write a configuration file")),
    ("skip-server-startup", Instead("run `switchboard check`")),
    ("test", Instead("run `switchboard chat`")),
    ("validate-config", Instead("run `switchboard check --config FILE`")),
];

/// Reads the words of a command line: flags may be written with `_`, and flags alone mean `serve`.
pub(super) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Spelled, String> {
    let mut spelled = Spelled { words: Vec::new(), notices: Vec::new() };
    let mut words = words.into_iter();
    spelled.words.extend(words.next());
    let mut words = words.peekable();
    if words.peek().is_some_and(alone) {
        spelled.words.push("serve".into());
    }
    let serving = spelled.words.len() > 1 || words.peek().is_some_and(|first| first == "serve");
    let mut literal = false;
    while let Some(word) = words.next() {
        literal |= word == "--";
        let Some(flag) = word.to_str().filter(|_| !literal).and_then(|word| word.strip_prefix("--")) else {
            spelled.words.push(word);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let name = name.replace('_', "-");
        match FOREIGN.iter().find(|(known, _)| serving && *known == name) {
            Some((_, Instead(what))) => return Err(format!("`--{name}` is LiteLLM's; here, {what}")),
            Some((_, Without(takes_value))) => {
                spelled.notices.push(format!("`--{name}` is LiteLLM's and has no meaning here"));
                if *takes_value && value.is_none() {
                    words.next_if(|next| !next.to_string_lossy().starts_with('-'));
                }
            }
            None => spelled.words.push(match value {
                Some(value) => format!("--{name}={value}").into(),
                None => format!("--{name}").into(),
            }),
        }
    }
    Ok(spelled)
}

/// A flag where a command should stand, as in `litellm --config config.yaml`.
fn alone(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<(Vec<String>, usize), String> {
        let spelled = read(line.split(' ').map(OsString::from))?;
        Ok((spelled.words.into_iter().map(|word| word.into_string().expect("text")).collect(), spelled.notices.len()))
    }

    #[test]
    fn litellms_spelling_is_understood() {
        let read = words("switchboard --config a_b.yaml --num_workers 4 --model=my_model");
        let expected = "switchboard serve --config a_b.yaml --num-workers 4 --model=my_model";
        assert_eq!(read, Ok((expected.split(' ').map(str::to_owned).collect(), 0)));
        let read = words("switchboard serve --run_gunicorn --telemetry False --port 1");
        assert_eq!(read, Ok((["switchboard", "serve", "--port", "1"].map(str::to_owned).to_vec(), 2)));
        let read = words("switchboard --limit_concurrency 9 --log_config=a.json --reload --config c.yaml");
        assert_eq!(read, Ok((["switchboard", "serve", "--config", "c.yaml"].map(str::to_owned).to_vec(), 3)));
        assert!(words("switchboard --max_budget 5").is_err_and(|why| why.contains("budgets belong to keys")));
        for untouched in ["switchboard --help", "switchboard", "switchboard chat -- --a_b", "switchboard models --json"] {
            assert_eq!(words(untouched), Ok((untouched.split(' ').map(str::to_owned).collect(), 0)));
        }
    }
}
