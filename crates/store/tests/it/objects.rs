//! Objects: written, found, listed, deleted.

use std::sync::{Arc, Mutex};

use switchboard_store::desk::{Action, Change, Filter, Listener, Order, Page, Seen, Sort};
use switchboard_store::object::{Key, Team};
use switchboard_store::{Store, StoreError, Time};

use crate::stores::each;

fn key(name: &str, user: &str, team: &str, at: i64) -> Key {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Key {
        token: format!("hash-{name}"),
        key_alias: some(name),
        user_id: some(user),
        team_id: some(team),
        created_by: some("maker"),
        created_at: Some(Time(at)),
        ..Key::default()
    }
}

fn write(store: &Store, keys: Vec<Key>) {
    let done = store.thread().block({
        let store = store.clone();
        async move {
            let work = |desk: switchboard_store::Desk| async move {
                for key in &keys {
                    desk.put(key).await?;
                }
                Ok::<_, StoreError>(())
            };
            // The writer runs on the same thread; it is spawned there, so waiting for it here is no circle.
            store.write("admin", work).await
        }
    });
    done.expect("written");
}

fn names(store: &Store, filter: Filter, page: Page) -> (Vec<String>, i64) {
    let found = store.thread().block({
        let store = store.clone();
        async move { store.read(move |desk| async move { desk.page::<Key>(&filter, page).await }).await }
    });
    let (keys, total) = found.expect("a page");
    (keys.into_iter().filter_map(|key| key.key_alias).collect(), total)
}

#[test]
fn pages_hold_what_the_filter_says() {
    each(|store| {
        write(store, vec![key("a_1", "u", "t", 1), key("b%", "u", "", 2), key("c", "v", "t", 3), key("d", "w", "x", 4)]);
        let page = Page { number: 1, size: 10, sort: Sort::Created, order: Order::Ascending };
        assert_eq!(names(store, Filter::default(), page), (vec!["a_1".into(), "b%".into(), "c".into(), "d".into()], 4));
        let second = Page { number: 2, size: 3, ..page };
        assert_eq!(names(store, Filter::default(), second), (vec!["d".into()], 4));
        let user = Filter { user: Some("u".into()), ..Filter::default() };
        assert_eq!(names(store, user, page).0, ["a_1", "b%"]);
        let latest = Page { order: Order::Descending, sort: Sort::Name, ..page };
        let team = Filter { team: Some("t".into()), ..Filter::default() };
        assert_eq!(names(store, team, latest).0, ["c", "a_1"]);
        for (text, found) in [("%", vec!["b%"]), ("_", vec!["a_1"]), ("HASH-C", vec!["c"])] {
            let search = Filter { search: Some(text.into()), ..Filter::default() };
            assert_eq!(names(store, search, page).0, found, "{text}");
        }
        let seen = Seen { user: Some("v".into()), teams: vec!["x".into(), "y".into()], ..Seen::default() };
        assert_eq!(names(store, Filter { seen_by: Some(seen), ..Filter::default() }, page).0, ["c", "d"]);
        let nothing = Filter { seen_by: Some(Seen::default()), ..Filter::default() };
        assert_eq!(names(store, nothing, page), (vec![], 0));
    });
}

#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

impl Listener for Heard {
    fn changed(&self, changes: &[Change]) {
        self.0.lock().expect("lock").extend_from_slice(changes);
    }
}

#[test]
fn a_write_that_fails_leaves_nothing_and_a_deleted_object_is_kept_elsewhere() {
    each(|store| {
        let heard = Arc::new(Heard::default());
        store.listen(heard.clone());
        let store = store.clone();
        let thread = store.thread().clone();
        let run = async move {
            let failing = store.write("admin", |desk| async move {
                desk.put(&Team { team_id: "t".into(), ..Team::default() }).await?;
                Err::<(), _>(StoreError::Stopping)
            });
            assert!(failing.await.is_err());
            assert!(store.read(|desk| async move { desk.get::<Team>("t").await }).await?.is_none());
            let made = Team { team_id: "t".into(), team_alias: Some("one".into()), ..Team::default() };
            store.write("admin", |desk| async move { desk.put(&made).await }).await?;
            let gone = store.write("other", |desk| async move { desk.delete::<Team>("t").await });
            assert!(gone.await?);
            let again = store.write("other", |desk| async move { desk.delete::<Team>("t").await });
            assert!(!again.await?);
            let deleted = store.read(|desk| async move { desk.deleted::<Team>("t").await }).await?;
            assert_eq!(deleted[0].team_alias.as_deref(), Some("one"));
            Ok(())
        };
        thread.block(run).expect("done");
        let heard = heard.0.lock().expect("lock");
        let told: Vec<_> = heard.iter().map(|change| (change.action, change.actor.as_deref())).collect();
        assert_eq!(told, [(Action::Created, Some("admin")), (Action::Deleted, Some("other"))]);
        assert!(heard[0].seq < heard[1].seq);
    });
}
