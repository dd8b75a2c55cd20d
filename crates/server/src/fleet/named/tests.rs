use std::sync::Arc;

use switchboard_engine::catalog::Catalog;
use switchboard_engine::health::Registry;
use switchboard_engine::upstream::Origin;
use switchboard_engine::wire::Operation;

use super::{is_region, of_arn, of_host};
use crate::config::{Environment, Loader, Source};
use crate::fleet;

/// Keys of the environment that must go to nobody else.
const KEYS: [(&str, &str); 9] = [
    ("OPENAI_API_KEY", "k"),
    ("ANTHROPIC_API_KEY", "k"),
    ("FIREWORKS_API_KEY", "k"),
    ("TOGETHERAI_API_KEY", "k"),
    ("GEMINI_API_KEY", "k"),
    ("AZURE_API_KEY", "k"),
    ("AZURE_AI_API_KEY", "k"),
    ("AWS_ACCESS_KEY_ID", "k"),
    ("AWS_SECRET_ACCESS_KEY", "k"),
];

/// Where a chat at the one deployment of those parameters goes, or why there is none.
fn goes(params: &str) -> Result<String, String> {
    of_file(&format!("model_list: [{{model_name: m, litellm_params: {params}}}]"))
}

fn of_file(yaml: &str) -> Result<String, String> {
    let source = Source::Text { name: "config.yaml".to_owned(), text: yaml.to_owned() };
    let loaded = Loader::new(source, Environment::from_iter(KEYS)).load();
    let config = Arc::new(loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics)));
    let (fleet, unusable) = fleet::build(&config, &Arc::new(Catalog::embedded().clone()), None, &Registry::default());
    if let Some(unusable) = unusable.into_iter().next() {
        return Err(unusable.why);
    }
    let deployment = fleet.deployments().next().expect("a deployment");
    let reach = deployment.reach(Operation::Chat, deployment.chat.first().copied(), false).expect("chats");
    Ok(format!("{}{}", reach.origin.authority(), reach.path))
}

fn refused(params: &str, why: &str) {
    let told = goes(params).expect_err(params);
    assert!(told.contains(why), "{params}: {told}");
}

#[test]
fn what_nobody_knows_is_taken_for_nobody_else() {
    refused("{model: siliconflow/Qwen3-8B, api_key: theirs}", "no provider `siliconflow`");
    refused("{model: sagemaker/jumpstart-x}", "`sagemaker_chat`");
    refused("{model: sap/gpt-4o}", "orchestration");
    refused("{model: opnai/gpt-4o}", "no provider `opnai`");
    refused("{model: auth/claude-opus-4-8}", "no provider `auth`");
    refused("{model: 'sap/*'}", "orchestration");
    refused("{model: meta-llama/Llama-3.3-70B-Instruct, api_key: theirs}", "no provider `meta-llama`");
    refused("{model: Qwen3-8B, api_key: theirs}", "write `provider/Qwen3-8B`");
    refused("{model: x/y, custom_llm_provider: nobody}", "no provider `nobody`");
    let own = "{model_list: [{model_name: m, litellm_params: {model: handmade/gpt-4o, api_base: 'http://here/v1'}}], \
               litellm_settings: {custom_provider_map: [{provider: handmade, custom_handler: a.b}]}}";
    assert!(of_file(own).expect_err("none").contains("Python"));
}

#[test]
fn what_is_meant_is_known_without_a_prefix() {
    let cases = [
        ("{model: gpt-4o}", "api.openai.com/v1/chat/completions"),
        ("{model: gpt-of-tomorrow, api_key: mine}", "api.openai.com/v1/chat/completions"),
        ("{model: claude-sonnet-4.5, api_key: mine}", "api.anthropic.com/v1/messages"),
        ("{model: google/gemini-2.5-flash}", "generativelanguage.googleapis.com/"),
        ("{model: siliconflow/Qwen3-8B, api_key: mine, api_base: 'https://api.siliconflow.com/v1'}", "api.siliconflow.com/v1/"),
        (
            "{model: gemini-2.5-flash, vertex_project: p, vertex_location: europe-west4, vertex_credentials: '{}', api_key: k}",
            "europe-west4-aiplatform.googleapis.com/v1/projects/p/",
        ),
        ("{model: gemini-2.5-flash}", "generativelanguage.googleapis.com/"),
    ];
    for (params, wanted) in cases {
        let url = goes(params).unwrap_or_else(|why| panic!("{params}: {why}"));
        assert!(url.starts_with(wanted), "{params}: {url}");
    }
}

#[test]
fn at_an_address_of_ones_own_what_nobody_knows_is_spoken_to_as_openai_is() {
    let models = [
        "mycorp/claude-3-5-sonnet",
        "mycorp/gemini-2.5-flash",
        "mycorp/llama-3-8b-instruct",
        "corp/nova-pro",
        "corp/granite-3.3-8b-instruct",
        "corp/grok-4",
        "meta-llama/Llama-3.3-70B-Instruct",
        "llama-3-8b-instruct",
        "llama3-70b-instruct",
        "Qwen3-8B",
        "nobodys",
    ];
    for model in models {
        for key in ["", ", api_key: k"] {
            let url = goes(&format!("{{model: {model}, api_base: 'http://here/x/v1'{key}}}"));
            assert_eq!(url.as_deref(), Ok("here/x/v1/chat/completions"), "{model}{key}");
        }
    }
    let made = goes("{model: claude-sonnet-4.5, api_key: k, api_base: 'http://here'}");
    assert_eq!(made.as_deref(), Ok("here/v1/messages"), "its maker's own format");
    for model in ["triton/llama-3-8b-instruct", "stability/sd3", "sagemaker/x"] {
        refused(&format!("{{model: {model}, api_base: 'http://here/v1'}}"), "is not reached");
    }
}

