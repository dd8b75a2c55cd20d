//! Gateways that share limits and money, and what they do when Redis or PostgreSQL goes away: with the real servers, over a line
//! that freezes, slows down and breaks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use switchboard_store::{Settings, Store};

use crate::app::{Reply, until};
use crate::line::Line;
use crate::managed::{MASTER, Managed, together};

/// The Redis of the tests: host and port, and the rest of its address.
#[allow(clippy::disallowed_methods, reason = "where the test Redis is, only the environment says")]
fn redis() -> Option<String> {
    let address = std::env::var("TEST_REDIS_URL").ok();
    if address.is_none() {
        println!("skipped: TEST_REDIS_URL names no Redis");
    }
    Some(address?.trim_start_matches("redis://").trim_end_matches('/').to_owned())
}

/// The settings that make gateways meet there, and nobody else with them.
fn meet(redis: &str, more: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
    format!(
        "
router_settings: {{redis_url: 'redis://{redis}/0', cache_kwargs: {{namespace: 'test-{}-{now}'}}}}
switchboard: {{limits_without_redis: {}}}
",
        std::process::id(),
        if more.is_empty() { "local_share" } else { more }
    )
}

fn shares(gateway: &Managed, wanted: bool) -> bool {
    let page = gateway.as_key(MASTER, "GET", "/metrics", &serde_json::Value::Null);
    page.text().contains(if wanted { "switchboard_limits_shared 1.0\n" } else { "switchboard_limits_shared 0.0\n" })
}

/// So many calls at each gateway, all at once; how many answers had which status.
fn burst(gateways: &[Managed], key: &str, each: usize) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    std::thread::scope(|scope| {
        let ask = |gateway| move || (0..each).map(|_| chat(gateway, key).status.as_u16()).collect::<Vec<_>>();
        let threads: Vec<_> = gateways.iter().map(|gateway| scope.spawn(ask(gateway))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("asked")).for_each(|status| *counts.entry(status).or_insert(0) += 1);
    });
    counts
}

/// Nothing may hang, whatever is away.
fn chat(gateway: &Managed, key: &str) -> Reply {
    let began = Instant::now();
    let reply = gateway.chat(key, "good");
    assert!(began.elapsed() < Duration::from_secs(20), "a call hung for {:?}", began.elapsed());
    reply
}

#[test]
fn m12_three_gateways_admit_exactly_a_limit() {
    let Some(redis) = redis() else { return };
    let gateways = together(&meet(&redis, ""), 3, str::to_owned);
    let Some(first) = gateways.first() else { return };
    gateways.iter().for_each(|gateway| until("they meet", || shares(gateway, true)));
    let key = first.key(&json!({"rpm_limit": 100}));
    assert_eq!(burst(&gateways, &key, 60), BTreeMap::from([(200, 100), (429, 80)]));
    let refused = chat(&gateways[2], &key);
    assert_eq!((refused.status.as_u16(), refused.header("rate_limit_type")), (429, "requests"));
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
}

#[test]
fn tokens_and_places_are_shared() {
    let Some(redis) = redis() else { return };
    let gateways = together(&meet(&redis, ""), 2, str::to_owned);
    let Some(first) = gateways.first() else { return };
    gateways.iter().for_each(|gateway| until("they meet", || shares(gateway, true)));
    let key = first.key(&json!({"max_parallel_requests": 2}));
    for round in 0..10 {
        let reply = chat(&gateways[round % 2], &key);
        assert_eq!(reply.status, 200, "nobody is left in a place: {}", reply.text());
    }
    let key = first.key(&json!({"tpm_limit": 1300}));
    let answered = |gateway: &Managed| (0..100).filter(|_| chat(gateway, &key).status == 200).count();
    let (one, other) = (answered(&gateways[0]), answered(&gateways[1]));
    // Each call takes four tokens, once it is known that it takes no more.
    assert!(one > 0 && (one + other) * 4 <= 1300 && one + other < 150, "{one} and {other}");
}

/// D1: Redis freezes, slows down, or breaks off. Nothing hangs or fails, and each gateway keeps to its part.
#[test]
fn d1_gateways_keep_to_their_part_without_redis() {
    let Some(redis) = redis() else { return };
    for trouble in [Line::freeze, Line::cut, Line::slow] {
        let line = Line::to(redis.split('/').next().expect("a host"));
        let gateways = together(&meet(&format!("127.0.0.1:{}", line.port()), ""), 2, str::to_owned);
        let Some(first) = gateways.first() else { return };
        gateways.iter().for_each(|gateway| until("they meet", || shares(gateway, true)));
        // The second one has to have heard of the first: it says so every second.
        std::thread::sleep(Duration::from_millis(1200));
        let (free, limited, late) = (first.key(&json!({})), first.key(&json!({"rpm_limit": 40})), first.key(&json!({"rpm_limit": 9})));
        gateways.iter().for_each(|gateway| assert_eq!(chat(gateway, &free).status, 200));
        trouble(&line);
        let began = Instant::now();
        let told = burst(&gateways, &limited, 40);
        // LiteLLM #35273: one call may wait for what does not answer, and not each.
        assert!(began.elapsed() < Duration::from_secs(20), "forty calls after each other took {:?}", began.elapsed());
        assert_eq!(told, BTreeMap::from([(200, 40), (429, 40)]), "both parts are the whole");
        gateways.iter().for_each(|gateway| until("it is noticed", || shares(gateway, false)));
        assert_eq!(burst(&gateways, &free, 10), BTreeMap::from([(200, 20)]));
        line.mend();
        gateways.iter().for_each(|gateway| until("they meet again", || shares(gateway, true)));
        assert_eq!(burst(&gateways, &limited, 5), BTreeMap::from([(429, 10)]), "what was used alone is used");
        assert_eq!(burst(&gateways, &late, 10), BTreeMap::from([(200, 9), (429, 11)]));
    }
}

