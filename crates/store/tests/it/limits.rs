//! Limits that gateways share in Redis.

use std::sync::Arc;

use switchboard_engine::book::Book;
use switchboard_engine::book::share::{Draw, Pool, Shares};
use switchboard_engine::terms::{Level, ScopeId, Unit};
use switchboard_store::RedisLimits;
use tokio::task::JoinSet;

const LIMIT: u64 = 100;
const MINUTE: i64 = 60_000_000;

fn gateway(address: &str, name: &str, space: &str) -> Arc<RedisLimits> {
    let limits = Arc::new(RedisLimits::new(address, name, space).expect("an address"));
    let serving = limits.clone();
    tokio::spawn(async move { serving.serve(&Book::default()).await });
    limits
}

async fn together(gateways: &[Arc<RedisLimits>]) {
    let count = gateways.len() as u64;
    while !gateways.iter().all(|gateway| gateway.company().is_up && gateway.company().gateways == count) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// As many calls at one time: what each was granted.
async fn draw(gateway: &Arc<RedisLimits>, space: &str, calls: usize) -> u64 {
    let pool = Pool { scope: ScopeId::new(Level::Key, space), unit: Unit::Requests, within: MINUTE };
    let mut asking = JoinSet::new();
    for _ in 0..calls {
        let (gateway, pool) = (gateway.clone(), pool.clone());
        asking.spawn(async move { gateway.draw(vec![Draw { pool, limit: Some(LIMIT), least: 1 }]).await.expect("answered")[0].granted });
    }
    asking.join_all().await.into_iter().sum()
}

#[test]
fn calls_at_one_time_draw_little_more_than_they_need() {
    let Ok(address) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let space = format!("{}-{}", std::process::id(), now.as_nanos());
        let gateways = ["one", "two", "three"].map(|name| gateway(&address, name, &space));
        together(&gateways).await;
        let first = draw(&gateways[0], &space, 30).await;
        assert!((30..40).contains(&first), "thirty calls were granted {first}");
        // Near the limit nobody takes what another may need at that moment.
        let mut all = first;
        for _ in 0..LIMIT {
            all += draw(&gateways[1], &space, 1).await;
        }
        assert_eq!(all, LIMIT);
        assert_eq!(draw(&gateways[2], &space, 1).await, 0);
    });
}

/// M15: places of a gateway that was killed come free within half a minute, and those of one that lives stay its own.
#[test]
fn m15_places_of_a_killed_gateway_come_free() {
    let Ok(address) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let space = format!("{}-{}", std::process::id(), now.as_nanos());
        let pool = Pool { scope: ScopeId::new(Level::Key, space.as_str()), unit: Unit::Parallel, within: 0 };
        let places = |gateway: Arc<RedisLimits>, least: u64| {
            let draw = Draw { pool: pool.clone(), limit: Some(2), least };
            async move { gateway.draw(vec![draw]).await.expect("answered")[0].granted }
        };
        let killed = Arc::new(RedisLimits::new(&address, "killed", &space).expect("an address"));
        let serving = tokio::spawn({
            let serving = killed.clone();
            async move { serving.serve(&Book::default()).await }
        });
        let other = gateway(&address, "other", &space);
        together(&[killed.clone(), other.clone()]).await;
        assert_eq!(places(killed.clone(), 2).await, 2);
        assert_eq!(places(other.clone(), 1).await, 0, "they are taken");
        serving.abort();
        let since = std::time::Instant::now();
        while places(other.clone(), 1).await == 0 {
            assert!(since.elapsed().as_secs() <= 30, "nobody gives them back");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    });
}
