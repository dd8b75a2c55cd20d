//! What gateways leave for each other in Redis.

use switchboard_engine::health::Report;
use switchboard_engine::health::peers::Peers;
use switchboard_store::RedisPeers;
use switchboard_store::redis::Redis;

fn report(id: &str) -> Report {
    Report {
        id: id.to_owned(),
        since: 1,
        requests: 3,
        tokens: 40,
        attempts: 3,
        failures: 1,
        unanswered: 1,
        whole: Some(0.25),
        resting_until: Some(7),
        ..Report::default()
    }
}

fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// A name that no other run of these tests has.
fn name(of: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    format!("{of}-{}-{}", std::process::id(), now.as_nanos())
}

#[test]
fn each_gateway_is_told_what_the_others_left_and_not_its_own() {
    let Ok(address) = std::env::var("TEST_REDIS_URL") else {
        println!("skipped: TEST_REDIS_URL names no Redis");
        return;
    };
    run(async {
        let (one, other) = (name("one"), name("other"));
        let first = RedisPeers::new(&address, &*one).expect("an address");
        let second = RedisPeers::new(&address, &*other).expect("an address");
        first.exchange(vec![report(&one)]).await.expect("answered");
        let told = second.exchange(vec![report(&other)]).await.expect("answered");
        assert!(told.iter().any(|list| *list == [report(&one)]), "{told:?}");
        assert!(!told.iter().flatten().any(|report| report.id == other), "{told:?}");
        let told = first.exchange(Vec::new()).await.expect("answered");
        assert!(told.iter().any(|list| *list == [report(&other)]), "{told:?}");
        let told = second.exchange(Vec::new()).await.expect("answered");
        assert!(!told.iter().flatten().any(|report| report.id == one), "what is not repeated is forgotten: {told:?}");
        assert!(first.is_up() && second.is_up());
    });
}

#[test]
fn a_redis_that_is_away_is_left_alone() {
    // Nothing listens there: the port was free a moment ago and is bound by nobody who accepts.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    run(async {
        let peers = RedisPeers::new(&format!("redis://127.0.0.1:{port}"), "x").expect("an address");
        let first = peers.exchange(Vec::new()).await.expect_err("nobody is there");
        assert!(first.contains("Redis failed"), "{first}");
        let next = peers.exchange(Vec::new()).await.expect_err("nobody is there");
        assert!(next.contains("left alone"), "{next}");
        assert!(!peers.is_up());
    });
}

#[test]
fn an_address_that_makes_no_sense_is_refused_without_being_repeated() {
    let refused = Redis::new("http://user:hush@host").expect_err("no address of Redis").to_string();
    assert!(refused.contains("redis://") && !refused.contains("hush"), "{refused}");
}