/// D1: Redis has not answered since the gateways began. How many they are, the database knows.
#[test]
fn d1_gateways_that_never_found_redis_keep_to_their_part() {
    let Some(redis) = redis() else { return };
    let line = Line::to(redis.split('/').next().expect("a host"));
    line.cut();
    let gateways = together(&meet(&format!("127.0.0.1:{}", line.port()), ""), 3, str::to_owned);
    let Some(first) = gateways.first() else { return };
    let counts = |gateway: &Managed| gateway.as_key(MASTER, "GET", "/metrics", &serde_json::Value::Null).text().to_owned();
    let all = |gateway: &Managed| counts(gateway).contains("switchboard_limits_gateways 3.0\n");
    gateways.iter().for_each(|gateway| until("they know of each other", || all(gateway)));
    let limited = first.key(&json!({"rpm_limit": 100}));
    assert_eq!(burst(&gateways, &limited, 60), BTreeMap::from([(200, 100), (429, 80)]), "all parts are the whole");
    line.mend();
    gateways.iter().for_each(|gateway| until("they meet", || shares(gateway, true)));
    assert_eq!(burst(&gateways, &limited, 5), BTreeMap::from([(429, 15)]), "what was used alone is used");
}

#[test]
fn an_operator_may_have_limits_fail_closed_or_open() {
    let Some(redis) = redis() else { return };
    for (without, wanted) in [("closed", 503), ("open", 200)] {
        let line = Line::to(redis.split('/').next().expect("a host"));
        let gateways = together(&meet(&format!("127.0.0.1:{}", line.port()), without), 1, str::to_owned);
        let Some(first) = gateways.first() else { return };
        let (free, limited) = (first.key(&json!({})), first.key(&json!({"rpm_limit": 1})));
        until("it is there", || shares(first, true));
        assert_eq!(chat(first, &limited).status, 200);
        line.cut();
        until("it is noticed", || shares(first, false));
        assert_eq!(chat(first, &limited).status.as_u16(), wanted);
        assert_eq!(chat(first, &free).status, 200);
    }
}

/// D2: PostgreSQL goes away for a while. Known keys are served, unknown ones are told to come again, nobody is told 401, and what
/// was spent is in the books when it is back.
#[test]
fn d2_known_keys_are_served_without_postgresql() {
    let Some(address) = crate::managed::database() else { return };
    let server = address.split("://").nth(1).and_then(|rest| rest.rsplit('@').next()).and_then(|rest| rest.split('/').next());
    let server = server.expect("a host").to_owned();
    let line = Line::to(&if server.contains(':') { server.clone() } else { format!("{server}:5432") });
    let through = |address: &str| address.replacen(&server, &format!("127.0.0.1:{}", line.port()), 1);
    let yaml = "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}\n";
    let gateways = together(yaml, 2, through);
    let [gateway, other] = &gateways[..] else { return };
    let (known, paid) = (gateway.key(&json!({})), gateway.key(&json!({"max_budget": 5})));
    let unknown = [other.key(&json!({})), other.key(&json!({}))];
    assert_eq!(gateway.chat(&known, "good").status, 200);
    assert_eq!(gateway.chat(&paid, "cent").status, 200);
    for (trouble, unknown) in [Line::cut, Line::freeze].into_iter().zip(&unknown) {
        trouble(&line);
        let mut statuses = BTreeMap::new();
        for _ in 0..30 {
            assert_eq!(chat(gateway, &known).status, 200);
            let reply = gateway.chat(&paid, "cent");
            *statuses.entry(reply.status.as_u16()).or_insert(0) += 1;
        }
        assert!(statuses.keys().all(|status| matches!(status, 200 | 503)), "what is leased is spent, then nothing: {statuses:?}");
        assert!(statuses.contains_key(&200), "{statuses:?}");
        // Its health is its own: who is known is still served.
        for page in ["/health/liveness", "/health/readiness"] {
            assert_eq!(gateway.app.get(page).status, 200, "{page}");
        }
        let refused = chat(gateway, unknown);
        assert_eq!(refused.status, 503, "{}", refused.text());
        let never = chat(gateway, "sk-0123456789abcdef0123456789abcdef");
        assert!(matches!(never.status.as_u16(), 401 | 503), "{}", never.text());
        line.mend();
        until("it is there again", || gateway.chat(unknown, "good").status == 200);
        until("its budgets are, too", || gateway.chat(&paid, "cent").status == 200);
    }
    let made = |key: &str| gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().expect("spend");
    assert!(made(&paid) > 0.0);
}

