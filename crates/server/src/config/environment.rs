//! The process environment, read once.
//!
//! Everything else in the workspace takes an [`Environment`]; nothing writes to the process environment, because other threads
//! may be reading it. What a configuration file sets under `environment_variables` lives in a copy laid over the original.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use switchboard_engine::sign::aws;

use super::secret::Secret;

/// Environment variables as the gateway sees them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Arc<BTreeMap<String, Variable>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Variable {
    Text(Secret),
    NotUnicode,
}

impl Environment {
    /// Reads the environment of this process. Call it once, at start.
    pub fn of_process() -> Environment {
        Environment::from_os(std::env::vars_os())
    }

    fn from_os(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
        let read = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = value.into_string().map_or(Variable::NotUnicode, |text| Variable::Text(Secret::new(text)));
            Some((name, value))
        });
        Environment { variables: Arc::new(read.collect()) }
    }

    /// The value of a variable; `None` when it is not set or not readable as text.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.variables.get(name)? {
            Variable::Text(value) => Some(value.expose()),
            Variable::NotUnicode => None,
        }
    }

    /// The value of a variable that is set to something other than the empty string.
    pub fn get_non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Keys along AWS's usual chain.
    pub(crate) fn aws_chain(&self, profile: Option<String>, endpoints: aws::Endpoints) -> aws::Source {
        let file = |name: &str, usual: &str| {
            let home = || Some(PathBuf::from(self.get_non_empty("HOME")?).join(".aws").join(usual));
            self.get_non_empty(name).map(PathBuf::from).or_else(home)
        };
        let variables = self.clone();
        aws::Source::Chain {
            profile: aws::Profile {
                credentials_file: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                config_file: file("AWS_CONFIG_FILE", "config"),
                sign_ins: self.get_non_empty("HOME").map(|home| PathBuf::from(home).join(".aws/sso/cache")),
                name: profile.or_else(|| self.get_non_empty("AWS_PROFILE").map(str::to_owned)),
            },
            environment: Arc::new(move |name| variables.get(name).map(str::to_owned)),
            endpoints,
        }
    }

    /// Whether the variable exists but is not valid UTF-8, which explains why [`Environment::get`] has nothing.
    pub fn is_unreadable(&self, name: &str) -> bool {
        matches!(self.variables.get(name), Some(Variable::NotUnicode))
    }

    /// A copy in which the given variables replace or join the present ones.
    #[must_use]
    pub fn with<N: Into<String>, V: Into<String>>(&self, variables: impl IntoIterator<Item = (N, V)>) -> Environment {
        let mut all = BTreeMap::clone(&self.variables);
        all.extend(variables.into_iter().map(|(name, value)| (name.into(), Variable::Text(Secret::new(value)))));
        Environment { variables: Arc::new(all) }
    }

    /// The set variable with the most similar name, for hints.
    pub fn closest_name(&self, wanted: &str) -> Option<&str> {
        super::diagnostic::closest(wanted, self.variables.keys().map(String::as_str))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Environment {
        Environment::default().with(variables)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_variables_win_and_the_original_is_untouched() {
        let first = Environment::from_iter([("A", "1"), ("B", "")]);
        let second = first.with([("A", "2")]);
        assert_eq!(first.get("A"), Some("1"));
        assert_eq!(second.get("A"), Some("2"));
        assert_eq!(second.get("B"), Some(""));
        assert_eq!(second.get_non_empty("B"), None);
    }

    #[cfg(unix)]
    #[test]
    fn text_that_is_not_unicode_is_noticed() {
        use std::os::unix::ffi::OsStringExt;
        let read = Environment::from_os([(OsString::from("A"), OsString::from_vec(vec![0xff]))]);
        assert_eq!(read.get("A"), None);
        assert!(read.is_unreadable("A"));
    }

    #[test]
    fn debug_shows_names_only() {
        let shown = format!("{:?}", Environment::from_iter([("KEY", "sk-value")]));
        assert!(shown.contains("KEY") && !shown.contains("sk-value"), "{shown}");
    }
}
