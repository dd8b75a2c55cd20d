//! Names of models.

use super::super::lookup::plain;
use super::*;

fn found(name: &str) -> String {
    let found = Catalog::embedded().lookup(name);
    found.map_or_else(|| "nothing".to_owned(), |found| format!("{}/{}", found.provider, found.model))
}

#[test]
fn names_are_taken_at_their_word() {
    assert_eq!(found("openai/gpt-4o"), "openai/gpt-4o");
    assert_eq!(found("azure/gpt-4o"), "azure/gpt-4o");
    assert_eq!(found("gemini/gemini-2.5-pro"), "gemini/gemini-2.5-pro");
    assert_eq!(found("vertex_ai/gemini-2.5-pro"), "vertex_ai/gemini-2.5-pro");
    assert_eq!(found("vertex_ai/claude-haiku-4-5@20251001"), "vertex_ai/claude-haiku-4-5@20251001");
    assert_eq!(found("azure/eu/gpt-4o-2024-08-06"), "azure/eu/gpt-4o-2024-08-06");
    assert_eq!(found("text-completion-openai/gpt-3.5-turbo-instruct"), "openai/gpt-3.5-turbo-instruct");
    assert_eq!(found("together/meta-llama/Llama-3.3-70B-Instruct-Turbo"), "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo");
}

#[test]
fn bare_names_belong_to_the_maker() {
    assert_eq!(found("gpt-4o"), "openai/gpt-4o");
    assert_eq!(found("claude-sonnet-4-5"), "anthropic/claude-sonnet-4-5");
    assert_eq!(found("gemini-2.5-pro"), "gemini/gemini-2.5-pro");
    assert_eq!(found("text-embedding-3-small"), "openai/text-embedding-3-small");
    assert_eq!(found("deepseek-chat"), "deepseek/deepseek-chat");
}

#[test]
fn market_slugs_lead_to_the_maker() {
    assert_eq!(found("anthropic/claude-sonnet-4.5"), "anthropic/claude-sonnet-4-5");
    assert_eq!(found("google/gemini-2.5-flash"), "gemini/gemini-2.5-flash");
    assert_eq!(found("x-ai/grok-4.20"), "xai/grok-4.20");
    assert!(found("mistralai/mistral-large-latest").starts_with("mistral/"));
    assert!(found("meta-llama/llama-3.3-70b-instruct").to_lowercase().contains("llama-3.3-70b-instruct"));
    assert!(found("openai/gpt-4o:nitro").starts_with("openai/gpt-4o"));
}

#[test]
fn market_slugs_are_whole_names_of_their_makers() {
    let whole = |name: &str| Catalog::embedded().whole_names(name).into_iter().next().unwrap_or_default();
    assert_eq!(whole("google/gemini-2.5-pro"), "gemini/gemini-2.5-pro");
    assert_eq!(whole("anthropic/claude-sonnet-4.5"), "anthropic/claude-sonnet-4-5");
    assert_eq!(whole("x-ai/grok-code-fast-1"), "xai/grok-code-fast-1");
    assert_eq!(whole("mistralai/mistral-large"), "mistral/mistral-large-latest");
    assert_eq!(whole("x-ai/grok-of-tomorrow"), "xai/grok-of-tomorrow");
    assert_eq!(whole("openai/gpt-4o-2099-01-01"), "openai/gpt-4o-2099-01-01", "another edition is another model");
    assert_eq!(whole("gemini-2.5-pro"), "gemini/gemini-2.5-pro");
    assert_eq!(whole("nobody/nothing"), "");
    assert_eq!(whole("claude-tomorrow-9-20991231"), "anthropic/claude-tomorrow-9-20991231", "a maker's names are known beforehand");
    assert_eq!(whole("us.anthropic.claude-tomorrow-9-v1:0"), "bedrock/us.anthropic.claude-tomorrow-9-v1:0");
    assert_eq!(whole("my-claude"), "");
    let spelled = |model: &str| Catalog::embedded().respelled(Catalog::embedded().provider("anthropic").unwrap(), model);
    assert_eq!(spelled("claude-tomorrow-9.1").as_deref(), Some("claude-tomorrow-9-1"));
    assert_eq!(spelled("claude-sonnet-4.5"), None, "what is known is spelled as the list has it");
    let newest = whole("~anthropic/claude-haiku-latest");
    assert!(newest.starts_with("anthropic/claude-haiku-"), "{newest}");
    assert!(!whole("~openai/gpt-latest").contains("oss") && whole("~openai/gpt-mini-latest").ends_with("-mini"));
    assert!(
        whole("~google/gemini-flash-latest").starts_with("gemini/gemini-") && whole("~openai/none-such-latest").starts_with("openrouter/")
    );
    let listed = |name: &str| Catalog::embedded().market_name(name);
    assert_eq!(listed("gemini/gemini-2.5-pro").as_deref(), Some("google/gemini-2.5-pro"));
    assert_eq!(listed("anthropic/claude-sonnet-4-5").as_deref(), Some("anthropic/claude-sonnet-4.5"));
    assert_eq!(listed("vertex_ai/gemini-2.5-pro"), None);
    assert_eq!(listed("team/gemini-2.5-pro"), None);
}

