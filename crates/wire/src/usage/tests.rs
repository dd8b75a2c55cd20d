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
    let mut reader = StreamedUsage::default();
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
    StreamedUsage::default().eof(&mut cut);
    assert!(matches!(cut.as_slice(), [Event::Fault(_)]));
    let mut failed = Vec::new();
    let error = br#"{"type":"error","error":{"message":"no","code":"c"}}"#;
    StreamedUsage::default().read(Frame::new(error), &mut failed).expect("a frame");
    assert!(matches!(failed.as_slice(), [Event::Fault(fault)] if fault.message == "no" && fault.code.as_deref() == Some("c")));
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_the_readers(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        for operation in Operation::ALL {
            of_answer(operation, &body);
        }
        let _ = StreamedUsage::default().read(Frame::new(&body), &mut Vec::new());
    }
}
