//! The log says what was done, and when somebody has changed it.

use serde_json::json;
use sqlx::Row;
use switchboard_store::Store;
use switchboard_store::audit::{Audit, Fault, Filter, Head, Order, SortBy};
use switchboard_store::chain::{Entry, Outcome};
use switchboard_store::vault::{MasterKey, Vault};

use crate::stores::each;
use crate::vault::{run, wait};

fn audit(store: &Store) -> Audit {
    let vault = Vault::open(store, MasterKey::of_text("a master key for tests").expect("a key"), Vec::new()).expect("a vault");
    wait(Audit::open(store, &vault)).expect("a log")
}

fn entry(n: usize) -> Entry {
    Entry {
        actor: format!("user-{}", n % 3),
        actor_key: format!("{:064x}", n % 2),
        action: ["created", "updated", "deleted"][n % 3].to_owned(),
        outcome: if n % 7 == 6 { Outcome::Denied } else { Outcome::Done },
        kind: ["key", "team"][n % 2].to_owned(),
        object: format!("object-{n}"),
        team: format!("team-{}", n % 4),
        before: (!n.is_multiple_of(3)).then(|| json!({"n": n, "api_key": "sk-canary-before-0123456789"})),
        after: (n % 3 != 2).then(|| json!({"n": n + 1, "token": "sk-canary-after-0123456789"})),
        source: "127.0.0.1".to_owned(),
        request_id: format!("req-{n}"),
    }
}

fn filled(store: &Store, rows: usize) -> (Audit, Vec<Head>) {
    let audit = audit(store);
    let heads = (0..rows).map(|n| {
        wait(audit.append(entry(n))).expect("written");
        wait(audit.head()).expect("a head")
    });
    let heads = heads.collect();
    (audit, heads)
}

#[test]
fn what_was_done_can_be_looked_up() {
    each(|store| {
        let (audit, heads) = filled(store, 30);
        let verdict = wait(audit.verify(heads.clone())).expect("read");
        assert_eq!((verdict.good, verdict.fault), (30, None));
        assert_eq!(Some(&verdict.head), heads.last());
        assert_eq!(heads[3].to_string().parse::<Head>().as_ref(), Ok(&heads[3]));

        let find = |filter: Filter| wait(audit.list(filter, (SortBy::At, Order::Descending), 0, 100)).expect("a page");
        let all = find(Filter::default());
        assert_eq!((all.total, all.records.len()), (30, 30));
        assert_eq!(all.records[0].object, "object-29", "the last comes first");
        assert!(all.records.iter().all(|record| !format!("{record:?}").contains("canary")));
        assert_eq!(find(Filter { actor: Some("user-1".into()), ..Filter::default() }).total, 10);
        assert_eq!(find(Filter { action: Some("deleted".into()), kind: Some("key".into()), ..Filter::default() }).total, 5);
        assert_eq!(find(Filter { search: Some("object-2".into()), ..Filter::default() }).total, 1);
        assert_eq!(find(Filter { search: Some("user-0".into()), ..Filter::default() }).total, 10);
        assert_eq!(find(Filter { search: Some("object_2".into()), ..Filter::default() }).total, 0, "a sign stands for itself");
        assert_eq!(find(Filter { until: Some(0), ..Filter::default() }).total, 0);
        let some = wait(audit.list(Filter::default(), (SortBy::Object, Order::Ascending), 5, 3)).expect("a page");
        assert_eq!(some.records.iter().map(|record| record.object.as_str()).collect::<Vec<_>>(), ["object-13", "object-14", "object-15"]);
        let one = wait(audit.find(all.records[4].id.clone())).expect("read").expect("there");
        assert_eq!(one, all.records[4]);
        assert_eq!(wait(audit.find("' OR 1=1 --".into())).expect("read"), None);
    });
}

