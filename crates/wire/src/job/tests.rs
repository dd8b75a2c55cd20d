use serde_json::json;

use super::*;

#[test]
fn requests_are_found_wherever_they_stand() {
    let of = |body: Value| asked(body.to_string().as_bytes());
    let said = |model: &str| json!({"model": model, "max_tokens": 5});
    let request = |path: Option<&str>, model: Option<&str>, body: &Value| Request {
        path: path.map(str::to_owned),
        model: model.map(str::to_owned),
        body: body.to_string(),
    };
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": said("m")});
    assert_eq!(super::request(line.to_string().as_bytes()), Some(request(Some("/v1/chat/completions"), Some("m"), &said("m"))));
    let openai = of(json!({"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"})).expect("a job");
    assert_eq!((openai.files, openai.path.as_deref()), (vec!["file-1".to_owned()], Some("/v1/embeddings")));
    let mistral = of(json!({"input_files": ["a", "b"], "model": "m", "endpoint": "/v1/chat/completions"})).expect("a job");
    assert_eq!((mistral.files.len(), mistral.model.as_deref()), (2, Some("m")));
    let anthropic = of(json!({"requests": [{"custom_id": "a", "params": said("m")}, {"custom_id": "b"}]})).expect("a job");
    assert_eq!((anthropic.requests, anthropic.is_more), (vec![request(None, Some("m"), &said("m"))], true));
    let contents = json!({"contents": [], "model": "models/g"});
    let gemini = json!({"batch": {"display_name": "x", "input_config": {"requests": {"requests": [{"request": contents}]}}}});
    assert_eq!(of(gemini).expect("a job").requests, vec![request(None, Some("g"), &contents)]);
    let file = json!({"batch": {"inputConfig": {"fileName": "files/1"}}});
    assert_eq!(of(file).expect("a job").files, vec!["files/1".to_owned()]);
    let elsewhere = of(json!({"displayName": "x", "inputConfig": {"gcsSource": {"uris": "gs://b/f"}}})).expect("a job");
    assert!(elsewhere.is_more && elsewhere.requests.is_empty());
    assert_eq!(of(json!({"model": "m", "input": "x"})), None);
}

#[test]
fn a_job_tells_where_its_answers_are() {
    let of = |body: Value| jobs(body.to_string().as_bytes());
    let openai = |status: &str, file: Value| json!({"id": "batch_1", "object": "batch", "status": status, "output_file_id": file});
    let one = |id: &str, answers: Option<Answers>| vec![Job { id: id.to_owned(), model: None, answers }];
    assert_eq!(of(openai("in_progress", json!(null))), one("batch_1", None));
    assert_eq!(of(openai("completed", json!("file-2"))), one("batch_1", Some(Answers::Files(vec!["file-2".to_owned()]))));
    assert_eq!(of(openai("failed", json!(""))), one("batch_1", Some(Answers::Files(Vec::new()))));
    assert_eq!(of(json!({"object": "list", "data": [openai("expired", json!("f")), openai("validating", json!(null))]})).len(), 2);
    let mistral = json!({"id": "j", "object": "batch", "status": "SUCCESS", "output_file": "f", "model": "m"});
    assert_eq!(of(mistral)[0].answers, Some(Answers::Files(vec!["f".to_owned()])));
    let anthropic = |status: &str| json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": status});
    assert_eq!(of(anthropic("in_progress")), one("msgbatch_1", None));
    assert_eq!(of(anthropic("ended")), one("msgbatch_1", Some(Answers::Below("results"))));
    let gemini = |more: Value| json!({"name": "batches/1", "metadata": {"model": "models/g"}, "done": true, "response": more});
    let inline = of(gemini(json!({"inlinedResponses": {"inlinedResponses": [{"response": {}}]}})));
    assert_eq!(inline[0].answers, Some(Answers::Here(vec![r#"{"response":{}}"#.to_owned()])));
    assert_eq!((inline[0].id.as_str(), inline[0].model.as_deref()), ("batches/1", Some("g")));
    assert_eq!(of(gemini(json!({"responsesFile": "files/2"})))[0].answers, Some(Answers::Files(vec!["files/2".to_owned()])));
    assert_eq!(of(json!({"name": "batches/1", "metadata": {}})), one("batches/1", None));
}

#[test]
fn answers_say_what_they_took() {
    let of = |told: Value| match line(told.to_string().as_bytes()) {
        Line::Told(model, usage) => Some((model, usage.input, usage.output)),
        Line::Untold | Line::Failed => None,
    };
    let chat = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "x"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}});
    let message = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": "end_turn",
        "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2}});
    let gemini = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": "STOP"}],
        "modelVersion": "g", "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}});
    let vectors = json!({"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3}});
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(of(json!({"response": {"status_code": 200, "body": chat}, "error": null})), Some((name("gpt"), Some(3), Some(4))));
    assert_eq!(of(json!({"result": {"type": "succeeded", "message": message}})), Some((name("claude"), Some(5), Some(4))));
    assert_eq!(of(json!({"key": "a", "response": gemini})), Some((name("g"), Some(3), Some(4))));
    assert_eq!(of(json!({"response": {"status_code": 200, "body": vectors}})), Some((name("e"), Some(3), None)));
    for failed in [
        json!({"response": {"status_code": 429, "body": {"error": {}}}, "error": null}),
        json!({"response": null, "error": {"code": "batch_expired"}}),
        json!({"result": {"type": "errored", "error": {}}}),
        json!({"error": {"code": 3}}),
    ] {
        assert_eq!(line(failed.to_string().as_bytes()), Line::Failed, "{failed}");
    }
    assert_eq!(line(br#"{"response": {"status_code": 200, "body": {}}}"#), Line::Untold);
    assert_eq!(line(b"half a li"), Line::Untold);
}
