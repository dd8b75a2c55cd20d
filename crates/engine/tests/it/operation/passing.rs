//! Images, speech, transcriptions, moderations.

use serde_json::json;
use switchboard_engine::call::Content;
use switchboard_engine::meter::Outcome;
use switchboard_engine::wire::Operation;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::problem::Kind;

use super::{Rig, call};

#[tokio::test]
async fn images_are_metered() {
    let rig = Rig::new("openai", "gpt-image-1-mini", |_, _| {
        (200, "application/json", br#"{"data":[{"b64_json":"aGVsbG8="}],"usage":{"input_tokens":14,"output_tokens":272,"output_tokens_details":{"image_tokens":272}}}"#.to_vec())
    })
    .await;
    let got = rig.ask(Operation::ImageGenerations, &json!({"model": "public", "prompt": "a cat"})).await.unwrap();
    assert_eq!(got.json()["data"][0]["b64_json"], "aGVsbG8=");
    assert_eq!(rig.sent()[0], ("/images/generations".to_owned(), json!({"model": "gpt-image-1-mini", "prompt": "a cat"})));
    assert_eq!(rig.record().usage.and_then(|usage| usage.output_image), Some(272));
}

#[tokio::test]
async fn sound_passes_and_its_characters_are_paid() {
    let rig = Rig::new("openai", "tts-1", |_, _| (200, "audio/mpeg", vec![0, 159, 146, 150, 255])).await;
    let got = rig.ask(Operation::Speech, &json!({"model": "public", "input": "hällo", "voice": "alloy"})).await.unwrap();
    assert_eq!((got.body.as_ref(), got.header("content-type")), (&[0, 159, 146, 150, 255][..], Some("audio/mpeg")));
    let record = rig.record();
    assert_eq!((record.outcome, record.cost.map(|cost| cost.to_string()).as_deref()), (Outcome::Complete, Some("0.000075")));
}

#[tokio::test]
async fn speech_without_a_type_has_that_of_its_format() {
    for (format, kind) in [("wav", "audio/wav"), ("pcm", "audio/pcm"), ("opus", "audio/opus"), ("odd", "application/octet-stream")] {
        let rig = Rig::new("openai", "tts-1", |_, _| (200, "application/octet-stream", vec![0, 1])).await;
        let body = json!({"model": "public", "input": "a", "voice": "alloy", "response_format": format});
        assert_eq!(rig.ask(Operation::Speech, &body).await.unwrap().header("content-type"), Some(kind));
    }
}

#[tokio::test]
async fn a_form_keeps_its_file_and_a_stream_tells_its_usage() {
    let rig = Rig::new("openai", "gpt-4o-mini-transcribe", |_, _| {
        let events = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"input_tokens\":14,\"output_tokens\":1,\"total_tokens\":15}}\n\n";
        (200, "text/event-stream", events.as_bytes().to_vec())
    })
    .await;
    let form = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRIFF\u{0}\r\n--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\npublic\r\n--B--\r\n";
    let mut call = call(Operation::Transcriptions, &json!({}));
    (call.body, call.content) = (Frames::from(form.as_bytes().to_vec()), Content::Form("multipart/form-data; boundary=B".to_owned()));
    let got = rig.call(call).await.unwrap();
    assert!(got.body.starts_with(b"data: {\"type\":\"transcript.text.delta\""));
    assert!(got.body.ends_with(b"\n\n"));
    let (path, sent) = rig.seen.lock().unwrap()[0].clone();
    assert_eq!(
        (path.as_str(), String::from_utf8(sent).unwrap()),
        ("/audio/transcriptions", form.replace("public", "gpt-4o-mini-transcribe"))
    );
    let record = rig.record();
    assert_eq!((record.outcome, record.usage.and_then(|usage| usage.input)), (Outcome::Complete, Some(14)));
}

#[tokio::test]
async fn translations_and_variations_pass_as_they_are() {
    let rig = Rig::new("openai", "whisper-1", |_, _| (200, "application/json", br#"{"text":"Good day","duration":1.5}"#.to_vec())).await;
    let form = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRIFF\r\n--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\npublic\r\n--B--\r\n";
    let of = |operation| {
        let mut call = call(operation, &json!({}));
        (call.body, call.content) = (Frames::from(form.as_bytes().to_vec()), Content::Form("multipart/form-data; boundary=B".to_owned()));
        call
    };
    let got = rig.call(of(Operation::Translations)).await.unwrap();
    assert_eq!(got.json()["text"], "Good day");
    // A second and a half, at the price of a second of sound.
    assert_eq!(rig.record().cost.map(|cost| cost.to_string()).as_deref(), Some("0.00015"));
    let paint = Rig::new("openai", "dall-e-2", |_, _| {
        (200, "application/json", br#"{"created":1,"data":[{"url":"https://x.test/1"},{"url":"https://x.test/2"}]}"#.to_vec())
    })
    .await;
    let got = paint.call(of(Operation::ImageVariations)).await.unwrap();
    assert_eq!(got.json()["data"][1]["url"], "https://x.test/2");
    let paths = |rig: &Rig| {
        rig.seen.lock().unwrap().iter().map(|(path, sent)| (path.clone(), String::from_utf8_lossy(sent).into_owned())).collect::<Vec<_>>()
    };
    assert_eq!(paths(&rig), [("/audio/translations".to_owned(), form.replace("public", "whisper-1"))]);
    assert_eq!(paths(&paint), [("/images/variations".to_owned(), form.replace("public", "dall-e-2"))]);
}

#[tokio::test]
async fn a_cut_stream_is_no_success() {
    let rig = Rig::new("openai", "gpt-4o-mini-transcribe", |_, _| {
        (200, "text/event-stream", b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n".to_vec())
    })
    .await;
    rig.ask(Operation::Transcriptions, &json!({"model": "public"})).await.unwrap();
    assert!(matches!(rig.record().outcome, Outcome::Failed(_)));
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let rig = Rig::new("anthropic", "claude-sonnet-5", |_, _| (200, "application/json", b"{}".to_vec())).await;
    let error = rig.ask(Operation::Moderations, &json!({"model": "public", "input": "x"})).await.unwrap_err();
    assert_eq!(error.problem.kind, Kind::BadRequest);
    assert!(error.problem.message.contains("moderations") && error.problem.message.contains("Anthropic"), "{}", error.problem.message);
}
