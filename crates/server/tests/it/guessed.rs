//! What is charged where an answer does not say what it took, or its client does not stay to hear it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::managed::MASTER;
use crate::scripted::{JSON, Script, charged, close, leave, scripted, stay};
use crate::spending::until;

fn chunk(delta: &Value, finish: &Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn usage_chunk(usage: &Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage})
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

const PRICED: &str = "input_cost_per_token: 0.000001, output_cost_per_token: 0.00001";
const THINKS: &str = "input_cost_per_token: 0.000001, output_cost_per_token: 0.00001}, model_info: {supports_reasoning: true";

#[test]
fn images_cost_the_same_streamed() {
    let usage = json!({"input_tokens": 10, "output_tokens": 4160, "total_tokens": 4170, "input_tokens_details": {"text_tokens": 10}});
    let script = |usage: &Value| {
        Script::events(&[
            (0, json!({"type": "image_generation.partial_image", "b64_json": "AA==", "partial_image_index": 0})),
            (0, json!({"type": "image_generation.completed", "b64_json": "AA==", "usage": usage})),
        ])
    };
    let piece = "input_cost_per_token: 0, output_cost_per_image: 0.04";
    let models = vec![
        ("drawn", "openai/gpt-image-1", "", script(&usage)),
        ("piece", "openai/m", piece, script(&usage)),
        ("untold", "openai/m", piece, script(&Value::Null)),
        ("pixel", "openai/m", "output_cost_per_pixel: 0.00000001", script(&Value::Null)),
    ];
    scripted(models, |gateway| {
        let asked = |model: &str| json!({"model": model, "prompt": "a cat", "stream": true});
        for (path, model, wanted) in [
            ("/v1/images/generations", "drawn", 0.16645),
            ("/openai/v1/images/generations", "gpt-image-1", 0.16645),
            ("/v1/images/generations", "piece", 0.04),
            ("/v1/images/generations", "untold", 0.04),
            ("/v1/images/generations", "pixel", 0.01048576),
        ] {
            let (spent, row) = charged(gateway, stay(gateway, path, &asked(model)));
            assert!(close(spent, wanted), "{path} {model}: {spent}, {row}");
        }
        let (spent, row) = charged(gateway, leave(gateway, "/v1/images/generations", &asked("drawn"), "partial_image"));
        assert!(spent > 0.16, "{spent}, {row}");
    });
}

/// An answer of OpenAI's newer API that tells its usage a moment after its text.
fn long_thought_answer() -> Script {
    let text = json!({"type": "output_text", "text": "It is fine.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [text]});
    Script::events(&[
        (
            0,
            json!({"type": "response.created", "sequence_number": 0,
            "response": {"id": "resp_1", "object": "response", "status": "in_progress", "model": "m", "output": []}}),
        ),
        (
            0,
            json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
            "item": {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}}),
        ),
        (
            0,
            json!({"type": "response.output_text.delta", "sequence_number": 2, "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "delta": "It is fine."}),
        ),
        (
            0,
            json!({"type": "response.output_text.done", "sequence_number": 3, "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "text": "It is fine."}),
        ),
        (
            50,
            json!({"type": "response.completed", "sequence_number": 4, "response": {"id": "resp_1", "object": "response", "created_at": 1,
            "status": "completed", "model": "m", "error": null, "output": [message],
            "usage": {"input_tokens": 100, "output_tokens": 20_000, "total_tokens": 20_100}}}),
        ),
    ])
}

/// The same of Anthropic's.
fn long_thought_message() -> Script {
    Script::events(&[
        (
            0,
            json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 100, "output_tokens": 1}}}),
        ),
        (0, json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        (0, json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is fine."}})),
        (50, json!({"type": "content_block_stop", "index": 0})),
        (
            0,
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 20_000}}),
        ),
        (0, json!({"type": "message_stop"})),
    ])
}

