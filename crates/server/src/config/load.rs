//! From a file and the environment to a [`Config`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Diagnostics, Location};
use super::elsewhere::Elsewhere;
use super::environment::Environment;
use super::laid::{Laid, Origin};
use super::raw::{self, Written};
use super::resolved::{self, Config, TlsFiles};
use super::yaml::{Map, Node, Value};

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, with whatever it includes.
    File(PathBuf),
    /// Text that stands nowhere on disk, under a name for messages.
    Text {
        /// Name for messages.
        name: String,
        /// The YAML.
        text: String,
    },
    /// No file: one wildcard deployment per provider whose key is set.
    Environment,
}

impl Source {
    /// The file given on the command line, else `CONFIG_FILE_PATH`, else the environment alone.
    pub fn choose(given: Option<PathBuf>, environment: &Environment) -> Source {
        given.or_else(|| environment.get_non_empty("CONFIG_FILE_PATH").map(PathBuf::from)).map_or(Source::Environment, Source::File)
    }
}

/// What the command line says, which wins over file and environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Host to listen on.
    pub host: Option<String>,
    /// Port to listen on.
    pub port: Option<u16>,
    /// Path of a unix socket to listen on instead.
    pub uds: Option<PathBuf>,
    /// It runs in a container, where only other machines can reach it.
    pub contained: bool,
    /// Threads that serve requests.
    pub workers: Option<u32>,
    /// Listen beside a gateway that is about to end.
    pub takeover: bool,
    /// Leave out parameters a provider does not take.
    pub drop_params: Option<bool>,
    /// Longest time for one request.
    pub request_timeout: Option<Duration>,
    /// For an idle connection of a client to stay open.
    pub keep_alive: Option<Duration>,
    /// Certificate of the gateway.
    pub tls: Option<TlsFiles>,
    /// Where files are kept that the gateway makes itself, unless the configuration says.
    pub data_dir: Option<PathBuf>,
}

impl Overrides {
    /// Lays over a configuration what neither listening nor workers are: those are read with the file.
    pub(super) fn apply(&self, config: &mut Config) {
        if self.drop_params.is_some() {
            config.litellm.drop_params = self.drop_params;
        }
        if let Some(timeout) = self.request_timeout {
            config.litellm.request_timeout = timeout;
            config.router.timeout = timeout;
        }
        if let Some(timeout) = self.keep_alive {
            config.switchboard.timeouts.keep_alive = timeout;
        }
    }
}

/// A provider and the environment variables that may hold its key, in order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderKeys {
    /// The provider's id, which is the prefix of its models.
    pub provider: String,
    /// Any of these makes the provider usable.
    pub variables: Vec<String>,
}

/// Everything needed to load a configuration, now and again later.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Where it comes from.
    pub source: Source,
    /// The process environment.
    pub environment: Environment,
    /// What the command line says.
    pub overrides: Overrides,
    /// The providers that can be used without a file.
    pub providers: Vec<ProviderKeys>,
}

/// The outcome of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` exactly when there are errors.
    pub config: Option<Config>,
    /// Everything that was found.
    pub diagnostics: Diagnostics,
    /// Every file that was read, or that was wanted and could not be.
    pub files: Vec<PathBuf>,
}

impl Loader {
    /// A loader without command line and providers.
    pub fn new(source: Source, environment: Environment) -> Loader {
        Loader { source, environment, overrides: Overrides::default(), providers: Vec::new() }
    }

    /// Reads, checks and types the configuration.
    pub fn load(&self) -> Loaded {
        let mut diagnostics = Diagnostics::default();
        let written = match &self.source {
            Source::File(path) => raw::read(path, &self.environment, &mut diagnostics),
            Source::Text { name, text } => raw::read_text(name, text.as_bytes(), &self.environment, &mut diagnostics),
            Source::Environment => Written {
                root: Node::new(Value::Map(Map::default()), Location::environment()),
                files: Vec::new(),
                environment: self.environment.clone(),
                elsewhere: Elsewhere::default(),
                incomplete: false,
            },
        };
        if written.incomplete {
            return Loaded { config: None, diagnostics, files: written.files };
        }
        let mut files = written.files.clone();
        let providers = self.providers().map(<[ProviderKeys]>::to_vec);
        let origin = Arc::new(Origin { written, overrides: self.overrides.clone(), providers, inferable: self.providers.clone() });
        let mut config = resolved::resolve(&origin, &Laid::default(), &mut diagnostics);
        self.overrides.apply(&mut config);
        files.extend(config.switchboard.catalog.clone());
        let config = Some(config).filter(|_| !diagnostics.has_errors());
        Loaded { config, diagnostics, files }
    }

    fn providers(&self) -> Option<&[ProviderKeys]> {
        match self.source {
            Source::Environment => Some(&self.providers),
            Source::File(_) | Source::Text { .. } => None,
        }
    }
}
