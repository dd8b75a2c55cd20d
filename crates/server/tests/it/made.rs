//! Images and speech of Google's models by OpenAI's routes, at a provider that answers what its prompt says.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

fn google(models: &[&str], test: impl Fn(&Managed, &Upstream)) {
    let upstream = Upstream::start();
    let at = upstream.url();
    let entry = |model: &&str| {
        format!("  - {{model_name: {model}, litellm_params: {{model: gemini/{model}, api_base: '{at}/told', api_key: k}}}}\n")
    };
    with(&models.iter().map(entry).collect::<String>(), |gateway| test(gateway, &upstream));
}

fn last(upstream: &Upstream) -> (String, Value) {
    let (path, body) = upstream.asked().pop().expect("a request");
    (path, serde_json::from_str(&body).expect("JSON"))
}

/// What a model answers with that media, and what it counts.
fn answer(kind: &str, data: &str, usage: &Value) -> String {
    let parts = json!([{"text": "Here."}, {"inlineData": {"mimeType": kind, "data": data}}]);
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}).to_string()
}

fn counted(prompt: u64, answer: u64, modality: &str) -> Value {
    json!({"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": prompt + answer,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        "candidatesTokensDetails": [{"modality": modality, "tokenCount": answer}]})
}

fn costs(reply: &Reply, wanted: f64) {
    let cost: f64 = reply.header("x-litellm-response-cost").parse().unwrap_or_else(|_| panic!("no cost: {:?}", reply.headers));
    assert!((cost - wanted).abs() < 1e-12, "{cost} is not {wanted}");
}

const DRAWS: &str = "gemini-2.5-flash-image";
const SPEAKS: &str = "gemini-2.5-flash-preview-tts";
const PREDICTS: &str = "imagen-3.0-generate-001";

#[test]
fn images_are_made_and_changed() {
    google(&[DRAWS], |gateway, upstream| {
        let prompt = answer("image/png", "iVBORw==", &counted(5, 1290, "IMAGE"));
        let body = json!({"model": DRAWS, "prompt": prompt, "size": "1792x1024", "quality": "hd", "extra_body": {"safetySettings": []}});
        let reply = gateway.as_key(MASTER, "POST", "/v1/images/generations", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let told = reply.json();
        assert_eq!(told["data"], json!([{"b64_json": "iVBORw=="}]));
        assert_eq!((&told["usage"]["input_tokens"], &told["usage"]["output_tokens_details"]["image_tokens"]), (&json!(5), &json!(1290)));
        assert_eq!(reply.header("x-switchboard-dropped"), "quality");
        costs(&reply, 5.0 * 0.3e-6 + 1290.0 * 30e-6);
        let (path, sent) = last(upstream);
        assert_eq!(path, format!("/told/models/{DRAWS}:generateContent"));
        let config = json!({"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "16:9"}});
        assert_eq!((&sent["generationConfig"], &sent["safetySettings"], sent.get("model")), (&config, &json!([]), None), "{sent}");

        let part = |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let form = [
            part("name=\"model\"", DRAWS),
            part("name=\"image\"; filename=\"a.webp\"\r\nContent-Type: image/webp", "RIFF"),
            part("name=\"prompt\"", &prompt),
            "--B--\r\n".to_owned(),
        ];
        let ask = gateway.app.ask("POST", "/v1/images/edits").key(MASTER).header("content-type", "multipart/form-data; boundary=B");
        let reply = ask.body(form.concat()).send();
        assert_eq!((reply.status.as_u16(), &reply.json()["data"]), (200, &json!([{"b64_json": "iVBORw=="}])), "{}", reply.text());
        costs(&reply, 5.0 * 0.3e-6 + 1290.0 * 30e-6);
        let (_, sent) = last(upstream);
        assert_eq!(sent["contents"][0]["parts"][0], json!({"inlineData": {"mimeType": "image/webp", "data": "UklGRg=="}}));
    });
}

#[test]
fn an_image_that_a_filter_keeps_back_is_told_and_paid() {
    google(&[DRAWS, PREDICTS], |gateway, _| {
        let refused = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10}});
        let body = json!({"model": DRAWS, "prompt": refused.to_string()});
        let reply = gateway.as_key(MASTER, "POST", "/v1/images/generations", &body);
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (400, &json!("content_policy_violation")), "{}", reply.text());
        let page = crate::spending::until(gateway, "/spend/logs/v2", |page| page["total"] == 1);
        let spend = page["data"][0]["spend"].as_f64().expect("spend");
        assert!((spend - 10.0 * 0.3e-6).abs() < 1e-12, "{page}");
        let none = json!({"predictions": [{"raiFilteredReason": "It shows a child."}]}).to_string();
        let reply = gateway.as_key(MASTER, "POST", "/v1/images/generations", &json!({"model": PREDICTS, "prompt": none}));
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("It shows a child."), "{}", reply.text());
    });
}