/// Whoever has the text and leaves before its provider says what it took pays what it took.
#[test]
fn thoughts_are_charged_to_those_who_leave_before_the_usage() {
    let told = json!({"prompt_tokens": 100, "completion_tokens": 20_000, "total_tokens": 20_100,
        "completion_tokens_details": {"reasoning_tokens": 19_990}});
    let chats = |after_finish: u64| {
        Script::events(&[
            (0, chunk(&json!({"role": "assistant", "content": "It is"}), &Value::Null)),
            (0, chunk(&json!({"content": " fine."}), &Value::Null)),
            (0, chunk(&json!({}), &json!("stop"))),
            (after_finish, usage_chunk(&told)),
        ])
        .done()
    };
    let models = vec![
        ("chat", "openai/m", THINKS, chats(600)),
        ("plain", "openai/m", PRICED, chats(600)),
        ("answers", "openai/m", THINKS, long_thought_answer()),
        ("claude", "anthropic/m", THINKS, long_thought_message()),
    ];
    scripted(models, |gateway| {
        let wanted = 100.0 * 0.000_001 + 20_000.0 * 0.000_01;
        let asked = json!({"model": "answers", "stream": true, "input": "hello"});
        let said = json!({"model": "claude", "stream": true, "max_tokens": 30_000, "messages": [{"role": "user", "content": "hello"}],
            "thinking": {"type": "adaptive", "display": "omitted"}});
        for (path, body, mark) in [
            ("/v1/chat/completions", &chat("chat", true), "\"stop\""),
            ("/v1/chat/completions", &chat("plain", true), "\"stop\""),
            ("/v1/responses", &asked, "response.output_text.done"),
            ("/v1/messages", &said, "It is fine."),
        ] {
            let (spent, row) = charged(gateway, leave(gateway, path, body, mark));
            assert!(close(spent, wanted), "{path} {mark}: {spent}, {row}");
        }
    });
}

/// A provider that is not about to end is stopped, and what it may have thought is taken by the time it had.
#[test]
fn who_leaves_a_thinking_model_stops_it_and_pays_for_its_time() {
    let slow = || {
        Script::events(&[
            (500, chunk(&json!({"role": "assistant", "content": "It is"}), &Value::Null)),
            (60_000, chunk(&json!({"content": " fine."}), &json!("stop"))),
        ])
        .done()
    };
    scripted(vec![("thinks", "openai/m", THINKS, slow()), ("plain", "openai/m", PRICED, slow())], |gateway| {
        let begun = Instant::now();
        let spent = |body: &Value| charged(gateway, leave(gateway, "/v1/chat/completions", body, "It is")).0;
        let output = |spent: f64| spent / 0.000_01;
        let (thinks, plain) = (output(spent(&chat("thinks", true))), output(spent(&chat("plain", true))));
        assert!((100.0..2_000.0).contains(&thinks), "{thinks} tokens in half a second");
        assert!(plain < 10.0, "{plain} tokens of a model that does not think");
        let mut bounded = chat("thinks", true);
        bounded["max_tokens"] = 20.into();
        assert!((20.0..30.0).contains(&output(spent(&bounded))), "no more than may be said");
        let mut told = chat("thinks", true);
        told["reasoning_effort"] = "none".into();
        assert!(output(spent(&told)) < 10.0, "it was told not to think");
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits for the provider");
    });
}

