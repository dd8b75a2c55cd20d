//! Where the gateway keeps what it must remember.
//!
//! A database that the configuration names, else a SQLite file in the data directory, else nothing: a gateway without a master key
//! has nobody who could manage keys, and makes no files. Beside the file lies the pepper, with which the rows of keys are proven;
//! with a database elsewhere it comes from the environment, since every gateway must have the same.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::RngCore;
use switchboard_store::{Settings, Store, StoreError};

use crate::auth::Foundation;
use crate::auth::mint::Pepper;
use crate::config::{Config, Environment};

/// The memory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The database cannot.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// The data directory cannot.
    #[error("the data directory {} cannot be used: {source}; set `switchboard.data_dir` to one that can be written", place.display())]
    Directory {
        /// The directory or the file in it.
        place: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

const FILE: &str = "switchboard.db";
/// The file with the pepper.
pub(crate) const PEPPER: &str = "pepper";

/// The data directory of `switchboard serve`, where nothing names another.
pub(crate) fn usual_place(environment: &Environment) -> PathBuf {
    let below = |name: &str, rest: &str| environment.get_non_empty(name).map(|base| Path::new(base).join(rest));
    let place = below("XDG_DATA_HOME", "switchboard").or_else(|| below("HOME", ".local/share/switchboard"));
    place.unwrap_or_else(|| PathBuf::from("switchboard-data"))
}

/// The place, as it may be told.
pub(crate) fn place(config: &Config) -> Option<String> {
    if config.general.database_url.is_some() {
        return Some("the configured database".to_owned());
    }
    config.switchboard.data_dir.as_ref().map(|folder| folder.join(FILE).display().to_string())
}

/// The address of the database.
pub(crate) fn address(config: &Config) -> Option<String> {
    let own = config.switchboard.data_dir.as_ref().map(|folder| format!("sqlite:{}", folder.join(FILE).display()));
    config.general.database_url.as_ref().map(|url| url.expose().to_owned()).or(own)
}

/// A way to the memory, for commands.
pub(crate) fn reach(config: &Config) -> Result<Option<Store>, MemoryError> {
    let connections = config.general.database_connections;
    Ok(address(config).map(|address| Store::open(&Settings { address, connections })).transpose()?)
}

/// What proofs of keys are made with, for commands: the same as the gateway's.
pub(crate) fn pepper(config: &Config) -> Result<Option<Pepper>, MemoryError> {
    let general = &config.general;
    if let Some(pepper) = &general.key_pepper {
        return Ok(Some(Pepper::new(pepper.expose().as_bytes())));
    }
    let Some(folder) = config.switchboard.data_dir.as_ref().filter(|_| general.database_url.is_none()) else { return Ok(None) };
    let failed = |place: &Path| {
        let place = place.to_owned();
        |source| MemoryError::Directory { place, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let file = folder.join(PEPPER);
    Ok(Some(Pepper::new(&kept(&file).map_err(failed(&file))?)))
}

/// Opens the memory, if there is to be one. Where its database is away, the gateway starts all the same.
pub(crate) fn open(config: &Config) -> Result<Foundation, MemoryError> {
    let general = &config.general;
    let mut pepper = general.key_pepper.as_ref().map(|pepper| Pepper::new(pepper.expose().as_bytes()));
    let address = match (&general.database_url, &config.switchboard.data_dir) {
        (Some(url), _) => url.expose().to_owned(),
        (None, Some(folder)) => {
            let failed = |place: &Path| {
                let place = place.to_owned();
                |source| MemoryError::Directory { place, source }
            };
            fs::create_dir_all(folder).map_err(failed(folder))?;
            if pepper.is_none() {
                let file = folder.join(PEPPER);
                pepper = Some(Pepper::new(&kept(&file).map_err(failed(&file))?));
            }
            format!("sqlite:{}", folder.join(FILE).display())
        }
        (None, None) => return Ok(Foundation::default()),
    };
    let store = Store::open(&Settings { address, connections: general.database_connections })?;
    let foundation = Foundation { store: Some(store.clone()), pepper, ..Foundation::default() };
    store.listen(foundation.directory.clone());
    store.follow()?;
    Ok(foundation)
}

/// The pepper in that file; a new one where there is none.
fn kept(file: &Path) -> std::io::Result<Vec<u8>> {
    match fs::read(file) {
        Ok(bytes) if bytes.len() >= 32 => return Ok(bytes),
        Ok(_) => return Err(std::io::Error::other("the pepper is too short; put the right one back, or remove it if there are no keys")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = vec![0; 32];
    rand::rng().fill_bytes(&mut bytes);
    let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(&bytes)?;
    new.sync_all()?;
    Ok(bytes)
}
