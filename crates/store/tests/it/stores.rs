//! A database for each test.

use switchboard_store::{Settings, Store};

use crate::schema;

/// Empty databases, one of each kind there is here.
pub(crate) fn each(test: impl Fn(&Store)) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Settings { address: format!("sqlite:{}", folder.path().join("switchboard.db").display()), connections: 4 };
    run(&file, &test);
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => run(&Settings { address: schema::own(&address), connections: 4 }, &test),
        Err(_) => println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set"),
    }
}

/// Settings of an empty PostgreSQL database, where there is one.
pub(crate) fn postgres() -> Option<Settings> {
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => Some(Settings { address: schema::own(&address), connections: 4 }),
        Err(_) => {
            println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set");
            None
        }
    }
}

fn run(settings: &Settings, test: &impl Fn(&Store)) {
    let store = Store::open(settings).expect("an address");
    store.migrate().expect("a database");
    test(&store);
    store.close();
}
