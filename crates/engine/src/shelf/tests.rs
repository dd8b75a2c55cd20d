use super::*;

fn slot(name: u8, request: u8) -> Slot {
    Slot { name: [name; 32], request: [request; 32] }
}

fn packed(body: &str) -> Packed {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    headers.insert("x-odd", HeaderValue::from_static("a:b"));
    Packed { status: StatusCode::OK, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}

#[test]
fn an_answer_is_read_as_it_was_written() {
    for body in ["", "{}", "data: x\n\ndata: [DONE]\n\n", "\n\n"] {
        let written = packed(body).write();
        let read = Packed::read(&written).expect("an answer");
        assert_eq!((read.status, &read.headers, &read.body[..]), (StatusCode::OK, &packed(body).headers, body.as_bytes()));
    }
    for broken in ["", "200", "200\ncontent-type", "abc\n\n", "200\nno colon\n\n"] {
        assert!(Packed::read(&Bytes::copy_from_slice(broken.as_bytes())).is_none(), "{broken:?}");
    }
}

#[test]
fn what_is_kept_is_bounded_in_bytes_and_time() {
    let (shelf, now) = (Shelf::default(), Instant::now());
    let size = packed("0123456789").size();
    let most = size * 3;
    for name in 0..10 {
        assert!(matches!(shelf.find(slot(name, 1), now), Found::First(_)));
        shelf.keep(slot(name, 1), Arc::new(packed("0123456789")), (now + Duration::from_secs(u64::from(name) + 60), most));
        assert!(shelf.kept().bytes <= most);
    }
    let kept: Vec<u8> = (0..10).filter(|name| shelf.kept().entries.contains_key(&[*name; 32])).collect();
    assert_eq!(kept, [7, 8, 9], "the oldest go first");
    assert!(matches!(shelf.find(slot(9, 2), now), Found::Other));
    assert!(matches!(shelf.find(slot(9, 1), now), Found::Answer(_)));
    assert!(matches!(shelf.find(slot(9, 1), now + Duration::from_secs(69)), Found::First(_)));
    assert_eq!(shelf.kept().bytes, 0);
}

#[test]
fn what_is_under_way_is_waited_for_and_forgotten_when_let_go() {
    let (shelf, now) = (Shelf::default(), Instant::now());
    let Found::First(end) = shelf.find(slot(1, 1), now) else { panic!("it is new") };
    assert!(matches!(shelf.find(slot(1, 1), now), Found::Running(_)));
    assert!(matches!(shelf.find(slot(1, 2), now), Found::Other));
    shelf.release(slot(1, 1));
    drop(end);
    assert!(matches!(shelf.find(slot(1, 1), now), Found::First(_)));
    // An answer is not let go.
    shelf.keep(slot(1, 1), Arc::new(packed("x")), (now + Duration::from_secs(9), 1 << 20));
    shelf.release(slot(1, 1));
    assert!(matches!(shelf.find(slot(1, 1), now), Found::Answer(_)));
}
