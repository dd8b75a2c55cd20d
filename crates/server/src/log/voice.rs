//! What happens to the gateway as a whole, on standard error: for people at a terminal, as JSON lines elsewhere.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::config::{Diagnostic, Environment, Severity};

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Plain,
    /// One JSON object a line.
    Json,
}

/// How much is said where neither the command line nor the environment says.
const LEVEL: &str = "info";

/// Says things on standard error. Start one, once.
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    style: Style,
}

impl Voice {
    /// JSON where it is asked for or nobody watches.
    pub fn style(json_logs: bool) -> Style {
        if json_logs || !std::io::stderr().is_terminal() { Style::Json } else { Style::Plain }
    }

    /// Sets up the process's log. `level`: of the command line, else of `SWITCHBOARD_LOG`, `LITELLM_LOG` or `RUST_LOG`.
    pub fn start(style: Style, level: Option<&str>, environment: &Environment) -> Self {
        let named = ["SWITCHBOARD_LOG", "LITELLM_LOG", "RUST_LOG"].into_iter().find_map(|name| environment.get_non_empty(name));
        let wanted = level.or(named).unwrap_or(LEVEL);
        let (filter, bad) = match EnvFilter::try_new(directives(wanted)) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(LEVEL), Some(error)),
        };
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).with_ansi(false);
        // A second start in one process (tests, a command inside another) keeps the first log.
        let _ = match style {
            Style::Plain => builder.without_time().try_init(),
            Style::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        };
        if let Some(error) = bad {
            tracing::warn!(%error, "`{wanted}` is no log level; `{LEVEL}` is used");
        }
        Self { style }
    }

    /// Says what was found in a configuration.
    pub fn tell(self, diagnostic: &Diagnostic) {
        if self.style == Style::Plain {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "{diagnostic}");
            return;
        }
        let (at, hint, message) = (&diagnostic.at, diagnostic.hint.as_deref(), &diagnostic.message);
        match diagnostic.severity {
            Severity::Error | Severity::Fault => tracing::error!(%at, hint, "{message}"),
            Severity::Warning => tracing::warn!(%at, hint, "{message}"),
            Severity::Notice => tracing::info!(%at, hint, "{message}"),
        }
    }
}

/// LiteLLM's and Python's names of levels are understood. A bare level that says much is meant for the gateway alone: what the
/// libraries below it would say is of no use here, and holds other people's headers.
fn directives(wanted: &str) -> String {
    let wanted = wanted.trim().to_ascii_lowercase();
    match wanted.as_str() {
        "debug" | "trace" => format!("{LEVEL},switchboard_server={wanted},switchboard_engine={wanted},switchboard_wire={wanted}"),
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn a_bare_level_opens_the_gateways_own_mouth_only() {
        assert_eq!(directives("WARNING"), "warn");
        assert_eq!(directives("CRITICAL"), "error");
        assert_eq!(directives("off"), "off");
        assert_eq!(directives("hyper=trace"), "hyper=trace");
        let much = directives("DEBUG");
        assert!(much.starts_with("info,") && much.contains("switchboard_engine=debug") && !much.contains("hyper"), "{much}");
        for wanted in ["DEBUG", "Trace", "warning", "a=b=c"] {
            let read = tracing_subscriber::EnvFilter::try_new(directives(wanted));
            assert_eq!(read.is_ok(), wanted != "a=b=c", "{wanted}");
        }
    }
}
