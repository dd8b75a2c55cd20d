//! From rows to URLs.

use super::*;

fn url(provider: &str, ask: Ask<'_>, values: &[(&str, &str)]) -> Result<String, UrlError> {
    let catalog = Catalog::embedded();
    let endpoint = catalog.endpoint(catalog.provider(provider).unwrap(), ask).expect("the provider serves it");
    endpoint.url(None, &|name| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn chat(provider: &str, dialect: Dialect, model: &str, values: &[(&str, &str)]) -> String {
    let ask = Ask { operation: Operation::Chat, dialect: Some(dialect), model, streamed: false };
    url(provider, ask, values).unwrap()
}

fn streamed(provider: &str, dialect: Dialect, model: &str, values: &[(&str, &str)]) -> String {
    let ask = Ask { operation: Operation::Chat, dialect: Some(dialect), model, streamed: true };
    url(provider, ask, values).unwrap()
}

fn other(provider: &str, operation: Operation, model: &str, values: &[(&str, &str)]) -> String {
    url(provider, Ask { operation, dialect: None, model, streamed: false }, values).unwrap()
}

#[test]
fn chat_urls() {
    use Dialect::{Anthropic, Cohere, Ollama, OpenAiChat, OpenAiResponses};
    assert_eq!(chat("openai", OpenAiChat, "gpt-4o", &[]), "https://api.openai.com/v1/chat/completions");
    assert_eq!(chat("openai", OpenAiResponses, "gpt-4o", &[]), "https://api.openai.com/v1/responses");
    assert_eq!(chat("anthropic", Anthropic, "claude", &[]), "https://api.anthropic.com/v1/messages");
    assert_eq!(chat("groq", OpenAiChat, "llama", &[]), "https://api.groq.com/openai/v1/chat/completions");
    assert_eq!(chat("deepseek", Anthropic, "x", &[]), "https://api.deepseek.com/anthropic/v1/messages");
    assert_eq!(chat("cohere", Cohere, "command-r", &[]), "https://api.cohere.com/v2/chat");
    assert_eq!(chat("ollama", Ollama, "llama3", &[]), "http://localhost:11434/api/chat");
    assert_eq!(chat("ollama", OpenAiChat, "llama3", &[]), "http://localhost:11434/v1/chat/completions");
}

#[test]
fn predictions_are_made_where_the_model_is() {
    use Dialect::Replicate;
    let url = |model: &str| chat("replicate", Replicate, model, &[]);
    assert_eq!(url("meta/meta-llama-3-8b-instruct"), "https://api.replicate.com/v1/models/meta/meta-llama-3-8b-instruct/predictions");
    assert_eq!(url("someone/something:5797a9"), "https://api.replicate.com/v1/predictions");
    assert_eq!(url("deployments/acme/mine"), "https://api.replicate.com/v1/deployments/acme/mine/predictions");
}

#[test]
fn chat_urls_with_the_model_in_the_path() {
    use Dialect::{Bedrock, Gemini, OpenAiChat};
    assert_eq!(
        streamed("gemini", Gemini, "gemini-2.5-pro", &[]),
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!(
        streamed("bedrock", Bedrock, "arn:aws:bedrock:us-east-1:1:inference-profile/x", &[("AWS_REGION", "eu-west-1")]),
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fx/converse-stream"
    );
    assert_eq!(
        chat("bedrock", Bedrock, "converse/amazon.nova-lite-v1:0", &[("aws_region_name", "cn-north-1")]),
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/amazon.nova-lite-v1:0/converse"
    );
    assert_eq!(
        chat("azure", OpenAiChat, "my-gpt", &[("azure_resource", "acme")]),
        "https://acme.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=2025-02-01-preview"
    );
    for (version, root) in [("2025-04-01-preview", "openai"), ("preview", "openai/v1"), ("v1", "openai/v1"), ("latest", "openai/v1")] {
        let values = [("azure_resource", "acme"), ("api_version", version)];
        let wanted = format!("https://acme.openai.azure.com/{root}/responses?api-version={version}");
        assert_eq!(chat("azure", Dialect::OpenAiResponses, "my-gpt", &values), wanted);
    }
    assert_eq!(
        streamed("watsonx", OpenAiChat, "ibm/granite", &[]),
        "https://us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-03-13"
    );
}

#[test]
fn vertex_urls() {
    let at = [("vertex_project", "p"), ("vertex_location", "us-east5")];
    let base = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
    assert_eq!(
        chat("vertex_ai", Dialect::Gemini, "gemini-2.5-pro", &at),
        format!("{base}/publishers/google/models/gemini-2.5-pro:generateContent")
    );
    assert_eq!(
        streamed("vertex_ai", Dialect::Anthropic, "claude-opus-4@20250514", &at),
        format!("{base}/publishers/anthropic/models/claude-opus-4@20250514:streamRawPredict")
    );
    assert_eq!(
        chat("vertex_ai", Dialect::OpenAiChat, "meta/llama-3.3-70b-instruct-maas", &at),
        format!("{base}/endpoints/openapi/chat/completions")
    );
    assert_eq!(chat("vertex_ai", Dialect::OpenAiChat, "openai/4711", &at), format!("{base}/endpoints/4711/chat/completions"));
    assert_eq!(
        chat("vertex_ai", Dialect::Gemini, "gemini-2.5-pro", &[("vertex_project", "p"), ("vertex_location", "global")]),
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:generateContent"
    );
}

#[test]
fn a_base_that_names_a_model_gets_the_verb_alone() {
    let catalog = Catalog::embedded();
    let url = |provider: &str, dialect, model: &str, base: &str| {
        let ask = Ask { operation: Operation::Chat, dialect: Some(dialect), model, streamed: true };
        catalog.endpoint(catalog.provider(provider).unwrap(), ask).unwrap().url(Some(base), &|_| None).unwrap()
    };
    let own = "https://proxy/v1/projects/p/locations/l/publishers/google/models/tuned";
    assert_eq!(url("vertex_ai", Dialect::Gemini, "gemini-2.5-pro", own), format!("{own}:streamGenerateContent?alt=sse"));
    assert_eq!(
        url("vertex_ai", Dialect::Gemini, "gemini-2.5-pro", "https://proxy/v1/projects/p/locations/l"),
        "https://proxy/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!(url("openai", Dialect::OpenAiChat, "m", "https://proxy/models/x"), "https://proxy/models/x/chat/completions");
}

#[test]
fn urls_of_other_operations() {
    assert_eq!(other("openai", Operation::Embeddings, "m", &[]), "https://api.openai.com/v1/embeddings");
    assert_eq!(other("cohere", Operation::Rerank, "m", &[]), "https://api.cohere.com/v2/rerank");
    assert_eq!(other("jina_ai", Operation::Rerank, "m", &[]), "https://api.jina.ai/v1/rerank");
    assert_eq!(other("anthropic", Operation::CountTokens, "m", &[]), "https://api.anthropic.com/v1/messages/count_tokens");
    assert_eq!(other("dashscope", Operation::Rerank, "m", &[]), "https://dashscope.aliyuncs.com/compatible-api/v1/reranks");
    assert_eq!(
        other("huggingface", Operation::Embeddings, "BAAI/bge-m3", &[]),
        "https://router.huggingface.co/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction"
    );
    assert_eq!(
        other("bedrock", Operation::Embeddings, "amazon.nova-2-multimodal-embeddings-v1:0", &[]),
        "https://bedrock-runtime.us-west-2.amazonaws.com/model/amazon.nova-2-multimodal-embeddings-v1:0/invoke"
    );
    assert_eq!(
        other("vertex_ai", Operation::Embeddings, "gemini-embedding-2-preview", &[("VERTEXAI_PROJECT", "p")]),
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/gemini-embedding-2-preview:embedContent"
    );
    assert_eq!(
        other("bedrock", Operation::Embeddings, "amazon.titan-embed-text-v2:0", &[]),
        "https://bedrock-runtime.us-west-2.amazonaws.com/model/amazon.titan-embed-text-v2:0/invoke"
    );
    let catalog = Catalog::embedded();
    let ask = Ask { operation: Operation::Speech, dialect: None, model: "m", streamed: false };
    assert_eq!(catalog.endpoint(catalog.provider("anthropic").unwrap(), ask), None, "unsupported is no endpoint");
}

/// Every row's every dialect and operation leads to a URL once its variables are given.
#[test]
fn shapes_of_embeddings_and_reranking_are_known() {
    use switchboard_wire::{embed, rerank};
    for row in Catalog::embedded().providers() {
        let rules = row.rules.iter().map(|rule| &rule.shapes);
        for shapes in rules.chain([&row.shapes]) {
            if let Some(shape) = shapes.get(&Operation::Embeddings) {
                assert!(embed::Shape::of_row(shape).is_some(), "{}: {shape}", row.id);
            }
            if let Some(shape) = shapes.get(&Operation::Rerank) {
                assert!(rerank::Shape::of_row(shape).is_some(), "{}: {shape}", row.id);
            }
        }
    }
}

#[test]
fn every_row_has_its_urls() {
    let catalog = Catalog::embedded();
    for row in catalog.providers() {
        let mut asks: Vec<Ask<'_>> = Vec::new();
        for streamed in [false, true] {
            let ask = |operation, dialect| Ask { operation, dialect, model: "m", streamed };
            asks.extend(row.chat_dialects("m").iter().map(|dialect| ask(Operation::Chat, Some(*dialect))));
            asks.extend(row.shapes.keys().map(|operation| ask(*operation, None)));
        }
        for ask in asks {
            let endpoint = catalog.endpoint(row, ask).unwrap_or_else(|| panic!("{}: no path for {ask:?}", row.id));
            let base = if row.base.is_empty() { Some("http://localhost:4000/") } else { None };
            let value = |_: &str| Some("value".to_owned());
            let url = endpoint.url(base, &value).unwrap_or_else(|error| panic!("{}: {error}", row.id));
            assert!(url.parse::<http::Uri>().is_ok(), "{url}");
            let behind_scheme = url.split_once("://").unwrap().1;
            assert!(!url.contains('{') && !behind_scheme.contains("//"), "{url}");
            endpoint.headers(&value).unwrap();
            endpoint.edits(&value).unwrap();
        }
    }
}

#[test]
fn a_rule_changes_dialect_body_and_name() {
    let catalog = Catalog::embedded();
    let vertex = catalog.provider("vertex_ai").unwrap();
    assert_eq!(vertex.dialect_for(Dialect::OpenAiChat, "claude-opus-4", None), Some(Dialect::Anthropic));
    assert_eq!(vertex.dialect_for(Dialect::OpenAiChat, "gemini-2.5-pro", None), Some(Dialect::Gemini));
    let ask = Ask { operation: Operation::Chat, dialect: None, model: "claude-opus-4", streamed: false };
    let endpoint = catalog.endpoint(vertex, ask).unwrap();
    let edits = endpoint.edits(&|_| None).unwrap();
    assert_eq!(edits.set.get("anthropic_version").map(String::as_str), Some("\"vertex-2023-10-16\""));
    assert_eq!(edits.remove, ["model"]);
    let watsonx = catalog.provider("watsonx").unwrap();
    let endpoint = catalog.endpoint(watsonx, Ask { model: "ibm/granite", ..ask }).unwrap();
    let edits = endpoint.edits(&|name| (name == "project_id").then(|| "p-1".to_owned())).unwrap();
    assert_eq!(edits.set.get("project_id").map(String::as_str), Some("\"p-1\""));
}

#[test]
fn nothing_moves_a_request_elsewhere() {
    let ask = Ask { operation: Operation::Chat, dialect: Some(Dialect::Gemini), model: "..", streamed: false };
    assert_eq!(url("gemini", ask, &[]), Err(UrlError::Unfit { variable: "model".to_owned() }));
    let escaped = url("gemini", Ask { model: "../x?key=1#", ..ask }, &[]).unwrap();
    assert!(escaped.contains("/models/..%2Fx%3Fkey%3D1%23:generateContent"), "{escaped}");
    let ask = Ask { operation: Operation::Chat, dialect: Some(Dialect::OpenAiChat), model: "m", streamed: false };
    for resource in ["evil.example/", "a@evil.example", "a?b", "a#b", "", "a/../b", "a b"] {
        let result = url("azure", ask, &[("azure_resource", resource)]);
        assert_eq!(result, Err(UrlError::Unfit { variable: "resource".to_owned() }), "{resource}");
    }
    for (provider, told) in [
        ("azure", "provider `azure` needs a value for `resource`: set `api_base`, or AZURE_API_BASE in the environment"),
        ("vertex_ai", "provider `vertex_ai` needs a value for `project`: set `vertex_project`, or VERTEXAI_PROJECT in the environment"),
        (
            "cloudflare",
            "provider `cloudflare` needs a value for `account`: set `cloudflare_account_id`, or CLOUDFLARE_ACCOUNT_ID in the environment",
        ),
    ] {
        assert_eq!(url(provider, Ask { dialect: None, ..ask }, &[]).map_err(|error| error.to_string()), Err(told.to_owned()));
    }
    assert_eq!(url("openai_like", ask, &[]), Err(UrlError::NoBase("openai_like".to_owned())));
}

#[test]
fn a_users_base_moves_every_dialect_or_none() {
    let catalog = Catalog::embedded();
    let deepseek = catalog.provider("deepseek").unwrap();
    let ask = Ask { operation: Operation::Chat, dialect: Some(Dialect::Anthropic), model: "m", streamed: false };
    let endpoint = catalog.endpoint(deepseek, ask).unwrap();
    let beta = Some("https://proxy.example/deepseek/beta/");
    assert_eq!(endpoint.url(beta, &|_| None), Ok("https://proxy.example/deepseek/anthropic/v1/messages".to_owned()));
    assert_eq!(deepseek.dialect_for(Dialect::Anthropic, "m", beta), Some(Dialect::Anthropic));
    let plain = Some("https://proxy.example");
    assert_eq!(endpoint.url(plain, &|_| None), Err(UrlError::Elsewhere("deepseek".to_owned())));
    assert_eq!(deepseek.dialect_for(Dialect::Anthropic, "m", plain), Some(Dialect::OpenAiChat));
    let openai = Ask { dialect: Some(Dialect::OpenAiChat), ..ask };
    let endpoint = catalog.endpoint(deepseek, openai).unwrap();
    assert_eq!(endpoint.url(plain, &|_| None), Ok("https://proxy.example/chat/completions".to_owned()));
}

#[test]
fn places_follow_a_users_base_where_their_row_says_so() {
    let catalog = Catalog::embedded();
    let at = |provider: &str, ask: Ask<'_>, base: &str| {
        catalog.endpoint(catalog.provider(provider).unwrap(), ask).unwrap().url(Some(base), &|_| None).unwrap()
    };
    let rerank = Ask { operation: Operation::Rerank, dialect: None, model: "cohere.rerank-v3-5:0", streamed: false };
    for (base, expected) in [
        ("https://proxy.example/aws", "https://proxy.example/aws/rerank"),
        (
            "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
            "https://vpce-1.bedrock-agent-runtime.eu-west-1.vpce.amazonaws.com/rerank",
        ),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com/", "https://bedrock-agent-runtime.eu-west-1.amazonaws.com/rerank"),
    ] {
        assert_eq!(at("bedrock", rerank, base), expected);
    }
    let claude = "anthropic.claude-opus-4-5";
    for base in [
        "https://proxy.example/m",
        "https://proxy.example/m/v1",
        "https://proxy.example/m/anthropic",
        "https://proxy.example/m/anthropic/v1/messages",
    ] {
        let dialect = catalog.provider("bedrock_mantle").unwrap().dialect_for(Dialect::OpenAiChat, claude, Some(base));
        let ask = Ask { operation: Operation::Chat, dialect, model: claude, streamed: false };
        assert_eq!(at("bedrock_mantle", ask, base), "https://proxy.example/m/anthropic/v1/messages", "{base}");
    }
    let open = Ask { operation: Operation::Chat, dialect: Some(Dialect::OpenAiChat), model: "openai.gpt-oss-120b", streamed: false };
    assert_eq!(at("bedrock_mantle", open, "https://proxy.example/m/v1"), "https://proxy.example/m/v1/chat/completions");
}

/// The URL at a base of the user's own; of `api_version`, where it says one.
fn based(model: &str, base: &str, version: Option<&str>) -> String {
    let catalog = Catalog::embedded();
    let (provider, model) = model.split_once('/').unwrap();
    let row = catalog.provider(provider).unwrap();
    let dialect = row.dialect_for(Dialect::OpenAiChat, model, Some(base));
    let ask = Ask { operation: Operation::Chat, dialect, model, streamed: false };
    let value = |name: &str| version.filter(|_| name == "api_version").map(str::to_owned);
    catalog.endpoint(row, ask).unwrap().varied(Some(base), &value).url(Some(base), &value).unwrap()
}

#[test]
fn what_a_base_and_a_path_both_say_is_said_once() {
    let chat = "/openai/deployments/gpt-4o/chat/completions";
    for (model, base, expected) in [
        ("azure/gpt-4o", "/openai/deployments/gpt-4o", format!("{chat}?api-version=2025-02-01-preview")),
        ("azure/gpt-4o", &format!("{chat}?api-version=2024-06-01&a=b"), format!("{chat}?api-version=2024-06-01&a=b")),
        ("azure/gpt-4o", "/openai", format!("/openai{chat}?api-version=2025-02-01-preview")),
        ("azure_ai/claude-opus-4-5", "", "/anthropic/v1/messages".to_owned()),
        ("azure_ai/claude-opus-4-5", "/anthropic", "/anthropic/v1/messages".to_owned()),
        ("azure_ai/claude-opus-4-5", "/anthropic/v1/messages", "/anthropic/v1/messages".to_owned()),
        ("anthropic/m", "/v1/messages", "/v1/messages".to_owned()),
        ("anthropic/m", "/v1/", "/v1/messages".to_owned()),
        ("groq/m", "/openai/v1/chat/completions", "/openai/v1/chat/completions".to_owned()),
        ("fireworks_ai/m", "/chat", "/chat/chat/completions".to_owned()),
        ("hosted_vllm/m", "/v1/chat/completions?team=a", "/v1/chat/completions?team=a".to_owned()),
        ("cohere_chat/m", "/v2/chat", "/v2/chat".to_owned()),
        ("ollama_chat/m", "/api/chat", "/v1/chat/completions".to_owned()),
    ] {
        assert_eq!(based(model, &format!("https://host.example{base}"), None), format!("https://host.example{expected}"), "{base}");
    }
}

#[test]
fn places_vary_by_base_and_by_version() {
    for (base, expected) in [
        ("r.services.ai.azure.com", "/models/chat/completions?api-version=2024-05-01-preview"),
        ("r.services.ai.azure.com/models/", "/chat/completions?api-version=2024-05-01-preview"),
        ("r.services.ai.azure.com/models/chat/completions?api-version=1", ""),
        ("r.services.ai.azure.com/openai/v1", "/chat/completions"),
        ("r.openai.azure.com/openai/v1", "/chat/completions"),
        ("host.example", "/chat/completions"),
        ("host.example/v1", "/chat/completions"),
        ("host.example/models", "/chat/completions"),
        ("host.example/v1/chat/completions", ""),
    ] {
        let url = based("azure_ai/mistral-large", &format!("https://{base}"), None);
        assert_eq!(url, format!("https://{}{expected}", base.trim_end_matches('/')));
    }
    for version in ["v1", "preview", "latest"] {
        assert_eq!(based("azure/gpt-4o", "https://h.example", Some(version)), "https://h.example/openai/v1/chat/completions");
        assert_eq!(based("azure/gpt-4o", "https://h.example/openai/v1", Some(version)), "https://h.example/openai/v1/chat/completions");
    }
    let dated = "chat/completions?api-version=2025-02-01-preview";
    for (base, expected) in [
        ("r.openai.azure.com/openai", format!("r.openai.azure.com/openai/deployments/gpt-4o/{dated}")),
        ("r.openai.azure.com/openai/", format!("r.openai.azure.com/openai/deployments/gpt-4o/{dated}")),
        ("r.openai.azure.com/openai/v1/", "r.openai.azure.com/openai/v1/chat/completions".to_owned()),
        ("h.example/openai/v1", "h.example/openai/v1/chat/completions".to_owned()),
        ("h.example/openai/deployments/other", format!("h.example/openai/deployments/other/{dated}")),
        ("h.example/openai/deployments/other/chat/completions", format!("h.example/openai/deployments/other/{dated}")),
        ("h.example/a/openai", format!("h.example/a/openai/openai/deployments/gpt-4o/{dated}")),
    ] {
        assert_eq!(based("azure/gpt-4o", &format!("https://{base}"), None), format!("https://{expected}"), "{base}");
    }
    let responses = |version| based("azure/responses/gpt-5", "https://r.openai.azure.com/openai", version);
    assert_eq!(responses(None), "https://r.openai.azure.com/openai/v1/responses?api-version=preview");
    assert_eq!(responses(Some("2025-04-01-preview")), "https://r.openai.azure.com/openai/responses?api-version=2025-04-01-preview");
    let row = |name| Catalog::embedded().provider(name).unwrap();
    let ask = Ask { operation: Operation::Chat, dialect: Some(Dialect::OpenAiChat), model: "mistral-large", streamed: false };
    let auth = |base: &str| Catalog::embedded().endpoint(row("azure_ai"), ask).unwrap().varied(Some(base), &|_| None).auth.to_string();
    assert_eq!(auth("https://r.services.ai.azure.com"), "azure");
    assert_eq!(auth("https://r.openai.azure.com/openai/v1"), "azure");
    assert_eq!(auth("https://host.example"), "azure:bearer");
}
