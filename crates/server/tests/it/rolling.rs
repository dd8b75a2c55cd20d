//! Two versions on one database, and what one gateway is told the others hear.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::Row;
use switchboard_store::{Settings, Store, StoreError};

use crate::managed::{MASTER, Managed, together};

/// What goes through most tables: people, keys, budgets, calls, what was spent, and what administrators did.
fn exercise(gateway: &Managed, round: usize) -> String {
    let team = gateway.post("/team/new", &json!({"team_alias": format!("team-{round}"), "max_budget": 5}))["team_id"].clone();
    let user = gateway.post("/user/new", &json!({"user_id": format!("user-{round}")}))["user_id"].clone();
    gateway.post("/team/member_add", &json!({"team_id": team, "member": {"role": "user", "user_id": user}}));
    let key = gateway.key(&json!({"team_id": team, "user_id": user, "max_budget": 1}));
    gateway.post("/key/update", &json!({"key": key, "metadata": {"round": round}}));
    gateway.post("/customer/new", &json!({"user_id": format!("customer-{round}"), "max_budget": 1}));
    gateway.post(
        "/credentials",
        &json!({"credential_name": format!("c-{round}"), "credential_values": {"api_key": "sk-x"}, "credential_info": {}}),
    );
    gateway.post("/model/new", &json!({"model_name": format!("made-{round}"), "litellm_params": {"model": "demo/echo"}}));
    for model in ["good", "other"] {
        let reply = gateway.chat(&key, model);
        assert_eq!(reply.status, 200, "{round}: {}", reply.text());
    }
    for path in [
        format!("/key/info?key={key}"),
        "/key/list".to_owned(),
        "/user/list".to_owned(),
        format!("/team/info?team_id={}", team.as_str().expect("an id")),
        "/spend/logs/v2".to_owned(),
        "/user/daily/activity?start_date=2026-01-01&end_date=2030-01-01".to_owned(),
        "/audit".to_owned(),
    ] {
        gateway.get(&path);
    }
    key
}

/// What a next version's step may do: it only adds. As gateways do, it tries again when others are in its way.
fn next_version(address: &str) {
    let store = Store::open(&Settings { address: address.to_owned(), connections: 1 }).expect("an address");
    let began = Instant::now();
    let tables = loop {
        match add_everywhere(&store) {
            Err(error) if began.elapsed() < Duration::from_secs(60) => println!("again: {error:?}"),
            added => break added,
        }
    };
    assert!(tables.expect("migrated") > 20);
    store.close();
}

/// A column more in every table. How many tables there are.
fn add_everywhere(store: &Store) -> Result<usize, StoreError> {
    let pool = store.sql().writers.clone();
    store.thread().block(async move {
        let mut step = pool.begin().await?;
        let tables =
            sqlx::query("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()").fetch_all(&mut *step).await?;
        for table in &tables {
            let table: String = table.try_get(0)?;
            let added = format!("ALTER TABLE {table} ADD COLUMN of_the_next BIGINT NOT NULL DEFAULT 7");
            sqlx::query(sqlx::AssertSqlSafe(added)).execute(&mut *step).await?;
        }
        sqlx::query("INSERT INTO schema_versions (version, applied_at) SELECT MAX(version) + 1, 0 FROM schema_versions")
            .execute(&mut *step)
            .await?;
        step.commit().await?;
        Ok(tables.len())
    })
}

