use super::*;

fn spent(operation: Operation, body: &str) -> Spent {
    of_answer(operation, body.as_bytes())
}

#[test]
fn images_and_transcriptions_are_counted() {
    let image = r#"{"data":[{"b64_json":"aGVsbG8="}],"usage":{"input_tokens":14,"input_tokens_details":{"image_tokens":0,"text_tokens":14},"output_tokens":272,"output_tokens_details":{"image_tokens":272,"text_tokens":0},"total_tokens":286}}"#;
    let found = spent(Operation::ImageGenerations, image);
    let usage = found.usage.expect("usage");
    assert_eq!((usage.input, usage.output, usage.output_image, usage.input_image), (Some(14), Some(272), Some(272), Some(0)));
    assert_eq!(found.images, Some(1));
    let tokens = r#"{"text":"x","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}"#;
    let found = spent(Operation::Transcriptions, tokens);
    assert_eq!(found.usage.and_then(|usage| usage.input_audio), Some(14));
    assert_eq!((found.heard, found.images), (None, None));
    assert_eq!(spent(Operation::Transcriptions, r#"{"text":"x","usage":{"type":"duration","seconds":6}}"#).heard, Some(6000));
    let venice = spent(Operation::Transcriptions, r#"{"text":"x","duration":5.495999813079834}"#);
    assert_eq!((venice.heard, venice.usage), (Some(5496), None));
    assert_eq!(spent(Operation::Moderations, "plain text"), Spent::default());
    assert_eq!(spent(Operation::Transcriptions, r#"{"duration":-3}"#).heard, None);
}

#[test]
fn streams_tell_usage_and_end() {
    let mut reader = StreamedUsage::of(Operation::Transcriptions);
    let mut events = Vec::new();
    let frames = [
        r#"{"type":"transcript.text.delta","delta":"a"}"#,
        r#"{"type":"transcript.text.done","text":"a","usage":{"type":"tokens","input_tokens":3,"output_tokens":1,"total_tokens":4}}"#,
        "[DONE]",
    ];
    for frame in frames {
        reader.read(Frame::new(frame.as_bytes()), &mut events).expect("a frame");
    }
    reader.eof(&mut events);
    assert!(matches!(events.as_slice(), [Event::Usage(usage), Event::End { .. }] if usage.input == Some(3)), "{events:?}");

    let mut cut = Vec::new();
    StreamedUsage::of(Operation::Speech).eof(&mut cut);
    assert!(matches!(cut.as_slice(), [Event::Fault(_)]));
    let mut failed = Vec::new();
    let error = br#"{"type":"error","error":{"message":"no","code":"c"}}"#;
    StreamedUsage::of(Operation::Speech).read(Frame::new(error), &mut failed).expect("a frame");
    assert!(matches!(failed.as_slice(), [Event::Fault(fault)] if fault.message == "no" && fault.code.as_deref() == Some("c")));
}

/// What stands oddly in a report is not there; the rest of it is.
#[test]
fn one_strange_field_loses_no_other() {
    let usage = |operation, report: &str| {
        let found = spent(operation, &format!(r#"{{"data":[{{}}],"duration":"x","usage":{report}}}"#));
        (found.images, found.usage.expect("usage"))
    };
    let counts = r#""input_tokens":10,"output_tokens":4160"#;
    let (images, named) = usage(Operation::ImageGenerations, &format!(r#"{{{counts},"cost":"0.16"}}"#));
    assert_eq!((images, named.input, named.output_image, named.cost.as_deref()), (Some(1), Some(10), Some(4160), Some("0.16")));
    for (odd, cost) in [("[1]", None), ("{\"total_cost\":0.5}", Some("0.5")), ("\"much\"", None), ("true", None)] {
        let (_, read) = usage(Operation::ImageEdits, &format!(r#"{{{counts},"cost":{odd},"input_tokens_details":[],"extra":"x"}}"#));
        assert_eq!((read.input, read.output, read.cost.as_deref()), (Some(10), Some(4160), cost), "{odd}");
    }
    let (_, text) = usage(Operation::ImageGenerations, r#"{"input_tokens":"10","output_tokens":"4160.0"}"#);
    assert_eq!((text.input, text.output), (Some(10), Some(4160)));
    let both = r#"{"prompt_tokens":1000,"prompt_tokens_details":{"cached_tokens":"400"},"input_tokens_details":null}"#;
    let (_, both) = usage(Operation::Embeddings, both);
    assert_eq!((both.input, both.cache_read), (Some(1000), Some(400)));
    let (_, spoken) = usage(Operation::Speech, r#"{"input_tokens":14,"output_tokens":101,"total_tokens":115}"#);
    assert_eq!((spoken.output, spoken.output_audio), (Some(101), Some(101)));
}

#[test]
fn streams_of_images_tell_each_image_and_end_with_the_stream() {
    let mut reader = StreamedUsage::of(Operation::ImageGenerations);
    let mut events = Vec::new();
    let partial = r#"{"type":"image_generation.partial_image","b64_json":"AA=="}"#;
    reader.read(Frame::new(partial.as_bytes()), &mut events).expect("a frame");
    assert!(events.is_empty() && !reader.has_finished());
    let done = r#"{"type":"image_generation.completed","b64_json":"AA==","usage":{"input_tokens":10,"output_tokens":4160}}"#;
    reader.read(Frame::new(done.as_bytes()), &mut events).expect("a frame");
    assert!(reader.has_finished());
    reader.read(Frame::new(done.as_bytes()), &mut events).expect("a frame");
    reader.eof(&mut events);
    let images = events.iter().filter(|event| matches!(event, Event::BlockStart { kind: BlockKind::Image(_), .. })).count();
    let drawn = events.iter().find_map(|event| if let Event::Usage(usage) = event { usage.output_image } else { None });
    assert_eq!((images, drawn), (2, Some(4160)));
    assert!(matches!(events.last(), Some(Event::End { .. })), "{events:?}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_the_readers(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        for operation in Operation::ALL {
            of_answer(operation, &body);
            let _ = StreamedUsage::of(operation).read(Frame::new(&body), &mut Vec::new());
        }
    }
}
