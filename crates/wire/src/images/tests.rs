//! What becomes of requests and answers.

use serde_json::{Value, json};

use super::*;

fn written(shape: Shape, body: &Value, sized: bool) -> (Value, String) {
    let request = read_request(body.to_string().as_bytes()).expect("a request");
    let written = shape.write_request(&request, sized).expect("written");
    (serde_json::from_slice(&written.body).expect("JSON"), written.losses.to_string())
}

#[test]
fn sizes_become_forms_and_names() {
    for (size, form, name) in [
        ("1024x1024", "1:1", "1K"),
        ("1792x1024", "16:9", "1K"),
        ("1024x1536", "2:3", "1K"),
        ("1280x896", "4:3", "1K"),
        ("2048X2048", "1:1", "2K"),
        ("512x512", "1:1", "512"),
        ("5504x3072", "16:9", "4K"),
    ] {
        let (body, losses) = written(Shape::Gemini, &json!({"prompt": "a cat", "size": size}), true);
        assert_eq!(body["generationConfig"]["imageConfig"], json!({"aspectRatio": form, "imageSize": name}), "{size}");
        let (body, _) = written(Shape::Gemini, &json!({"prompt": "a cat", "size": size}), false);
        assert_eq!(body["generationConfig"]["imageConfig"], json!({"aspectRatio": form}), "{size}");
        assert_eq!(losses, "");
    }
    let (body, losses) = written(Shape::Gemini, &json!({"prompt": "a cat", "size": "large"}), true);
    assert_eq!((body["generationConfig"].get("imageConfig"), losses.as_str()), (None, "size"));
    let (body, _) = written(Shape::GeminiPredict, &json!({"prompt": "a cat", "size": "1024x1536", "n": 2}), true);
    assert_eq!(body, json!({"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2, "aspectRatio": "3:4"}}));
    let (body, _) = written(Shape::VertexPredict, &json!({"prompt": "a cat", "imageConfig": {"imageSize": "2K"}}), true);
    assert_eq!(body["parameters"], json!({"sampleCount": 1, "sampleImageSize": "2K"}));
}

#[test]
fn what_has_no_word_there_is_told_or_refused() {
    let (body, losses) = written(
        Shape::Gemini,
        &json!({"model": "m", "prompt": "a cat", "n": 1, "quality": "hd", "response_format": "b64_json", "web_search_options": {}}),
        true,
    );
    assert_eq!(losses, "quality");
    assert_eq!((&body["tools"], body["generationConfig"].get("candidateCount")), (&json!([{"googleSearch": {}}]), None));
    for more in [json!({"mask": "data:image/png;base64,AA=="}), json!({"stream": true})] {
        let mut body = json!({"prompt": "a cat"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let request = read_request(body.to_string().as_bytes()).expect("a request");
        assert!(Shape::Gemini.write_request(&request, true).is_err(), "{more}");
    }
    assert!(read_request(br#"{"prompt": "a", "image": "https://host.example/a.png"}"#).is_err());
    assert!(read_request(br#"{"n": 1}"#).is_err());
}

#[test]
fn every_candidates_images_are_read() {
    let candidate = |data: &str| json!({"content": {"parts": [{"text": "Here."}, {"inlineData": {"mimeType": "image/png", "data": data}}]}, "finishReason": "STOP"});
    let mut second = candidate("Bg==");
    second["index"] = json!(1);
    let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 1300, "thoughtsTokenCount": 10, "totalTokenCount": 1315});
    let body = json!({"candidates": [candidate("AA=="), second], "usageMetadata": usage});
    let made = Shape::Gemini.read_reply(body.to_string().as_bytes()).expect("an answer");
    assert_eq!(made.images.iter().map(|image| image.data.as_str()).collect::<Vec<_>>(), ["AA==", "Bg=="]);
    assert_eq!(made.usage.as_ref().and_then(|usage| usage.output_image), Some(1300));
    let told: Value = serde_json::from_slice(&write_reply(&made, 7)).expect("JSON");
    assert_eq!((&told["created"], &told["data"][1]["b64_json"]), (&json!(7), &json!("Bg==")));
    assert_eq!(told["usage"]["output_tokens_details"], json!({"text_tokens": 10, "image_tokens": 1300}));
    let refused = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}});
    let refused = Shape::Gemini.read_reply(refused.to_string().as_bytes()).expect("an answer");
    assert!(refused.filtered && refused.images.is_empty() && refused.told.contains("PROHIBITED"), "{refused:?}");
}

#[test]
fn a_form_holds_the_images_to_change() {
    let form = "--B\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\u{1}\r\n--B\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"b\"\r\n\r\n\u{2}\r\n--B\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nboth\r\n--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--B--\r\n";
    let request = read_form(&Frames::from(form.as_bytes().to_vec()), "multipart/form-data; boundary=B").expect("a form");
    let kinds: Vec<_> = request.images.iter().map(|image| (image.data.as_str(), image.media_type.as_deref())).collect();
    assert_eq!((kinds, request.n, request.prompt.as_str()), (vec![("AQ==", Some("image/png")), ("Ag==", None)], Some(2), "both"));
}
