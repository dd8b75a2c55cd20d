//! Backups: a folder from which everything comes back.
//!
//! SQLite gives a copy of itself as of one moment, while gateways go on writing. Of PostgreSQL every table is read as of one moment
//! and written as lines of JSON, which both databases take back. What the gateway keeps beside the database (its journal, the
//! pepper) is copied too: the journal before the database and after it, so that nothing falls between. A manifest says what there
//! is, with a digest of each file; nothing is restored from a folder that is not as its manifest says.

mod tables;

use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::open::{Settings, Store};
use crate::sql::Kind;
use crate::time::Time;

const MANIFEST: &str = "manifest.json";
const DATABASE: &str = "switchboard.db";
const TABLES: &str = "tables";
const FORM: u32 = 1;

/// What lies beside the database: a name in the backup, and where it is.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Folders, such as the journal's.
    pub folders: Vec<(String, PathBuf)>,
    /// Files, such as the pepper.
    pub files: Vec<(String, PathBuf)>,
}

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// The form of the folder.
    pub form: u32,
    /// When it was made.
    pub made_at: Time,
    /// Whether it holds SQLite's own file (`file`) or lines of every table (`tables`).
    pub database: String,
    /// The versions of the schema it was at.
    pub schema: Vec<i64>,
    /// The fingerprints of the keys without which its secrets stay sealed; backups of before they were noted have none.
    #[serde(default)]
    pub sealed_by: Vec<String>,
    /// Its files.
    pub files: Vec<Part>,
}

/// One file of a backup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its path in the folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Rows, where it is a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// A backup cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("`{}` cannot be used: {source}", .at.display())]
    File {
        /// Which.
        at: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder is not what its manifest says.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// There is something already where the backup is to go.
    #[error("{0} is not empty; --force replaces what is there")]
    Occupied(String),
    /// A backup is to be made where something is already.
    #[error("the folder {0} is not empty; a backup makes its own")]
    Taken(String),
    /// It was made by a gateway that is newer than this one can follow.
    #[error("the backup is at schema version {0}, which this gateway does not know")]
    TooNew(i64),
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let at = path.to_owned();
    move |source| BackupError::File { at, source }
}

/// Makes a backup in that folder, which must be empty or not be there. `logical` writes tables also of SQLite.
pub fn backup(store: &Store, folder: &Path, beside: &Beside, logical: bool) -> Result<Manifest, BackupError> {
    // What is in it opens the gateway.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    if std::fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(BackupError::Taken(folder.display().to_string()));
    }
    copy_beside(beside, folder)?;
    let mut parts = Vec::new();
    let as_file = store.sql().kind == Kind::Sqlite && !logical;
    if as_file {
        let file = folder.join(DATABASE);
        let target = file.display().to_string();
        let pool = store.sql().pool.clone();
        store.thread().block(async move {
            sqlx::query("VACUUM INTO $1").bind(target).execute(&pool).await?;
            Ok(())
        })?;
        parts.push(part(folder, DATABASE, None)?);
    } else {
        let tables = folder.join(TABLES);
        std::fs::create_dir_all(&tables).map_err(at(&tables))?;
        for (name, rows) in tables::dump(store, &tables)? {
            parts.push(part(folder, &format!("{TABLES}/{name}.jsonl"), Some(rows))?);
        }
    }
    // What was written meanwhile is in the database, or here.
    copy_beside(beside, folder)?;
    for (name, _) in &beside.folders {
        for path in files_of(&folder.join(name))? {
            parts.push(part(folder, &format!("{name}/{}", file_name(&path)), None)?);
        }
    }
    for (name, _) in beside.files.iter().filter(|(name, _)| folder.join(name).exists()) {
        parts.push(part(folder, name, None)?);
    }
    let (schema, sealed_by) = (tables::schema(store)?, tables::sealed_by(store)?);
    let database = if as_file { "file" } else { "tables" }.to_owned();
    let manifest = Manifest { form: FORM, made_at: Time::now(), database, schema, sealed_by, files: parts };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Damaged(error.to_string()))?;
    write(&folder.join(MANIFEST), &text)?;
    Ok(manifest)
}

/// Looks whether the folder is as its manifest says.
pub fn check(folder: &Path) -> Result<Manifest, BackupError> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).map_err(at(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| BackupError::Damaged(format!("its manifest: {error}")))?;
    if manifest.form > FORM {
        return Err(BackupError::Damaged(format!("its form {} is not known here", manifest.form)));
    }
    for said in &manifest.files {
        let inside = !said.path.split('/').any(|step| step == ".." || step.is_empty());
        if !inside || part(folder, &said.path, said.rows)? != *said {
            return Err(BackupError::Damaged(format!("`{}` is not what it was", said.path)));
        }
    }
    let newest = manifest.schema.iter().copied().max().unwrap_or_default();
    if crate::migrate::known().all(|version| version != newest) && newest > 0 {
        return Err(BackupError::TooNew(newest));
    }
    Ok(manifest)
}