#[test]
fn names_on_bedrock_say_where_they_are() {
    let claude = "anthropic.claude-3-haiku-20240307-v1:0";
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/x";
    let coded = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile%2Fx";
    let cases = [
        (format!("{{model: 'bedrock/{claude}'}}"), format!("bedrock-runtime.us-west-2.amazonaws.com/model/{claude}/converse")),
        (
            format!("{{model: 'bedrock/us-gov-west-1/{claude}'}}"),
            format!("bedrock-runtime.us-gov-west-1.amazonaws.com/model/{claude}/converse"),
        ),
        (
            "{model: 'bedrock/eu-central-1/1-month-commitment/anthropic.claude-v2:1'}".to_owned(),
            "bedrock-runtime.eu-central-1.amazonaws.com/model/anthropic.claude-v2:1/converse".to_owned(),
        ),
        (format!("{{model: 'bedrock/{arn}'}}"), format!("bedrock-runtime.eu-west-1.amazonaws.com/model/{coded}/converse")),
        (format!("{{model: 'bedrock/nova/{arn}'}}"), format!("bedrock-runtime.eu-west-1.amazonaws.com/model/{coded}/converse")),
        (
            format!("{{model: 'bedrock/{arn}', aws_region_name: us-east-1}}"),
            format!("bedrock-runtime.us-east-1.amazonaws.com/model/{coded}/converse"),
        ),
        (
            format!("{{model: 'bedrock/{claude}', model_id: '{arn}'}}"),
            format!("bedrock-runtime.eu-west-1.amazonaws.com/model/{coded}/converse"),
        ),
    ];
    for (params, wanted) in cases {
        assert_eq!(goes(&params).as_deref(), Ok(wanted.as_str()), "{params}");
    }
}

#[test]
fn ways_in_names_are_no_part_of_them_at_azure() {
    let url = goes("{model: azure/o_series/o1, api_base: 'https://r.openai.azure.com', api_version: 2025-01-01-preview}");
    assert!(url.as_deref().is_ok_and(|url| url.starts_with("r.openai.azure.com/openai/deployments/o1/chat/")), "{url:?}");
    let url = goes("{model: azure/gpt5_series/mine, api_base: 'https://r.openai.azure.com'}");
    assert!(url.as_deref().is_ok_and(|url| url.contains("/deployments/mine/")), "{url:?}");
    let url = goes("{model: azure_ai/gpt-4o, api_base: 'https://r.openai.azure.com'}");
    assert!(url.as_deref().is_ok_and(|url| url.contains("/openai/deployments/gpt-4o/chat/completions?")), "{url:?}");
}

#[test]
fn an_entry_that_cannot_be_used_keeps_no_other_from_it() {
    for (params, why) in [
        ("{model: openai/x, api_base: '${HF_ENDPOINT_URL}'}", "`api_base` is not a URL"),
        ("{model: openai/x, drop_params: [tool_choice]}", "drop_params"),
    ] {
        refused(params, why);
        let beside =
            format!("model_list: [{{model_name: n, litellm_params: {params}}}, {{model_name: m, litellm_params: {{model: gpt-4o}}}}]");
        let source = Source::Text { name: "config.yaml".to_owned(), text: beside };
        let loaded = Loader::new(source, Environment::from_iter(KEYS)).load();
        assert!(loaded.diagnostics.to_string().contains("error: "), "it is told");
        let config = Arc::new(loaded.config.expect("a configuration"));
        let (fleet, unusable) = fleet::build(&config, &Arc::new(Catalog::embedded().clone()), None, &Registry::default());
        assert_eq!((fleet.deployments().count(), unusable.len()), (1, 1), "{params}");
    }
}

#[test]
fn requests_are_signed_for_the_region_they_go_to() {
    let hosts = [
        ("https://bedrock-runtime.us-west-2.amazonaws.com/model", Some("us-west-2")),
        ("https://vpce-1.bedrock-runtime.us-gov-east-1.vpce.amazonaws.com", Some("us-gov-east-1")),
        ("https://bedrock-mantle.eu-north-1.api.aws/v1", Some("eu-north-1")),
        ("https://proxy.eu-west-1.example.com", None),
    ];
    for (url, region) in hosts {
        let origin = Origin::of(url).expect("a URL");
        assert_eq!(of_host(origin.host()), region, "{url}");
    }
    assert_eq!(of_arn("arn:aws-us-gov:bedrock:us-gov-west-1:1:imported-model/x"), Some("us-gov-west-1"));
    let (regions, others) =
        (["eu-west-1", "us-gov-west-1", "ap-southeast-10"], ["eu", "invoke", "gpt-4", "converse", "", "1-month-commitment"]);
    assert!(regions.into_iter().all(is_region) && !others.into_iter().any(is_region));
}

#[test]
fn machines_of_ones_own_are_asked_below_their_root() {
    for base in ["http://tgi:8080", "http://tgi:8080/v1", "http://tgi:8080/v1/chat/completions"] {
        let url = goes(&format!("{{model: huggingface/x, api_key: k, api_base: '{base}'}}"));
        assert_eq!(url.as_deref(), Ok("tgi:8080/v1/chat/completions"), "{base}");
    }
}

#[test]
fn a_prefix_that_is_misspelt_is_guessed() {
    let why = goes("{model: opneai/gpt-4o}").expect_err("nobody's");
    assert!(why.starts_with("there is no provider `opneai`; did you mean `openai`?"), "{why}");
}
