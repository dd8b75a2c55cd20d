//! Kept answers, sealed: whoever can read the database or Redis shall not read what was answered.
//!
//! The key follows from the master key. Where that was changed meanwhile, an answer does not open any more, and its request is made
//! once more: they are kept for minutes, and nothing is worth carrying over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_engine::book::port::Later;
use switchboard_engine::shelf::{Archive, Claim, Slot};

use crate::vault::{MasterKey, Sealer, VaultError};

const PURPOSE: &str = "kept answers";

/// An archive whose answers are sealed.
#[derive(Debug)]
pub struct SealedArchive<A> {
    inner: Arc<A>,
    sealer: Sealer,
}

impl<A: Archive> SealedArchive<A> {
    /// That archive, sealed by that key.
    pub fn new(inner: A, master: &MasterKey) -> Result<Self, VaultError> {
        Ok(Self { inner: Arc::new(inner), sealer: master.sealer(PURPOSE)? })
    }
}

/// An answer is sealed for its own slot: it opens in no other.
fn context(slot: &Slot) -> Vec<u8> {
    [&slot.name[..], &slot.request[..]].concat()
}

impl<A: Archive> Archive for SealedArchive<A> {
    fn claim(&self, slot: Slot, time: Duration) -> Later<'_, Result<Claim, String>> {
        Box::pin(async move {
            match self.inner.claim(slot, time).await? {
                Claim::Kept(sealed) => {
                    let plain = self.sealer.open(&context(&slot), &sealed).map_err(|error| format!("a kept answer: {error}"))?;
                    Ok(Claim::Kept(Bytes::copy_from_slice(&plain)))
                }
                other => Ok(other),
            }
        })
    }

    fn keep(&self, slot: Slot, answer: Bytes, time: Duration) {
        match self.sealer.seal(&context(&slot), &answer) {
            Ok(sealed) => self.inner.keep(slot, sealed.into(), time),
            Err(error) => {
                tracing::warn!(%error, "an answer could not be sealed and is not kept");
                self.inner.release(slot);
            }
        }
    }

    fn release(&self, slot: Slot) {
        self.inner.release(slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Memory(Mutex<Option<Bytes>>);

    impl Archive for Memory {
        fn claim(&self, _: Slot, _: Duration) -> Later<'_, Result<Claim, String>> {
            let kept = self.0.lock().expect("not poisoned").clone();
            Box::pin(async move { Ok(kept.map_or(Claim::Taken, Claim::Kept)) })
        }

        fn keep(&self, _: Slot, answer: Bytes, _: Duration) {
            *self.0.lock().expect("not poisoned") = Some(answer);
        }

        fn release(&self, _: Slot) {}
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn what_lies_there_is_unreadable_and_comes_back_for_its_own_slot_alone() {
        let master = MasterKey::of_text("a master key of some length").expect("long enough");
        let archive = SealedArchive::new(Memory::default(), &master).expect("an archive");
        let (slot, time) = (Slot { name: [1; 32], request: [2; 32] }, Duration::from_secs(9));
        let answer = Bytes::from_static(b"the answer to everything");
        assert!(matches!(block(archive.claim(slot, time)), Ok(Claim::Taken)));
        archive.keep(slot, answer.clone(), time);
        let lies = archive.inner.0.lock().expect("not poisoned").clone().expect("kept");
        assert!(!lies.windows(6).any(|part| part == b"answer"), "{lies:?}");
        assert!(matches!(block(archive.claim(slot, time)), Ok(Claim::Kept(kept)) if kept == answer));
        assert!(block(archive.claim(Slot { name: [3; 32], ..slot }, time)).is_err());
        // Under another master key it is none.
        let other = MasterKey::of_text("another master key of some length").expect("long enough");
        let other = SealedArchive { inner: archive.inner.clone(), sealer: other.sealer(PURPOSE).expect("a key") };
        assert!(block(other.claim(slot, time)).is_err());
    }
}
