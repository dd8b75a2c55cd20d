use super::*;

fn place(id: &str) -> Place<'_> {
    Place { id, provider: "p", base: None, secrets: &["secret"], model: "m", region: None }
}

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn a_view_tells_what_was_seen() {
    let health = Registry::default().of(&place("a"));
    let start = Instant::now();
    let ticket = health.begin(start).expect("open to all");
    assert_eq!(health.view(start).in_flight, 1);
    let sample = Sample {
        streamed: true,
        first_content: Some(Duration::from_millis(200)),
        output_tokens: Some(11),
        tokens: 31,
        ..Sample::default()
    };
    ticket.finish(&sample, at(start, 1200));
    let view = health.view(at(start, 1200));
    assert_eq!((view.in_flight, view.requests_this_minute > 0, view.tokens_this_minute), (0, true, 31));
    assert_eq!(view.first_content(), Some(0.2));
    assert!((view.per_token.expect("known") - 0.1).abs() < 1e-9);
    let figures = health.figures(Window::FiveMinutes, at(start, 1300));
    assert_eq!((figures.counts.succeeded, figures.counts.uptime()), (1, Some(1.0)));
    assert!((figures.first_content(0.5).expect("known") - 0.2).abs() < 0.01);
    assert!((figures.throughput(0.5).expect("known") - 10.0).abs() < 0.5);
}

#[test]
fn a_reload_keeps_what_is_known_and_a_new_credential_begins_anew() {
    let registry = Registry::default();
    let first = registry.of(&place("a"));
    assert!(Arc::ptr_eq(&first, &registry.of(&place("a"))));
    let rotated = registry.of(&Place { secrets: &["other"], ..place("a") });
    assert!(!Arc::ptr_eq(&first, &rotated));
}

#[test]
fn windows_forget_in_their_time() {
    let health = Registry::default().of(&place("a"));
    let start = Instant::now();
    for _ in 0..4 {
        health.begin(start).expect("open").finish(&Sample { failure: Some((Failure::Server, "x")), ..Sample::default() }, start);
    }
    health.begin(start).expect("open").finish(&Sample::default(), start);
    let up = |window, minutes: u64| health.figures(window, at(start, minutes * 60_000)).counts.uptime();
    assert_eq!(up(Window::FiveMinutes, 1), Some(0.2));
    assert_eq!(up(Window::FiveMinutes, 7), None);
    assert_eq!(up(Window::HalfHour, 20), Some(0.2));
    assert_eq!(up(Window::HalfHour, 36), None);
    assert_eq!(up(Window::Day, 600), Some(0.2));
    // Once later minutes have been written, the older ones stand in the rings.
    let later = at(start, 10 * 60_000);
    health.begin(later).expect("open").finish(&Sample::default(), later);
    assert_eq!(up(Window::FiveMinutes, 10), Some(1.0));
    assert_eq!(up(Window::HalfHour, 10), Some(2.0 / 6.0));
    assert_eq!(up(Window::Day, 26 * 60), None);
}

/// A call that was refused before it was sent is no request of the deployment's, and nobody has left.
#[test]
fn what_was_not_sent_leaves_nothing_behind() {
    let health = Arc::new(Health::default());
    let now = Instant::now();
    let before = (health.view(now).requests_this_minute, health.view(now).in_flight, health.figures(Window::Day, now).counts);
    for _ in 0..3 {
        health.begin(now).expect("open to all").unsent();
    }
    let view = health.view(now);
    assert_eq!((view.requests_this_minute, view.in_flight, health.figures(Window::Day, now).counts), before);
    drop(health.begin(now).expect("open to all"));
    assert_eq!((health.view(now).requests_this_minute, health.figures(Window::Day, now).counts.cancelled), (1, 1));
}