/// Runs a statement there.
fn run(address: &str, statement: String) {
    let store = Store::open(&Settings { address: address.to_owned(), connections: 1 }).expect("an address");
    let pool = store.sql().writers.clone();
    let done = store.thread().block(async move {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await?;
        Ok(())
    });
    done.expect("done");
    store.close();
}

/// D3: PostgreSQL is there and takes no connections, or lets nobody write. Both are outages, and no refusal of what was asked.
#[test]
fn d3_a_database_that_lets_nobody_in_or_write_is_away() {
    let Some(address) = crate::managed::database() else { return };
    let name = format!("test_{}_{}", std::process::id(), switchboard_store::micros());
    let (server, rest) = address.rsplit_once('/').expect("a database");
    let own = format!("{server}/{name}{}", rest.find('?').map_or("", |at| &rest[at..]));
    run(&address, format!("CREATE DATABASE {name}"));
    let gateways = together("", 2, |_| own.clone());
    let [gateway, other] = &gateways[..] else { return };
    let (known, unknown) = (gateway.key(&json!({})), other.key(&json!({})));
    assert_eq!(gateway.chat(&known, "good").status, 200);
    let now = |settings: &str| {
        run(&address, format!("ALTER DATABASE {name} {settings}"));
        run(&address, format!("SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"));
    };
    let make = || gateway.as_key(MASTER, "POST", "/key/generate", &json!({}));
    // Ready all the same: LiteLLM #34929 had every gateway taken out.
    let stands = |db: &str| {
        let told = gateway.app.get("/health/readiness");
        (told.status.as_u16(), told.json()) == (200, json!({"status": "healthy", "db": db}))
    };

    now("ALLOW_CONNECTIONS false");
    for refused in [chat(gateway, &unknown), make()] {
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.text());
    }
    assert_eq!(chat(gateway, &known).status, 200);
    until("that is told", || stands("disconnected"));
    now("ALLOW_CONNECTIONS true");
    until("it is there again", || gateway.chat(&unknown, "good").status == 200);
    until("that is told, too", || stands("connected"));

    now("SET default_transaction_read_only = on");
    until("that is told", || stands("read-only"));
    let refused = make();
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.text());
    assert_eq!(chat(gateway, &known).status, 200);
    // Nobody ends the connections there are.
    run(&address, format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    until("another one is found", || make().status == 200);
    drop(gateways);
    run(&address, format!("DROP DATABASE {name} WITH (FORCE)"));
}

/// D4: PostgreSQL is not there when the gateway starts. It serves what it can, and does not wait for each thing it would have asked.
#[test]
fn d4_a_gateway_starts_without_its_database() {
    let began = Instant::now();
    let gateways = together("", 1, |_| "postgresql://nobody@127.0.0.1:1/none".to_owned());
    let Some(gateway) = gateways.first() else { return };
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    assert_eq!(gateway.app.get("/health/liveliness").status, 200);
    let ready = gateway.app.get("/health/readiness");
    assert_eq!((ready.status.as_u16(), ready.json()["db"].clone()), (200, json!("disconnected")));
    assert_eq!(gateway.chat(MASTER, "good").status, 200);
}

/// What a deployment takes in a minute is one number for all gateways, where the operator wants it kept.
#[test]
fn three_gateways_keep_to_a_deployments_rate() {
    let Some(redis) = redis() else { return };
    let meeting = meet(&redis, "").replace("cache_kwargs", "optional_pre_call_checks: [enforce_model_rate_limits], cache_kwargs");
    let yaml = format!("  - {{model_name: rated, litellm_params: {{model: demo/echo, rpm: 40}}}}\n{meeting}");
    let gateways = together(&yaml, 3, str::to_owned);
    let Some(first) = gateways.first() else { return };
    gateways.iter().for_each(|gateway| until("they meet", || shares(gateway, true)));
    let key = first.key(&json!({}));
    let statuses = |each: usize| {
        let asked = std::thread::scope(|scope| {
            let ask = |gateway| {
                let key = &key;
                move || (0..each).map(|_| Managed::chat(gateway, key, "rated").status.as_u16()).collect::<Vec<_>>()
            };
            let threads: Vec<_> = gateways.iter().map(|gateway| scope.spawn(ask(gateway))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("asked")).collect::<Vec<_>>()
        });
        assert!(asked.iter().all(|status| matches!(status, 200 | 429)), "{asked:?}");
        asked.iter().filter(|status| **status == 200).count()
    };
    // Each alone would admit twenty of these.
    let mut answered = statuses(20);
    assert!((30..=40).contains(&answered), "{answered}");
    until("the rest is used too", || {
        answered += statuses(1);
        assert!(answered <= 40, "{answered}");
        answered == 40
    });
    assert_eq!(statuses(5), 0);
}