#[test]
fn regions_and_routes_are_looked_through() {
    let direct = Catalog::embedded().model("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
    assert_eq!(Catalog::embedded().model("bedrock_converse", "converse/anthropic.claude-sonnet-4-5-20250929-v1:0"), Some(direct));
    assert!(found("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0").starts_with("bedrock/"));
}

#[test]
fn nothing_is_found_for_nothing() {
    assert_eq!(found("azure/claude-sonnet-4.5"), "nothing", "another provider's card is no answer");
    for name in ["", "/", "openai/", "no-such-model", "openai/no-such-model", "///"] {
        assert_eq!(found(name), "nothing", "{name:?}");
    }
}

#[test]
fn plain_names_agree() {
    let same = [
        "anthropic/claude-sonnet-4.5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5@20250929",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "Claude-Sonnet-4.5:thinking",
    ];
    for name in same {
        assert_eq!(plain(name), "claude-sonnet-4-5", "{name}");
    }
    assert_eq!(plain("gpt-4o-2024-08-06"), "gpt-4o");
    assert_eq!(plain("gpt-4.1"), "gpt-4-1");
    assert_eq!(plain("llama3.1"), "llama3-1");
}

#[test]
fn a_model_is_offered_by_many() {
    let offers = Catalog::embedded().offers("anthropic/claude-sonnet-4.5");
    let providers: std::collections::BTreeSet<&str> = offers.iter().map(|offer| offer.provider.as_str()).collect();
    for provider in ["anthropic", "bedrock", "vertex_ai", "openrouter"] {
        if provider != "openrouter" {
            assert!(providers.contains(provider), "{provider} in {providers:?}");
        }
    }
}

/// A profile that bears its model's name is that model; one that an account made bears an id, and is none that is known.
#[test]
fn names_of_resources_lead_to_their_models() {
    let model = |name: &str| Catalog::embedded().model("bedrock", name).map(|card| card.model);
    let (own, plain) = ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0");
    for (arn, expected) in [
        (format!("arn:aws:bedrock:us-east-1:1:inference-profile/{own}"), own),
        (format!("arn:aws:bedrock:us-east-1:1:inference-profile%2F{own}"), own),
        (format!("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{plain}"), plain),
    ] {
        assert_eq!(model(&arn).as_deref(), Some(expected), "{arn}");
    }
    assert_eq!(model("arn:aws:bedrock:us-east-1:1:application-inference-profile/abcdefgh1234"), None);
    assert_eq!(model("arn:aws:bedrock:us-east-1:1:inference-profile"), None);
}

#[test]
fn models_of_a_provider_are_its_own() {
    let models: Vec<ModelCard> = Catalog::embedded().models_of("together").collect();
    assert!(models.len() > 50);
    assert!(models.iter().all(|card| card.provider == "together_ai"));
    assert_eq!(Catalog::embedded().models_of("nobody").count(), 0);
}

#[test]
fn a_users_line_overlays_field_by_field() {
    let catalog =
        Catalog::embedded().clone().with_models("openai/gpt-4o\t$input=1 mode=chat\nmine/one\t$output=3\n\n# a comment\n").unwrap();
    let card = catalog.model("openai", "gpt-4o").unwrap();
    assert_eq!(card.prices.base(Component::Input), Rate::parse("1e-6").ok());
    assert_eq!(card.prices.base(Component::Output), Rate::parse("1e-5").ok());
    assert!(card.max_input_tokens.is_some());
    assert_eq!(catalog.lookup("mine/one").map(|found| found.model), Some("one".to_owned()));
    assert_eq!(catalog.models().count(), Catalog::embedded().models().count() + 1);
    assert!(Catalog::embedded().clone().with_models("no slash").is_err());
    assert!(Catalog::embedded().clone().with_models("a/b\t$input=cheap").is_err());
}