/// What is paid by the piece is paid by whoever leaves, too, and where nothing is told of it.
#[test]
fn pieces_are_charged_to_those_who_leave_and_where_nothing_is_told() {
    let sound = || Script("audio/mpeg", vec![(0, vec![1; 4_000]), (60_000, vec![1])]);
    let late = || Script(JSON, vec![(3_000, br#"{"created":1,"data":[{"b64_json":"AA=="}]}"#.to_vec())]);
    let ranked = || json!({"id": "r", "results": [{"index": 0, "relevance_score": 0.5}]});
    let models = vec![
        ("speaks", "openai/tts-1", "", sound()),
        ("draws", "openai/m", "input_cost_per_token: 0, output_cost_per_image: 0.04", late()),
        ("ranks", "cohere/rerank-v3.5", "", Script::json(&ranked())),
        ("ranks-late", "cohere/rerank-v3.5", "", Script(JSON, vec![(3_000, ranked().to_string().into_bytes())])),
        ("sounds", "openai/gpt-4o-mini-tts", "", Script("audio/mpeg", vec![(0, vec![1; 4_000])])),
        (
            "letters",
            "openai/m",
            "input_cost_per_character: 0.001",
            Script::json(&json!({"object": "list", "model": "m",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 2, "total_tokens": 2}})),
        ),
        ("lasts", "openai/m", "output_cost_per_second: 0.001", Script("audio/mpeg", vec![(0, vec![1; 4_000])])),
    ];
    scripted(models, |gateway| {
        let text = "a".repeat(600);
        let speech = |model: &str| json!({"model": model, "voice": "alloy", "input": text});
        let images = json!({"model": "draws", "prompt": "a cat", "n": 2});
        let ranks = |model: &str| json!({"model": model, "query": "q", "documents": ["a", "b"]});
        let (left, _) = charged(gateway, leave(gateway, "/v1/audio/speech", &speech("speaks"), "\x01\x01\x01"));
        assert!(close(left, 0.009), "{left}");
        let (left, _) = charged(gateway, leave(gateway, "/v1/images/generations", &images, ""));
        assert!(close(left, 0.08), "{left}");
        let (left, _) = charged(gateway, leave(gateway, "/v1/rerank", &ranks("ranks-late"), ""));
        assert!(close(left, 0.002), "{left}");
        let (untold, row) = charged(gateway, stay(gateway, "/v1/rerank", &ranks("ranks")));
        assert!(close(untold, 0.002), "{untold}, {row}");
        let (sounds, row) = charged(gateway, stay(gateway, "/v1/audio/speech", &speech("sounds")));
        assert!((0.010..0.016).contains(&sounds), "{sounds}, {row}");
        let (lasts, row) = charged(gateway, stay(gateway, "/v1/audio/speech", &speech("lasts")));
        assert!(close(lasts, 0.04), "forty seconds: {lasts}, {row}");
        let embedded = json!({"model": "letters", "input": ["hello", "you"]});
        let (letters, row) = charged(gateway, stay(gateway, "/v1/embeddings", &embedded));
        assert!(close(letters, 0.008), "{letters}, {row}");
    });
}

/// Images whose size is not said are squares, and their price by the piece holds although tokens are told.
#[test]
fn images_are_paid_by_piece_or_pixel_whatever_else_is_told() {
    let usage = json!({"input_tokens": 10, "output_tokens": 4160, "total_tokens": 4170});
    let answer = |usage: &Value| Script::json(&json!({"created": 1, "data": [{"b64_json": "AA=="}], "usage": usage}));
    let strange = json!({"input_tokens": "10", "output_tokens": 4160, "cost": {"odd": true}});
    let models = vec![
        ("piece", "openai/m", "output_cost_per_image: 0.04", answer(&usage)),
        ("pixel", "openai/m", "input_cost_per_pixel: 0.00000001", answer(&Value::Null)),
        ("strange", "openai/gpt-image-1", "", answer(&strange)),
        ("untold", "openai/gpt-image-1", "", answer(&Value::Null)),
        ("listed", "azure/dall-e-3", "", answer(&Value::Null)),
    ];
    scripted(models, |gateway| {
        let spent = |model: &str, size: &str| {
            let mut asked = json!({"model": model, "prompt": "a cat", "quality": "low"});
            if !size.is_empty() {
                asked["size"] = size.into();
            }
            charged(gateway, stay(gateway, "/v1/images/generations", &asked)).0
        };
        assert!(close(spent("piece", ""), 0.04));
        for size in ["", "auto", "1024x1024"] {
            assert!(close(spent("pixel", size), 0.01048576), "{size}");
        }
        assert!(close(spent("strange", ""), 0.16645));
        for (quality, size, wanted) in
            [("hd", "1024x1024", 0.088), ("standard", "1792x1024", 0.088), ("standard", "auto", 0.044), ("auto", "1024x1024", 0.044)]
        {
            let asked = json!({"model": "listed", "prompt": "a cat", "quality": quality, "size": size});
            let (spent, row) = charged(gateway, stay(gateway, "/v1/images/generations", &asked));
            assert!((spent - wanted).abs() < 1e-6, "{quality} {size}: {spent}, {row}");
        }
        let untold = spent("untold", "");
        assert!((0.0108..0.0115).contains(&untold), "272 tokens of an image, and the prompt: {untold}");
    });
}

/// A whole answer without usage costs what it says, not its prompt alone.
#[test]
fn whole_answers_without_usage_are_charged_by_what_they_say() {
    let words = "word ".repeat(500);
    let said = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}]});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": words}]});
    let gemini = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": words}]}}]});
    let models = vec![
        ("chat", "openai/m", PRICED, Script::json(&said)),
        ("claude", "anthropic/m", PRICED, Script::json(&message)),
        ("gemini", "gemini/m", PRICED, Script::json(&gemini)),
    ];
    scripted(models, |gateway| {
        let asked = |model: &str| json!({"model": model, "max_tokens": 2_000, "messages": [{"role": "user", "content": "hello"}]});
        for (path, model) in [
            ("/v1/chat/completions", "chat"),
            ("/v1/messages", "chat"),
            ("/v1/messages", "claude"),
            ("/v1/chat/completions", "claude"),
            ("/v1/chat/completions", "gemini"),
        ] {
            let (spent, row) = charged(gateway, stay(gateway, path, &asked(model)));
            assert_eq!(row["completion_tokens"], 625, "{path} {model}: {row}");
            let input = row["prompt_tokens"].as_f64().expect("a count");
            assert!(input > 0.0 && close(spent, input * 0.000_001 + 0.006_25), "{path} {model}: {spent}, {row}");
        }
    });
}