/// Brings everything back. What is there already is replaced only by `force`. No gateway may be running.
pub fn restore(settings: &Settings, folder: &Path, beside: &Beside, force: bool) -> Result<Manifest, BackupError> {
    let manifest = check(folder)?;
    for (_, path) in &beside.folders {
        if path.exists() && !files_of(path)?.is_empty() {
            if !force {
                return Err(BackupError::Occupied(format!("the folder {}", path.display())));
            }
            std::fs::remove_dir_all(path).map_err(at(path))?;
        }
    }
    let file = settings.address.strip_prefix("sqlite:").map(|path| PathBuf::from(path.split('?').next().unwrap_or(path)));
    if let Some(parent) = file.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(parent).map_err(at(parent))?;
    }
    match (manifest.database.as_str(), &file) {
        ("file", Some(target)) => place(&folder.join(DATABASE), target, force)?,
        ("file", None) => {
            let source = Settings { address: format!("sqlite:{}?mode=ro&immutable=1", folder.join(DATABASE).display()), connections: 1 };
            let tables = tempfile_beside(folder)?;
            let store = Store::open(&source)?;
            let dumped = tables::dump(&store, &tables);
            store.close();
            let restored = dumped.and_then(|_| into_tables(settings, &tables, force));
            std::fs::remove_dir_all(&tables).map_err(at(&tables))?;
            restored?;
        }
        _ => {
            if let Some(target) = file.as_deref().filter(|_| force) {
                remove_database(target)?;
            }
            into_tables(settings, &folder.join(TABLES), force)?;
        }
    }
    let mut back = Beside::default();
    back.folders.extend(beside.folders.iter().map(|(name, path)| (name.clone(), path.clone())));
    copy_back(&back.folders, &beside.files, folder)?;
    let store = Store::open(settings)?;
    let migrated = store.migrate();
    store.close();
    migrated?;
    Ok(manifest)
}

fn into_tables(settings: &Settings, tables: &Path, force: bool) -> Result<(), BackupError> {
    let store = Store::open(settings)?;
    let loaded = store.migrate().map_err(BackupError::from).and_then(|()| tables::load(&store, tables, force));
    store.close();
    loaded
}

/// A folder beside the backup for what is only in between.
fn tempfile_beside(folder: &Path) -> Result<PathBuf, BackupError> {
    let path = folder.with_extension(format!("tables-{}", std::process::id()));
    std::fs::create_dir_all(&path).map_err(at(&path))?;
    Ok(path)
}

fn remove_database(target: &Path) -> Result<(), BackupError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = PathBuf::from(format!("{}{suffix}", target.display()));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// SQLite's file, where a gateway looks for it.
fn place(from: &Path, target: &Path, force: bool) -> Result<(), BackupError> {
    if target.exists() && !force {
        return Err(BackupError::Occupied(format!("the database {}", target.display())));
    }
    remove_database(target)?;
    std::fs::copy(from, target).map_err(at(target))?;
    std::fs::File::open(target).and_then(|file| file.sync_all()).map_err(at(target))
}

/// Copies what lies beside the database; a second time what has grown since.
fn copy_beside(beside: &Beside, folder: &Path) -> Result<(), BackupError> {
    for (name, from) in beside.folders.iter().filter(|(_, from)| from.exists()) {
        for path in files_of(from)? {
            // A file of the journal may be gone by now: what it held is in the database.
            if let Ok(bytes) = std::fs::read(&path)
                && file_name(&path) != "lock"
            {
                write(&folder.join(name).join(file_name(&path)), &bytes)?;
            }
        }
    }
    for (name, from) in beside.files.iter().filter(|(_, from)| from.exists()) {
        write(&folder.join(name), &std::fs::read(from).map_err(at(from))?)?;
    }
    Ok(())
}

fn copy_back(folders: &[(String, PathBuf)], files: &[(String, PathBuf)], folder: &Path) -> Result<(), BackupError> {
    for (name, to) in folders.iter().filter(|(name, _)| folder.join(name).exists()) {
        for path in files_of(&folder.join(name))? {
            write(&to.join(file_name(&path)), &std::fs::read(&path).map_err(at(&path))?)?;
        }
    }
    for (name, to) in files.iter().filter(|(name, _)| folder.join(name).exists()) {
        let from = folder.join(name);
        write(to, &std::fs::read(&from).map_err(at(&from))?)?;
    }
    Ok(())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        files.extend(path.is_file().then_some(path));
    }
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Writes a file that only its owner reads: a backup holds what opens the gateway.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(at(parent))?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

fn part(folder: &Path, name: &str, rows: Option<u64>) -> Result<Part, BackupError> {
    let path = folder.join(name);
    let mut file = std::fs::File::open(&path).map_err(at(&path))?;
    let (mut sum, mut bytes, mut buffer) = (Context::new(&SHA256), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(at(&path))?;
        if read == 0 {
            break;
        }
        sum.update(&buffer[..read]);
        bytes += read as u64;
    }
    let sha256 = hex::encode(sum.finish());
    Ok(Part { path: name.to_owned(), bytes, sha256, rows })
}