#[test]
fn predictions_are_paid_by_the_image() {
    google(&[PREDICTS], |gateway, upstream| {
        let image = json!({"bytesBase64Encoded": "AA==", "mimeType": "image/png"});
        let prompt = json!({"predictions": [image, image]}).to_string();
        let body = json!({"model": PREDICTS, "prompt": prompt, "n": 2, "size": "1024x1792"});
        let reply = gateway.as_key(MASTER, "POST", "/v1/images/generations", &body);
        assert_eq!((reply.status.as_u16(), reply.json()["data"].as_array().map(Vec::len)), (200, Some(2)), "{}", reply.text());
        costs(&reply, 2.0 * 0.04);
        let (path, sent) = last(upstream);
        assert_eq!(path, format!("/told/models/{PREDICTS}:predict"));
        assert_eq!(sent["parameters"], json!({"sampleCount": 2, "aspectRatio": "9:16"}));
        let edit = json!({"model": PREDICTS, "prompt": prompt, "image": "data:image/png;base64,AA=="});
        assert_eq!(gateway.as_key(MASTER, "POST", "/v1/images/edits", &edit).status, 400);
    });
}

#[test]
fn speech_is_a_wave_file_or_bare_samples() {
    google(&[SPEAKS], |gateway, upstream| {
        let input = answer("audio/L16;codec=pcm;rate=24000", "AQIDBA==", &counted(8, 50, "AUDIO"));
        let ask = |more: Value| {
            let mut body = json!({"model": SPEAKS, "input": input, "voice": "Kore"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.as_key(MASTER, "POST", "/v1/audio/speech", &body)
        };
        let file = ask(json!({}));
        assert_eq!((file.status.as_u16(), file.header("content-type"), &file.body[..4]), (200, "audio/wav", &b"RIFF"[..]), "{file:?}");
        assert_eq!(&file.body[44..], [1, 2, 3, 4]);
        costs(&file, 8.0 * 0.5e-6 + 50.0 * 10e-6);
        let bare = ask(json!({"response_format": "pcm"}));
        assert_eq!((bare.header("content-type"), &bare.body[..]), ("audio/pcm", &[1, 2, 3, 4][..]));
        let (path, sent) = last(upstream);
        assert_eq!(path, format!("/told/models/{SPEAKS}:generateContent"));
        let voice = json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}});
        assert_eq!(sent["generationConfig"], json!({"responseModalities": ["AUDIO"], "speechConfig": voice}));
        let refused = ask(json!({"response_format": "mp3"}));
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("pcm, wav"), "{}", refused.text());
        // Nobody may say more than there is money for.
        let poor = gateway.key(&json!({"max_budget": 0.001}));
        let long = json!({"model": SPEAKS, "input": "word ".repeat(100), "voice": "Kore"});
        assert_eq!(gateway.as_key(&poor, "POST", "/v1/audio/speech", &long).status, 422);
    });
}

#[test]
fn what_a_deployment_says_of_images_and_vectors_is_translated() {
    let upstream = Upstream::start();
    let at = upstream.url();
    let yaml = format!(
        "  - {{model_name: wide, litellm_params: {{model: gemini/{DRAWS}, api_base: '{at}/told', api_key: k, size: 1792x1024, quality: hd}}}}
  - {{model_name: short, litellm_params: {{model: gemini/gemini-embedding-001, api_base: '{at}/told', api_key: k, dimensions: 8}}}}
"
    );
    with(&yaml, |gateway| {
        let prompt = answer("image/png", "AA==", &counted(5, 1290, "IMAGE"));
        let own = json!({"model": "wide", "prompt": prompt, "size": "1024x1024"});
        for (body, form) in [(json!({"model": "wide", "prompt": prompt}), "16:9"), (own, "1:1")] {
            let reply = gateway.as_key(MASTER, "POST", "/v1/images/generations", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            let (_, sent) = last(&upstream);
            assert_eq!((&sent["generationConfig"]["imageConfig"]["aspectRatio"], sent.get("size")), (&json!(form), None), "{sent}");
        }
        let vectors = json!({"embeddings": [{"values": [0.5]}]}).to_string();
        let reply = gateway.as_key(MASTER, "POST", "/v1/embeddings", &json!({"model": "short", "input": vectors}));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let (_, sent) = last(&upstream);
        assert_eq!((&sent["requests"][0]["outputDimensionality"], sent.get("dimensions")), (&json!(8), None), "{sent}");
    });
}