/// A report that leaves out the prompt, or nearly all of the answer, is not all there is.
#[test]
fn half_a_report_is_completed_by_guess() {
    let answer = |usage: &Value| {
        Script::json(&json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "fine"}}]}))
    };
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "fine"}], "usage": {"output_tokens": 900}});
    let gemini = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "fine"}]}}],
        "usageMetadata": {"candidatesTokenCount": 900, "totalTokenCount": 900}});
    let streamed = Script::events(&[
        (0, chunk(&json!({"role": "assistant", "content": "fine"}), &Value::Null)),
        (0, chunk(&json!({}), &json!("stop"))),
        (0, usage_chunk(&json!({"completion_tokens": 900}))),
    ])
    .done();
    let models = vec![
        ("chat", "openai/m", PRICED, answer(&json!({"completion_tokens": 900}))),
        ("negative", "openai/m", PRICED, answer(&json!({"prompt_tokens": -5, "completion_tokens": 900}))),
        ("claude", "anthropic/m", PRICED, Script::json(&message)),
        ("gemini", "gemini/m", PRICED, Script::json(&gemini)),
        ("streamed", "openai/m", PRICED, streamed),
    ];
    scripted(models, |gateway| {
        for model in ["chat", "negative", "claude", "gemini", "streamed"] {
            let (spent, row) = charged(gateway, stay(gateway, "/v1/chat/completions", &chat(model, model == "streamed")));
            let input = row["prompt_tokens"].as_f64().expect("a count");
            assert!(input > 0.0 && close(spent, input * 0.000_001 + 0.009), "{model}: {spent}, {row}");
        }
    });
}

