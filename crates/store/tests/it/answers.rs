//! Answers that are kept: claimed once, kept for a time, and let go.

use std::time::Duration;

use bytes::Bytes;
use switchboard_engine::shelf::{Archive, Claim, Slot};
use switchboard_store::{RedisArchive, SqlArchive};

use crate::stores;

const TIME: Duration = Duration::from_secs(60);

fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// What is handed over is not waited for: looks until it is there.
async fn until(archive: &dyn Archive, slot: Slot, wanted: &Claim) {
    for _ in 0..200 {
        let claim = archive.claim(slot, TIME).await.expect("reached");
        if claim == *wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{wanted:?} never came");
}

async fn keeps(one: &dyn Archive, other: &dyn Archive, seed: u8) {
    let slot = Slot { name: [seed; 32], request: [1; 32] };
    let different = Slot { request: [2; 32], ..slot };
    assert_eq!(one.claim(slot, TIME).await, Ok(Claim::Taken));
    assert_eq!(other.claim(slot, TIME).await, Ok(Claim::Running));
    assert_eq!(other.claim(different, TIME).await, Ok(Claim::Other));
    let answer = Bytes::from_static(b"200\n\n{\"a\":\"\xc3\xbc\"}\x00\xff");
    one.keep(slot, answer.clone(), TIME);
    until(other, slot, &Claim::Kept(answer.clone())).await;
    assert_eq!(other.claim(different, TIME).await, Ok(Claim::Other));
    // What has an answer is not let go.
    other.release(slot);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(one.claim(slot, TIME).await, Ok(Claim::Kept(answer)));
    // A claim that is let go is anybody's, and so is one that nobody followed up.
    let second = Slot { name: [seed + 1; 32], request: [1; 32] };
    assert_eq!(one.claim(second, TIME).await, Ok(Claim::Taken));
    one.release(second);
    until(other, second, &Claim::Taken).await;
    let third = Slot { name: [seed + 2; 32], request: [1; 32] };
    assert_eq!(one.claim(third, Duration::from_millis(30)).await, Ok(Claim::Taken));
    tokio::time::sleep(Duration::from_millis(60)).await;
    until(other, third, &Claim::Taken).await;
    // An answer is kept for its time.
    let fourth = Slot { name: [seed + 3; 32], request: [1; 32] };
    assert_eq!(one.claim(fourth, TIME).await, Ok(Claim::Taken));
    one.keep(fourth, Bytes::from_static(b"x"), Duration::from_millis(30));
    until(other, fourth, &Claim::Taken).await;
}

#[test]
fn in_the_database() {
    stores::each(|store| run(keeps(&SqlArchive::new(store), &SqlArchive::new(store), 10)));
}

#[test]
fn in_redis() {
    let Ok(address) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    let archive = || RedisArchive::new(&address).expect("an address");
    // No other run of these tests has these names.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").subsec_nanos();
    run(keeps(&Salted(archive(), now), &Salted(archive(), now), 20));
}

#[test]
fn one_that_is_away_says_so() {
    let archive = RedisArchive::new("redis://127.0.0.1:1").expect("an address");
    assert!(run(archive.claim(Slot { name: [0; 32], request: [0; 32] }, TIME)).is_err());
}

/// With names of its own.
struct Salted(RedisArchive, u32);

impl Salted {
    fn of(&self, mut slot: Slot) -> Slot {
        slot.name[..4].copy_from_slice(&self.1.to_le_bytes());
        slot.name[4..8].copy_from_slice(&std::process::id().to_le_bytes());
        slot
    }
}

impl Archive for Salted {
    fn claim(&self, slot: Slot, time: Duration) -> switchboard_engine::book::port::Later<'_, Result<Claim, String>> {
        self.0.claim(self.of(slot), time)
    }

    fn keep(&self, slot: Slot, answer: Bytes, time: Duration) {
        self.0.keep(self.of(slot), answer, time);
    }

    fn release(&self, slot: Slot) {
        self.0.release(self.of(slot));
    }
}
