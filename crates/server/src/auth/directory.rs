//! Keys that are known, in memory.
//!
//! Looking one up takes a short lock on one of many shards and no await. A key that is not known is looked up once, however many
//! ask for it at the same time; that there is none is remembered too, for a while. Every change of an object is heard here before
//! its author is answered, and what it concerns is forgotten, so that the next request sees it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use switchboard_engine::terms::Level;
use switchboard_store::desk::{Change, Listener};
use switchboard_store::object::{
    AuthCode, Budget, CreditAccount, CreditEntry, CreditExpiry, Customer, DatedPrice, FormerKey, JwtKeyMapping, Key, Object, Organization,
    Owned, Password, Preset, PresetVersion, Project, Session, Tag, Team, TeamMember, User,
};
use tokio::sync::OnceCell;

use super::caller::{Caller, Credential};
use super::guests::Guests;
use super::{Digest, digest_of_hex};
use crate::preset::Presets;
use crate::refused::Refused;

const SHARDS: usize = 64;
/// The most keys of one shard that are kept, and the most that are known not to be.
const KEPT: usize = 4096;
const ABSENT: usize = 512;
/// How long it is believed that a key does not exist.
const BELIEVED: Duration = Duration::from_secs(30);

type Shard = RwLock<Entries>;
/// What came of one look-up: a caller, or none, or why it is not known.
type Flight = Arc<OnceCell<Option<Arc<Caller>>>>;

#[derive(Debug, Default)]
struct Entries {
    known: HashMap<Digest, Arc<Caller>>,
    absent: HashMap<Digest, Instant>,
}

/// The keys that are known.
#[derive(Debug)]
pub struct Directory {
    shards: Vec<Shard>,
    flights: Mutex<HashMap<Digest, Flight>>,
    /// Customers and tags that calls name.
    pub guests: Guests,
    /// Presets that calls name.
    pub(crate) presets: Presets,
    /// Counts what was forgotten: what was read before may be out of date.
    forgotten: AtomicU64,
    /// Whether some key stands for a token.
    lends: AtomicBool,
}

impl Default for Directory {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        Self {
            shards,
            flights: Mutex::default(),
            guests: Guests::default(),
            presets: Presets::default(),
            forgotten: AtomicU64::new(0),
            lends: AtomicBool::new(false),
        }
    }
}

impl Directory {
    /// The caller of that key, if it is known whether there is one.
    pub fn known(&self, key: &Digest) -> Option<Option<Arc<Caller>>> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = shard.known.get(key) {
            return Some(Some(caller.clone()));
        }
        shard.absent.get(key).filter(|until| Instant::now() < **until).map(|_| None)
    }

    /// The caller of that key, read by `read` where it is not known. Whoever asks meanwhile waits for the same answer.
    pub async fn find<F>(&self, key: Digest, read: impl Fn() -> F) -> Result<Option<Arc<Caller>>, Refused>
    where
        F: Future<Output = Result<Option<Caller>, Refused>>,
    {
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let flight = self.flights.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let found = flight.get_or_try_init(|| self.look_up(key, &read)).await.cloned();
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&key).is_some_and(|current| Arc::ptr_eq(current, &flight)) {
            flights.remove(&key);
        }
        found
    }

    async fn look_up<F>(&self, key: Digest, read: &impl Fn() -> F) -> Result<Option<Arc<Caller>>, Refused>
    where
        F: Future<Output = Result<Option<Caller>, Refused>>,
    {
        loop {
            let before = self.forgotten.load(Ordering::Acquire);
            switchboard_engine::failpoint::hit("looking_up");
            let caller = read().await?.map(Arc::new);
            let leans = |caller: &Arc<Caller>| !caller.makers.is_empty() || is_lent(caller) && caller.principal.key_hash.is_some();
            if caller.as_ref().is_some_and(leans) {
                self.lends.store(true, Ordering::Relaxed);
            }
            let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
            // Something changed while it was read: perhaps this.
            if self.forgotten.load(Ordering::Acquire) != before {
                continue;
            }
            shard.keep(key, caller.clone());
            return Ok(caller);
        }
    }

    /// Remembers that there is no such key.
    pub fn none(&self, key: Digest) {
        self.shard(&key).write().unwrap_or_else(PoisonError::into_inner).keep(key, None);
    }

    /// Knows somebody again as before.
    pub fn remember(&self, key: Digest, caller: Arc<Caller>) {
        self.shard(&key).write().unwrap_or_else(PoisonError::into_inner).keep(key, Some(caller));
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.forget(|_| true);
    }

    /// Forgets one.
    pub fn forget_key(&self, hash: &str) {
        let Some(key) = digest_of_hex(hash) else { return };
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
        shard.known.remove(&key);
        shard.absent.remove(&key);
    }

    /// Forgets tokens that a key stands for, and the keys that were made with it.
    fn forget_lent(&self, hash: &str) {
        if self.lends.load(Ordering::Relaxed) {
            let is_its = |caller: &Caller| is_lent(caller) && caller.principal.key_hash.as_deref() == Some(hash);
            self.forget(|caller| is_its(caller) || caller.makers.iter().any(|maker| maker == hash));
        }
    }

    fn forget(&self, which: impl Fn(&Caller) -> bool) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.known.retain(|_, caller| !which(caller));
        }
    }

    /// Forgets everybody whose calls an account pays for.
    fn forget_owner(&self, account: &str) {
        let owner = crate::books::accounts::owner(account);
        let is = |one: &Option<String>| one.as_deref() == Some(&*owner.id);
        match owner.level {
            Level::Team => self.forget(|caller| is(&caller.team)),
            Level::User => self.forget(|caller| is(&caller.user)),
            Level::Organization => self.forget(|caller| is(&caller.organization)),
            // A key that was regenerated is known under another hash than its account's.
            Level::Key => {
                self.forget(|caller| caller.principal.scopes.iter().any(|scope| scope.id.level == Level::Key && scope.id.id == owner.id))
            }
            _ => {}
        }
    }

    fn shard(&self, key: &Digest) -> &Shard {
        &self.shards[usize::from(key[0]) % SHARDS]
    }
}

