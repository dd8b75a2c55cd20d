//! `switchboard verify` of what the database alone does not know: places (I12), and a provider's own books (I14).

use std::process::Command;

use serde_json::json;

use crate::managed::{MASTER, Managed};

const CENT: &str = "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0}}\n";

fn verify(gateway: &Managed, more: &[&str]) -> (bool, String) {
    let database = format!("sqlite:{}", gateway.place().join("switchboard.db").display());
    let ran =
        Command::new(env!("CARGO_BIN_EXE_switchboard")).args(["verify", "--database-url", &database]).args(more).output().expect("ran");
    (ran.status.success(), format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)))
}

/// A team that is not there has no members who could spend for it.
#[test]
fn a_key_whose_team_is_not_there_leaves_the_books_right() {
    let gateway = Managed::with_models("", CENT, &[]);
    gateway.post("/user/new", &json!({"user_id": "ann"}));
    let key = gateway.key(&json!({"team_id": "gone", "user_id": "ann"}));
    assert_eq!(gateway.chat(&key, "cent").status, 200);
    crate::spending::until(&gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"].as_f64() == Some(0.01));
    let looked = verify(&gateway, &[]);
    assert!(looked.0, "{}", looked.1);
}

#[test]
fn places_and_a_providers_books_are_compared() {
    let gateway = Managed::with_models("", CENT, &[]);
    let key = gateway.key(&json!({"max_parallel_requests": 2}));
    assert!((0..3).all(|_| gateway.chat(&key, "cent").status == 200));
    let url = gateway.app.url();
    let looked = verify(&gateway, &["--gateway", &url, "--key", MASTER]);
    assert!(looked.0, "{}", looked.1);
    let looked = verify(&gateway, &["--gateway", &url, "--key", "sk-wrong"]);
    assert!(!looked.0, "who may not look finds nothing: {}", looked.1);
    let (year, month, day) = switchboard_engine::terms::date(switchboard_store::micros());
    let books = gateway.place().join("books.csv");
    // What was spent is in the ledger some moments later.
    let began = std::time::Instant::now();
    loop {
        std::fs::write(&books, format!("date,model,cost,requests\n{year}-{month:02}-{day:02},echo,0.03,3\n")).expect("written");
        let looked = verify(&gateway, &["--provider", "demo", "--books", books.to_str().expect("text")]);
        if looked.0 {
            break;
        }
        assert!(began.elapsed().as_secs() < 30, "{}", looked.1);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::fs::write(&books, format!("date,model,cost,requests\n{year}-{month:02}-{day:02},echo,0.030000001,3\n")).expect("written");
    let looked = verify(&gateway, &["--provider", "demo", "--books", books.to_str().expect("text")]);
    assert!(!looked.0 && looked.1.contains("I14"), "a nano-dollar is told: {}", looked.1);
}
