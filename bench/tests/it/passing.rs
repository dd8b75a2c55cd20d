//! Storms that must pass: straight to the mock and through the bare proxy.

use crate::stage::{on_stage, send, start_bare, start_mock};

const STORMS: &[&str] = &[
    "--model mock-size500",
    "--model mock-20x260 --stream",
    "--model mock-20x260 --stream --no-usage",
    "--model mock-5x3000-pace1ms-ttft2ms --stream",
    "--model claude-size500 --format anthropic",
    "--model claude-20x260 --format anthropic --stream",
    "--model mock --prompt-bytes 1048576",
    "--model alias --expect mock-3x260 --stream --rate 2000",
];

#[test]
fn every_answer_is_right() {
    on_stage(async {
        let mock = start_mock().await;
        let bare = start_bare(mock).await;
        for target in [mock, bare] {
            for storm in STORMS {
                // An alias means nothing to the mock, which would play its default.
                let storm = storm.replace("alias --expect mock-3x260", "mock-3x260 --expect x-3x260");
                let report = send(target, &format!("{storm} --requests 40 --connections 8")).await;
                assert_eq!((report.requests, report.ok), (40, 40), "{storm}: {:?}", report.flaws);
                assert_eq!(report.latency_us.unwrap().count, 40);
                assert_eq!(report.first_us.is_some(), storm.contains("--stream"));
            }
        }
    });
}

#[test]
fn a_bare_proxy_without_upstream_answers_502() {
    on_stage(async {
        let nobody = crate::stage::listen().await.1;
        let bare = start_bare(nobody).await;
        let report = send(bare, "--requests 3 --connections 1").await;
        assert_eq!(report.statuses.get("502"), Some(&3));
        assert_eq!(report.ok, 0);
    });
}

#[test]
fn an_open_loop_sends_what_is_due_and_ends() {
    on_stage(async {
        let mock = start_mock().await;
        let report = send(mock, "--rate 500 --requests 25 --connections 4").await;
        assert_eq!((report.requests, report.ok), (25, 25));
        // The last one is due a twentieth of a second after the start.
        assert!(report.elapsed_seconds >= 0.05, "{}", report.elapsed_seconds);
    });
}

#[test]
fn waiting_counts_from_the_moment_a_request_was_due() {
    on_stage(async {
        let mock = start_mock().await;
        // One connection, 20 ms for each answer, one due every millisecond: the tenth waits for nine others.
        let report = send(mock, "--model mock-lat20ms --rate 1000 --requests 10 --connections 1").await;
        let latency = report.latency_us.unwrap();
        assert!(latency.max >= 150_000.0, "{}", latency.max);
    });
}