/// Ends what goes on until then, also where a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// D6: while the next version brings the database to its own form, gateways of this one serve and manage on, and start on it.
#[test]
fn d6_this_version_lives_on_what_the_next_one_has_made() {
    let gateways = together("", 2, str::to_owned);
    let [first, second] = &gateways[..] else { return };
    let key = exercise(first, 1);
    exercise(second, 2);
    let variables = first.environment();
    let address = variables.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, address)| address).expect("an address");
    let (going, asked) = (AtomicBool::new(true), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let ends = Ends(&going);
        for gateway in &gateways {
            let (going, asked, key) = (&going, &asked, &key);
            scope.spawn(move || {
                let _ends = Ends(going);
                while going.load(Ordering::Relaxed) {
                    let reply = gateway.chat(key, "good");
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let wait_for = |more: usize| {
            let wanted = asked.load(Ordering::Relaxed) + more;
            while asked.load(Ordering::Relaxed) < wanted && going.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for(20);
        next_version(address);
        wait_for(20);
        exercise(first, 3);
        exercise(second, 4);
        drop(ends);
    });
    let third = first.another().expect("they share a database");
    exercise(&third, 5);
    assert_eq!(third.chat(&key, "good").status, 200);
}

/// A change that others keep from the database for too long may be made again: nothing is wrong with it, or with the caller.
#[test]
fn a_change_that_others_are_in_the_way_of_may_be_made_again() {
    let gateways = together("", 1, str::to_owned);
    let [gateway, ..] = &gateways[..] else { return };
    let variables = gateway.environment();
    let address = variables.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, address)| address).expect("an address");
    let store = Store::open(&Settings { address: address.clone(), connections: 1 }).expect("an address");
    let (pool, (held, holds), (done, ends)) = (store.sql().writers.clone(), channel(), tokio::sync::oneshot::channel::<()>());
    let new = json!({"team_alias": "late"});
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            store.thread().block(async move {
                let mut on = pool.begin().await?;
                sqlx::query("LOCK TABLE objects IN EXCLUSIVE MODE").execute(&mut *on).await?;
                // Whoever asked has gone if nobody hears, and it is time to end.
                let _ = held.send(());
                let _ = ends.await;
                Ok(on.commit().await?)
            })
        });
        holds.recv().expect("locked");
        let reply = gateway.as_key(MASTER, "POST", "/team/new", &new);
        drop(done);
        others.join().expect("no panic").expect("committed");
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"), "{}", reply.text());
    });
    gateway.post("/team/new", &new);
    store.close();
}

/// Asks until the answer is that one; how long it took.
fn until(gateway: &Managed, key: &str, wanted: u16) -> Duration {
    let began = Instant::now();
    loop {
        let reply = gateway.chat(key, "good");
        if reply.status.as_u16() == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{wanted} is wanted: {} {}", reply.status, reply.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// L4: what is taken back at one gateway is taken back at all of them.
#[test]
fn l4_what_is_revoked_at_one_gateway_is_revoked_at_all() {
    let gateways = together("", 3, str::to_owned);
    let [first, ..] = &gateways[..] else { return };
    let team = first.post("/team/new", &json!({"team_id": "t"}))["team_id"].clone();
    let user = first.post("/user/new", &json!({"user_id": "u"}))["user_id"].clone();
    let key = first.key(&json!({"team_id": team}));
    let of_user = first.key(&json!({"user_id": user}));
    let mut slowest = Duration::ZERO;
    let mut all = |key: &str, wanted: u16| {
        for gateway in &gateways {
            slowest = slowest.max(until(gateway, key, wanted));
        }
    };
    all(&key, 200);
    for (path, body, wanted) in [
        ("/key/block", json!({"key": key}), 401),
        ("/key/unblock", json!({"key": key}), 200),
        ("/team/block", json!({"team_id": "t"}), 401),
        ("/team/unblock", json!({"team_id": "t"}), 200),
        ("/key/update", json!({"key": key, "models": ["other"]}), 403),
        ("/key/update", json!({"key": key, "models": ["good"]}), 200),
        ("/key/delete", json!({"keys": [key]}), 401),
    ] {
        first.post(path, &body);
        all(&key, wanted);
    }
    all(&of_user, 200);
    let gone = first.as_key(MASTER, "POST", "/user/delete", &json!({"user_ids": ["u"]}));
    assert_eq!(gone.status, 200, "{}", gone.text());
    all(&of_user, 401);
    println!("the last gateway knew after {slowest:?}");
    assert_ne!(Value::Null, first.get("/health/readiness")["db"]);
}
