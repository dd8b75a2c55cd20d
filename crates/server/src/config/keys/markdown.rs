//! `docs/configuration.md`, written from the rows.

use std::fmt::Write;

use super::{Effect, Key, Section};

const OPENING: &str = "# Configuration

<!-- Generated from crates/server/src/config/keys. To change it, edit a row there and run the tests with BLESS=1. -->

Switchboard reads the `config.yaml` of LiteLLM's proxy as it is, and its own settings from the section `switchboard`.
`switchboard check` tells what a file means and what is wrong with it.

- `os.environ/NAME` as a whole value stands for the environment variable `NAME`, anywhere in the file.
- Numbers and booleans may be written as text. Durations are in seconds, except where the name ends in `_ms`.
- A key that is not listed is reported, with the name that was probably meant. Below `litellm_params` it is a default
  request parameter instead, and below `model_info` it is kept and echoed. So are names within maps and words of lists, where it is
  known what may stand there. `switchboard check --strict` takes such warnings for errors.
- A key marked *no effect yet* is accepted, and named at start-up.

Without a file, every provider whose key is in the environment serves its models as `provider/model`.

## Environment variables

| Variable | Meaning |
|---|---|
| `CONFIG_FILE_PATH` | The configuration file, when the command line names none. |
| `SWITCHBOARD_MASTER_KEY`, `LITELLM_MASTER_KEY` | `general_settings.master_key`, when the file does not say. |
| `HOST`, `PORT` | Address to listen on, when the file does not say; of this machine alone, but in a container, with a master key, all of its addresses. |
| `NUM_WORKERS` | `switchboard.workers`, when the file does not say. |
| `DATABASE_URL` | `general_settings.database_url`, when the file does not say. |
| `DATABASE_HOST`, `DATABASE_USERNAME`, `DATABASE_PASSWORD`, `DATABASE_NAME`, `DATABASE_SCHEMA` | The same in parts; a port stands in the host. |
| `PROXY_BASE_URL` | URL at which clients reach the gateway. |
| `SERVER_ROOT_PATH` | Path before every route. |
| `LITELLM_CORS_ORIGINS` | `switchboard.cors_origins`, when the file does not say; several are separated by commas. |
| `HTTPS_PROXY` | `switchboard.upstream.proxy_url`, when the file does not say. |
";

/// The reference of all keys, as Markdown.
pub fn render_configuration_markdown() -> String {
    let mut out = OPENING.to_owned();
    for section in Section::ALL {
        let heading = match section.path() {
            "" => "The file".to_owned(),
            path => format!("`{path}`"),
        };
        let _ = write!(out, "\n## {heading}\n\n| Key | Value | Meaning |\n|---|---|---|\n");
        for key in section.keys() {
            let _ = writeln!(out, "| `{}` | {} | {} |", key.name, key.kind.describe(), meaning(key));
        }
    }
    out
}

fn meaning(key: &Key) -> String {
    let doc = key.doc.replace('|', "\\|");
    match key.effect {
        Effect::Honoured => doc,
        Effect::NotYet => format!("{doc} *No effect yet.*"),
        Effect::Python => format!("{doc} *Python is not loaded.*"),
        Effect::Ignored => format!("{doc} *Ignored.*"),
    }
}
