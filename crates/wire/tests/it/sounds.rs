//! Sound in answers: what is said in it stands as text where a format has no other place, and its bytes say what they are.

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::framing::Framing;
use switchboard_wire::half::{Head, Memo, Profile};

use crate::answers::{assembled, events, stamp};

/// A stream of OpenAI's with sound in which that is said, in that client's format.
fn streamed(client: Dialect, said: [Value; 2]) -> String {
    let [first, second] = said;
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        format!("data: {}\n\n", json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}))
    };
    let stream = [
        chunk(json!({"role": "assistant", "audio": {"id": "audio_1", "data": "AAEC"}}), Value::Null),
        chunk(json!({"audio": {"transcript": first}}), Value::Null),
        chunk(json!({"audio": {"data": "AwQF", "transcript": second}}), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let outbound = Dialect::OpenAiChat.outbound().unwrap();
    let told = events(Framing::Sse, outbound.event_reader(Memo::default()), [Bytes::from(stream.concat())]);
    let (mut writer, mut out) = (client.inbound().unwrap().event_writer(stamp()), bytes::BytesMut::new());
    told.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn what_is_said_in_a_streams_sound_is_text() {
    for client in [Dialect::Anthropic, Dialect::Gemini] {
        let written = streamed(client, [json!("Good "), json!("day.")]);
        let outbound = client.outbound().unwrap();
        let reply = assembled(&events(outbound.framing(), outbound.event_reader(Memo::default()), [Bytes::from(written.clone())])).unwrap();
        let whole: Value = serde_json::from_slice(&Dialect::OpenAiChat.inbound().unwrap().write_reply(&reply, &stamp())).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], "Good day.", "{client}: {written}");
    }
    let written = streamed(Dialect::Gemini, [Value::Null, Value::Null]);
    assert!(written.contains(r#""inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"AAECAwQF"}"#));
}

/// Silence has no place in a format that has no sound.
#[test]
fn sound_without_words_is_no_block() {
    let written = streamed(Dialect::Anthropic, [Value::Null, Value::Null]);
    assert!(!written.contains("content_block_start") && written.contains("message_stop"), "{written}");
}

#[test]
fn sound_is_asked_for_with_a_voice_and_a_form() {
    let asked = |speech: Value| {
        let config = json!({"responseModalities": ["AUDIO"], "speechConfig": speech});
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": config}).to_string();
        let head = Head { path_model: Some("m"), ..Head::default() };
        let request = Dialect::Gemini.inbound().unwrap().read_request(&head, body.as_bytes()).unwrap();
        let written = Dialect::OpenAiChat.outbound().unwrap().write_request(&request, &Profile::default()).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        (body["modalities"].clone(), body["audio"].clone(), written.losses.to_string())
    };
    let both = json!(["text", "audio"]);
    let (modalities, audio, _) = asked(json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "verse"}}}));
    assert_eq!((modalities, audio), (both.clone(), json!({"voice": "verse", "format": "pcm16"})));
    let (modalities, audio, lost) = asked(json!({}));
    assert_eq!((modalities, audio), (both, json!({"voice": "alloy", "format": "pcm16"})));
    assert!(lost.contains("audio.voice;approximated"), "{lost}");
}

#[test]
fn samples_are_told_in_the_form_that_was_asked_for() {
    let answer = |format: &str, stream: bool| {
        let body = json!({
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "modalities": ["text", "audio"],
            "audio": {"voice": "Kore", "format": format}, "stream": stream,
        });
        let request = Dialect::OpenAiChat.inbound().unwrap().read_request(&Head::default(), body.to_string().as_bytes()).unwrap();
        let gemini = Dialect::Gemini.outbound().unwrap();
        let written = gemini.write_request(&request, &Profile::default()).unwrap();
        let sound = json!({"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAECAw=="}});
        let reply = json!({"candidates": [{"content": {"parts": [sound]}, "finishReason": "STOP"}]}).to_string();
        let reply = gemini.read_reply(&written.memo, reply.as_bytes()).unwrap();
        let told: Value = serde_json::from_slice(&Dialect::OpenAiChat.inbound().unwrap().write_reply(&reply, &stamp())).unwrap();
        let audio = told["choices"][0]["message"]["audio"].clone();
        assert_eq!(audio["expires_at"], 1_700_000_000, "{told}");
        (audio["data"].as_str().unwrap().to_owned(), written.losses.to_string())
    };
    let (samples, lost) = answer("pcm16", false);
    assert_eq!((&*samples, &*lost), ("AAECAw==", ""));
    let (file, lost) = answer("wav", false);
    assert!(file.starts_with("UklGR") && lost.is_empty(), "{file}, {lost}");
    assert_eq!(answer("mp3", false), ("AAECAw==".to_owned(), "audio.format;approximated".to_owned()));
    assert_eq!(answer("wav", true).1, "audio.format;approximated");
}