#[test]
fn a_thousand_ways_to_tamper_are_noticed() {
    each(|store| {
        const ROWS: usize = 24;
        let (audit, heads) = filled(store, ROWS);
        let columns = ["id", "actor", "actor_key", "action", "outcome", "kind", "object", "team", "before_value", "after_value", "source"];
        run(store, "CREATE TABLE kept AS SELECT * FROM audit_log");
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        // PostgreSQL is asked a part: each tampering is several statements there and back.
        let tries = if store.sql().kind == switchboard_store::sql::Kind::Sqlite { 1000 } else { 100 };
        for n in 0..tries {
            let (row, other) = (next(ROWS) + 1, next(ROWS) + 1);
            let other = if other == row { row % ROWS + 1 } else { other };
            let how = match n % 8 {
                0 => format!("UPDATE audit_log SET {} = 'another' WHERE seq = {row}", columns[next(columns.len())]),
                1 => format!("UPDATE audit_log SET at = at + 1 WHERE seq = {row}"),
                2 => format!("DELETE FROM audit_log WHERE seq = {row}"),
                3 => format!("DELETE FROM audit_log WHERE seq >= {row}"),
                4 => {
                    // The order.
                    run(store, &format!("UPDATE audit_log SET seq = -1 WHERE seq = {row}"));
                    run(store, &format!("UPDATE audit_log SET seq = {row} WHERE seq = {other}"));
                    format!("UPDATE audit_log SET seq = {other} WHERE seq = -1")
                }
                5 => {
                    // One more, made from another, with the numbers put right.
                    let column = columns.join(", ").replacen("id", "'new'", 1);
                    run(store, &format!("UPDATE audit_log SET seq = -seq WHERE seq >= {row}"));
                    run(store, "UPDATE audit_log SET seq = 1 - seq WHERE seq < 0");
                    format!(
                        "INSERT INTO audit_log (seq, {}, at, request_id, mac) SELECT {row}, {column}, at, request_id, mac FROM kept WHERE seq = {other}",
                        columns.join(", ")
                    )
                }
                6 => {
                    // One fewer, with the numbers put right.
                    run(store, &format!("DELETE FROM audit_log WHERE seq = {row}"));
                    run(store, &format!("UPDATE audit_log SET seq = -seq WHERE seq > {row}"));
                    "UPDATE audit_log SET seq = -seq - 1 WHERE seq < 0".to_owned()
                }
                _ => format!("UPDATE audit_log SET mac = (SELECT mac FROM kept WHERE seq = {other}) WHERE seq = {row}"),
            };
            run(store, &how);
            let verdict = wait(audit.verify(vec![heads[ROWS - 1].clone()])).expect("read");
            assert!(verdict.fault.is_some(), "unnoticed: {how}");
            run(store, "DELETE FROM audit_log");
            run(store, "INSERT INTO audit_log SELECT * FROM kept");
        }
        assert_eq!(wait(audit.verify(vec![heads[ROWS - 1].clone()])).expect("read").fault, None);
    });
}

#[test]
fn a_tail_that_is_cut_off_shows_beside_a_head_that_was_kept() {
    each(|store| {
        let (audit, heads) = filled(store, 10);
        run(store, "DELETE FROM audit_log WHERE seq > 6");
        assert_eq!(wait(audit.verify(Vec::new())).expect("read").fault, None, "the chain alone does not tell");
        assert_eq!(wait(audit.verify(vec![heads[8].clone()])).expect("read").fault, Some(Fault::CutOff(9)));
        // Not even when the log has grown again.
        for n in 10..20 {
            wait(audit.append(entry(n))).expect("written");
        }
        assert_eq!(wait(audit.verify(vec![heads[8].clone()])).expect("read").fault, Some(Fault::CutOff(9)));
    });
}

#[test]
fn many_writers_make_one_chain() {
    each(|store| {
        let audits = [audit(store), audit(store)];
        wait(async {
            let mut tasks = Vec::new();
            for n in 0..60 {
                tasks.push(tokio::spawn({
                    let audit = audits[n % 2].clone();
                    async move { audit.append(entry(n)).await }
                }));
            }
            for task in tasks {
                task.await.expect("not cancelled").expect("written");
            }
        });
        let verdict = wait(audits[0].verify(Vec::new())).expect("read");
        assert_eq!((verdict.good, verdict.fault), (60, None));
    });
}

#[test]
fn another_key_verifies_nothing() {
    each(|store| {
        let (_, heads) = filled(store, 3);
        run(store, "DELETE FROM data_keys");
        let other = audit(store);
        assert_eq!(wait(other.verify(heads)).expect("read").fault, Some(Fault::Changed(1)));
        let sql = store.sql().clone();
        let rows = store
            .thread()
            .block(async move { Ok(sqlx::query("SELECT COUNT(*) FROM audit_log").fetch_one(&sql.pool).await?.try_get::<i64, _>(0)?) });
        assert_eq!(rows.expect("a number"), 3);
    });
}
