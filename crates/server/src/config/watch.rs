//! Noticing that a configuration changed, without ever losing the one that works.
//!
//! Files are looked at by polling, which sees what notification services miss: network mounts, and the symbolic links that
//! orchestrators swap.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use switchboard_engine::apart;

use super::diagnostic::Diagnostics;
use super::load::{Loaded, Loader, Source};
use super::resolved::{Config, Listen, check_change};

/// What came of looking.
#[derive(Debug)]
pub enum Reload {
    /// The files changed and are usable.
    Changed(Arc<Config>),
    /// The files changed and are not usable; the configuration in force stays.
    Refused(Diagnostics),
}

/// The files of a configuration and what they looked like last.
pub struct Watch {
    loader: Loader,
    files: Vec<(PathBuf, Option<Fingerprint>)>,
    /// What was wrong with parts of the configuration in force.
    faults: Vec<String>,
    /// Where the gateway serves until it is started anew.
    serving: Vec<Listen>,
}

/// What changes when a file does.
#[derive(Clone, PartialEq, Eq)]
struct Fingerprint {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Watch {
    /// Watches what was just loaded.
    pub fn new(loader: Loader, loaded: &Loaded) -> Watch {
        let serving = loaded.config.as_ref().map(|config| config.switchboard.listen.clone()).unwrap_or_default();
        let mut watch = Watch { loader, files: Vec::new(), faults: faults(loaded), serving };
        watch.remember(&loaded.files);
        watch
    }

    /// Looks once. `None`: nothing changed.
    pub fn check(&mut self) -> Option<Reload> {
        let changed = self.files.iter().any(|(path, seen)| fingerprint(path) != *seen);
        changed.then(|| self.reload())
    }

    /// Loads again, whether or not anything changed.
    pub fn reload(&mut self) -> Reload {
        // Before reading, so that a change while reading is seen next time.
        let before: Vec<_> = self.files.iter().map(|(path, _)| (path.clone(), fingerprint(path))).collect();
        let mut loaded = self.loader.load();
        if let Some(config) = &loaded.config {
            check_change(config, &self.serving, &mut loaded.diagnostics);
        }
        self.remember(&loaded.files);
        for (path, seen) in before {
            if let Some(known) = self.files.iter_mut().find(|(known, _)| *known == path) {
                known.1 = seen;
            }
        }
        let faults = faults(&loaded);
        match loaded.config {
            // A part that a start would leave out is in force as it was.
            Some(config) if !loaded.diagnostics.has_errors() && faults.iter().all(|fault| self.faults.contains(fault)) => {
                self.faults = faults;
                Reload::Changed(Arc::new(config))
            }
            Some(_) | None => Reload::Refused(loaded.diagnostics),
        }
    }

    /// Watches on a thread of its own and hands every outcome to `on_reload`.
    pub fn spawn(mut self, interval: Duration, mut on_reload: impl FnMut(Reload) + Send + 'static) -> std::io::Result<WatchThread> {
        let (ask, asked) = mpsc::channel();
        let thread = std::thread::Builder::new().name("config-watch".to_owned()).spawn(move || {
            loop {
                let outcome = match asked.recv_timeout(interval) {
                    Ok(()) => Some(self.reload()),
                    Err(RecvTimeoutError::Timeout) => self.check(),
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if let Some(outcome) = outcome {
                    // One that cannot be put in force leaves the one before.
                    let _told = apart::step("config-watch", || on_reload(outcome));
                }
            }
        })?;
        Ok(WatchThread { ask: Some(ask), thread: Some(thread) })
    }

    /// A file that failed to load may name fewer includes than before; the root is always among them.
    fn remember(&mut self, files: &[PathBuf]) {
        self.files = files.iter().map(|path| (path.clone(), fingerprint(path))).collect();
        if let Source::File(root) = &self.loader.source
            && !files.contains(root)
        {
            self.files.push((root.clone(), fingerprint(root)));
        }
    }
}

/// The thread of a [`Watch`]; it ends when this is dropped.
pub struct WatchThread {
    ask: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WatchThread {
    /// Loads now, as on a hang-up signal.
    pub fn reload_now(&self) {
        if let Some(ask) = &self.ask {
            // The thread is gone only if the callback panicked; then there is nothing left to ask.
            let _ = ask.send(());
        }
    }
}

impl Drop for WatchThread {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the callback was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn faults(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.faults().map(|fault| fault.message.clone()).collect()
}

fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Fingerprint { modified: metadata.modified().ok(), bytes: metadata.len(), inode: inode(&metadata) })
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_metadata: &std::fs::Metadata) -> u64 {
    0
}