/// Whether the caller came with a token, for which a key may stand.
fn is_lent(caller: &Caller) -> bool {
    caller.credential == Credential::Token
}

impl Entries {
    fn keep(&mut self, key: Digest, caller: Option<Arc<Caller>>) {
        match caller {
            Some(caller) => {
                self.absent.remove(&key);
                if self.known.len() >= KEPT
                    && let Some(any) = self.known.keys().next().copied()
                {
                    self.known.remove(&any);
                }
                self.known.insert(key, caller);
            }
            None => {
                if self.absent.len() >= ABSENT {
                    self.absent.clear();
                }
                self.absent.insert(key, Instant::now() + BELIEVED);
            }
        }
    }
}

impl Listener for Directory {
    fn changed(&self, changes: &[Change]) {
        for Change { kind, id, .. } in changes {
            let is = |one: &Option<String>| one.as_deref() == Some(id.as_str());
            match kind.as_str() {
                Key::KIND => {
                    self.forget_key(id);
                    self.forget_lent(id);
                }
                FormerKey::KIND | Session::KIND => self.forget_key(id),
                // No key is made of it.
                AuthCode::KIND | Owned::KIND => {}
                Password::KIND => self.forget(|caller| caller.credential == Credential::Session && is(&caller.user)),
                JwtKeyMapping::KIND => self.forget(|caller| caller.credential == Credential::Token),
                Team::KIND => self.forget(|caller| is(&caller.team) || caller.others.iter().any(|other| is(&other.team))),
                User::KIND => self.forget(|caller| is(&caller.user)),
                Project::KIND => self.forget(|caller| is(&caller.project)),
                Organization::KIND => self.forget(|caller| is(&caller.organization)),
                TeamMember::KIND => self.forget(|caller| {
                    let member = caller.team.as_deref().zip(caller.user.as_deref());
                    member.is_some_and(|(team, user)| TeamMember::id_of(team, user) == *id)
                }),
                CreditAccount::KIND => self.forget_owner(id),
                // They say nothing of what a key may.
                CreditEntry::KIND | CreditExpiry::KIND | DatedPrice::KIND => {}
                Customer::KIND | Tag::KIND => self.guests.forget(),
                Preset::KIND | PresetVersion::KIND => self.presets.forget(),
                Budget::KIND => {
                    self.guests.forget();
                    self.forget(|_| true);
                }
                // Access groups and what else keys may be built from: seldom, and perhaps in any of them.
                _ => self.forget(|_| true),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_key_is_looked_up_once_and_again_when_it_changed() {
        let (directory, reads) = (Directory::default(), Cell::new(0));
        let key = crate::auth::digest(b"sk-one");
        let read = || async {
            reads.set(reads.get() + 1);
            Ok(Some(Caller::trusted(Credential::Key)))
        };
        block(async {
            for _ in 0..3 {
                assert!(directory.find(key, read).await.expect("found").is_some());
            }
        });
        assert_eq!(reads.get(), 1);
        directory.forget_key(&hex::encode(key));
        assert!(directory.known(&key).is_none());
        block(async { assert!(directory.find(key, read).await.expect("found").is_some()) });
        assert_eq!(reads.get(), 2);
    }

    #[test]
    fn that_there_is_none_is_remembered_and_trouble_is_not() {
        let (directory, reads) = (Directory::default(), Cell::new(0));
        let key = crate::auth::digest(b"sk-none");
        block(async {
            let trouble = || async { Err(Refused::no_store()) };
            assert!(directory.find(key, trouble).await.is_err());
            let none = || async {
                reads.set(reads.get() + 1);
                Ok(None)
            };
            for _ in 0..3 {
                assert!(directory.find(key, none).await.expect("known").is_none());
            }
        });
        assert_eq!(reads.get(), 1);
    }

    #[test]
    fn what_is_read_while_it_changes_is_read_again() {
        let (directory, reads) = (Directory::default(), Cell::new(0));
        let key = crate::auth::digest(b"sk-two");
        let read = || async {
            reads.set(reads.get() + 1);
            if reads.get() == 1 {
                directory.forget_all();
            }
            Ok(Some(Caller::trusted(Credential::Key)))
        };
        block(async { assert!(directory.find(key, read).await.expect("found").is_some()) });
        assert_eq!(reads.get(), 2);
    }
}