/// A stream that ends without its last report said more than its first one tells.
#[test]
fn an_end_without_a_report_is_charged_by_what_was_said() {
    let text = "word ".repeat(500);
    let events = Script::events(&[
        (
            0,
            json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 100, "output_tokens": 1}}}),
        ),
        (0, json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        (0, json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})),
        (0, json!({"type": "content_block_stop", "index": 0})),
        (0, json!({"type": "message_stop"})),
    ]);
    scripted(vec![("claude", "anthropic/m", PRICED, events)], |gateway| {
        let asked = json!({"model": "claude", "stream": true, "max_tokens": 2_000, "messages": [{"role": "user", "content": "hello"}]});
        let (spent, row) = charged(gateway, stay(gateway, "/v1/messages", &asked));
        assert!(close(spent, 0.000_1 + 0.006_25), "{spent}, {row}");
    });
}

/// An answer that cannot be read took what it says it took.
#[test]
fn what_an_unreadable_answer_took_is_charged() {
    let answer = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}});
    scripted(vec![("m", "openai/m", PRICED, Script::json(&answer))], |gateway| {
        let (spent, row) = charged(gateway, |key| {
            let reply = gateway.as_key(key, "POST", "/v1/chat/completions", &chat("m", false));
            assert!(reply.status.as_u16() >= 500, "{}", reply.text());
        });
        let each = 100.0 * 0.000_001 + 50.0 * 0.000_01;
        let attempts = spent / each;
        assert!(attempts > 0.5 && close(attempts, attempts.round()), "{spent}, {row}");
    });
}

/// Sound is measured also where its text comes without a word on it.
#[test]
fn transcriptions_in_any_form_cost_the_same() {
    let text = || Script("text/plain; charset=utf-8", vec![(0, b"it is fine".to_vec())]);
    let counted = json!({"text": "it is fine"});
    let models = vec![("hears", "openai/whisper-1", "", text()), ("told", "openai/whisper-1", "", Script::json(&counted))];
    scripted(models, |gateway| {
        // A minute: one channel, a thousand bytes a second.
        let format = [1, 0, 1, 0, 0xe8, 3, 0, 0, 0xe8, 3, 0, 0, 1, 0, 8, 0];
        let chunks: [(&[u8], &[u8]); 2] = [(b"fmt ", &format), (b"data", &[0; 60_000])];
        let mut wave = b"RIFF\0\0\0\0WAVE".to_vec();
        for (name, body) in chunks {
            wave.extend([name, &u32::try_from(body.len()).expect("short").to_le_bytes(), body].concat());
        }
        let ask = |model: &str, format: &str, file: &[u8]| {
            let part = |head: &str, value: &[u8]| {
                [format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(), value, b"\r\n"].concat()
            };
            let form = [
                part("name=\"model\"", model.as_bytes()),
                part("name=\"response_format\"", format.as_bytes()),
                part("name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", file),
                b"--B--\r\n".to_vec(),
            ];
            let form = form.concat();
            charged(gateway, |key| {
                let ask = gateway.app.ask("POST", "/v1/audio/transcriptions").key(key);
                let reply = ask.header("content-type", "multipart/form-data; boundary=B").body(form).send();
                assert_eq!(reply.status, 200, "{}", reply.text());
            })
        };
        for (model, format) in [("hears", "text"), ("hears", "srt"), ("hears", "vtt"), ("told", "json")] {
            let (spent, row) = ask(model, format, &wave);
            assert!(close(spent, 0.006), "{model} {format}: {spent}, {row}");
        }
        // Nobody knows how long other files last; a second has sixteen thousand bytes, by guess.
        let (spent, row) = ask("hears", "text", &[1; 160_000]);
        assert!((0.001..0.0011).contains(&spent), "{spent}, {row}");
    });
}

