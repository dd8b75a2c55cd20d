//! Which database a command works on, and what lies beside it.

use std::path::{Path, PathBuf};

use clap::Args;
use switchboard_store::Settings;
use switchboard_store::backup::{Beside, Manifest};

use super::complain;
use crate::config::{Config, Environment, Overrides, Source};
use crate::{books, memory, serve, trust};

#[derive(Debug, Args)]
pub(super) struct Database {
    /// Configuration file, as for `serve`
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database, where no configuration names it
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    database_url: Option<String>,
}

/// What a command works on.
pub(super) struct Found {
    /// The database.
    pub(super) settings: Settings,
    /// Where the gateway keeps its files.
    pub(super) folder: Option<PathBuf>,
    /// Where it keeps the key that it made for itself.
    sealing: Option<PathBuf>,
    /// The configuration, where it was read.
    pub(super) config: Option<Config>,
    environment: Environment,
}

impl Database {
    /// The database; none where nothing is remembered. What is wrong with the configuration has been said.
    pub(super) fn find(&self, environment: Environment) -> Option<Found> {
        if let Some(address) = &self.database_url {
            // A database in a file has its gateway's files beside it.
            let file = address.strip_prefix("sqlite:").map(|path| PathBuf::from(path.split('?').next().unwrap_or(path)));
            let folder = file.and_then(|file| file.parent().map(PathBuf::from));
            let settings = Settings { address: address.clone(), connections: 2 };
            return Some(Found { settings, sealing: folder.clone(), folder, config: None, environment });
        }
        let overrides = Overrides { data_dir: Some(memory::usual_place(&environment)), ..Overrides::default() };
        let loaded = serve::loader(Source::choose(self.config.clone(), &environment), overrides, environment.clone()).load();
        for diagnostic in loaded.diagnostics.errors() {
            complain(&diagnostic.to_string());
        }
        let config = loaded.config?;
        let Some(address) = memory::address(&config) else {
            complain("error: this gateway remembers nothing: it has neither a master key nor a database");
            return None;
        };
        let (folder, sealing) = (config.switchboard.data_dir.clone(), trust::own_place(&config));
        Some(Found { settings: Settings { address, connections: 2 }, folder, sealing, config: Some(config), environment })
    }
}

impl Found {
    /// What lies beside the database.
    pub(super) fn beside(&self) -> Beside {
        let named = |place: &Option<PathBuf>, name: &str| place.as_ref().map(|place| (name.to_owned(), place.join(name)));
        let folders = named(&self.folder, books::FOLDER).into_iter().collect();
        // A sealing key lies there only where the gateway made one for itself.
        let files = [named(&self.folder, memory::PEPPER), named(&self.sealing, trust::OWN_FILE)].into_iter().flatten().collect();
        Beside { folders, files }
    }

    /// Why a gateway on this database would not open what is sealed in a backup, if it would not, and what there is to do.
    pub(super) fn keeps_sealed(&self, folder: &Path, manifest: &Manifest) -> Result<Option<String>, trust::TrustError> {
        let brought = Some(folder.join(trust::OWN_FILE)).filter(|file| file.exists());
        // Where it has a place, it is put back there.
        let own = self.sealing.as_ref().map(|place| place.join(trust::OWN_FILE));
        let own = own.and_then(|own| brought.clone().or_else(|| Some(own).filter(|own| own.exists())));
        if trust::opens((&self.environment, self.config.as_ref()), own.as_deref(), &manifest.sealed_by)? {
            return Ok(None);
        }
        let (key, file) = (trust::KEY, trust::KEY_FILE);
        Ok(Some(match brought {
            Some(brought) => format!(
                "the secrets of this backup are sealed with the key in {}, which a gateway on this database does not find by itself: keep \
                 that file, and name it in {file} (or its content in {key}) to this command and to every gateway",
                brought.display()
            ),
            None => format!(
                "the secrets of this backup are sealed with a key that is not in it, and not the one at hand: give this command and every \
                 gateway that key, in {key} or as a file in {file}; where it was the master key, name the configuration (-c) that has it"
            ),
        }))
    }

    /// Whether a gateway works on those files now.
    pub(super) fn is_in_use(&self) -> bool {
        self.folder.as_ref().is_some_and(|folder| switchboard_store::journal::is_taken(&folder.join(books::FOLDER)))
    }
}