/// What passes to a provider's own API is guessed like any other answer where it tells nothing.
#[test]
fn answers_of_providers_own_apis_are_charged_without_usage() {
    let words = "word ".repeat(500);
    let said = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}]});
    scripted(vec![("m", "openai/m", PRICED, Script::json(&said))], |gateway| {
        let (spent, row) = charged(gateway, stay(gateway, "/openai/v1/chat/completions", &chat("gpt-4o", false)));
        assert!(spent > 625.0 * 0.000_01 && spent < 0.007, "{spent}, {row}");
    });
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "fine"}], "usage": {"input_tokens": 1_000, "output_tokens": 100}});
    let script = Script("application/octet-stream", vec![(0, message.to_string().into_bytes())]);
    scripted(vec![("m", "anthropic/m", PRICED, script)], |gateway| {
        let asked = json!({"model": "claude-sonnet-4-5-20250929", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
        let (spent, row) = charged(gateway, stay(gateway, "/anthropic/v1/messages", &asked));
        assert!(close(spent, 0.004_5), "{spent}, {row}");
    });
    let counted = Script::json(&json!({"input_tokens": 1_000}));
    scripted(vec![("m", "anthropic/claude-sonnet-4-5-20250929", "", counted)], |gateway| {
        let asked = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        for (path, model) in [("/anthropic/v1/messages/count_tokens", "claude-sonnet-4-5-20250929"), ("/v1/messages/count_tokens", "m")] {
            let reply = gateway.as_key(MASTER, "POST", path, &asked(model));
            assert_eq!(reply.json()["input_tokens"], 1_000, "{}", reply.text());
            let id = reply.header("x-litellm-call-id").to_owned();
            let rows = until(gateway, &format!("/spend/logs?request_id={id}"), |rows| rows[0].is_object());
            assert_eq!(rows[0]["spend"], 0.0, "whoever counts pays nothing: {}", rows[0]);
        }
    });
}

/// A report that cannot be true is not believed: what it leaves open is guessed, and the charge says so.
#[test]
fn what_cannot_be_true_is_guessed() {
    let text = "It is fine. ".repeat(20);
    let whole = |usage: &Value| {
        Script::json(&json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}))
    };
    let streamed = |usage: &Value| {
        let said = text.split_inclusive(' ').map(|word| (0, chunk(&json!({"role": "assistant", "content": word}), &Value::Null)));
        let end = [(0, chunk(&json!({}), &json!("stop"))), (0, usage_chunk(usage))];
        Script::events(&said.chain(end).collect::<Vec<_>>()).done()
    };
    let told = |input: i64, output: i64| json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    // A model that reads 128,000 tokens.
    const MODEL: &str = "openai/gpt-4o";
    let reports = [told(0, 0), told(1_000_000_000_000, 60), told(5_000_000, 60), told(3, -5), told(3, 0), told(0, 60)];
    let names: Vec<String> = (0..reports.len()).flat_map(|at| [format!("whole-{at}"), format!("streamed-{at}")]).collect();
    let scripts = reports.iter().flat_map(|usage| [whole(usage), streamed(usage)]);
    let models = names.iter().zip(scripts).map(|(name, script)| (name.as_str(), MODEL, PRICED, script)).collect();
    scripted(models, |gateway| {
        for name in &names {
            let (spent, row) = charged(gateway, stay(gateway, "/v1/chat/completions", &chat(name, name.starts_with("streamed"))));
            // Some sixty tokens of text and a few of the prompt.
            assert!((0.000_4..0.000_9).contains(&spent), "{name}: {spent}, {row}");
            assert_eq!(row["metadata"]["estimated"], true, "{name}: {row}");
            assert!(close(row["metadata"]["cost_breakdown"]["total_cost"].as_f64().unwrap_or(0.0), spent), "{name}: {row}");
        }
        let told = gateway.as_key(MASTER, "POST", "/v1/chat/completions", &chat("whole-0", false));
        let told: f64 = told.header("x-litellm-response-cost").parse().expect("a cost");
        assert!((0.000_4..0.000_9).contains(&told), "the client is told what it is charged: {told}");
    });
}
