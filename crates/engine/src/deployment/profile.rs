//! What a model can do, from its rows. What they do not say stays unknown.

use switchboard_wire::Dialect;
use switchboard_wire::half::{Accent, Profile, Thinking, Ways};
use switchboard_wire::seal::ANTHROPIC;

use super::Spec;
use crate::catalog::{CacheMarks, Catalog, Made, ModelCard, Provider};

/// The efforts that every model knows which is told to think by one; of the others a card says which it knows.
const EFFORTS: [(&str, &str, bool); 7] = [
    ("none", "none_reasoning_effort", false),
    ("minimal", "minimal_reasoning_effort", false),
    ("low", "low_reasoning_effort", true),
    ("medium", "medium_reasoning_effort", true),
    ("high", "high_reasoning_effort", true),
    ("xhigh", "xhigh_reasoning_effort", false),
    ("max", "max_reasoning_effort", false),
];

/// The profile of that model at that provider, and of what its name or another one tells of it.
pub(crate) fn of(catalog: &Catalog, provider: &Provider, card: Option<&ModelCard>, (model, telling): (&str, &str)) -> Profile {
    let knows = |ability: &str| knows(card?, ability);
    let maker = maker(catalog, provider, telling);
    let vendor = maker.and_then(|maker| maker.authors.first().cloned());
    let made = maker.and_then(|maker| maker.made(telling));
    let native_schema = knows("native_structured_output");
    let schema = knows("response_schema");
    let json_schema = if provider.chat.contains(&Dialect::Bedrock) {
        // Bedrock may take a schema where the maker's own flag says no, or nothing.
        knows("bedrock_native_structured_output").or(native_schema)
    } else if vendor.as_deref() == Some(ANTHROPIC) {
        // What a price list calls a schema may be a tool that was made to look like one.
        // Where a reseller does not say, its models take one rather than the call of a tool that they refuse.
        let makers = || self::knows(&catalog.base(&maker?.id, telling)?, "native_structured_output");
        native_schema.or_else(|| makers().filter(|_| knows("forced_tool_use") == Some(false)))
    } else {
        schema.or(native_schema)
    };
    // What a card of Anthropic's models leaves out they lack, but for cards of resellers, which go into no such details.
    let detailed = card.filter(|card| vendor.as_deref() == Some(ANTHROPIC) && self::knows(card, "assistant_prefill").is_some());
    // Those that may also answer without a thought take the knobs then.
    let unsampled =
        made.is_some_and(|made| made.unsampled) && knows("reasoning") == Some(true) && knows("none_reasoning_effort") != Some(true);
    // Whoever serves Anthropic's models knows their marks; a gateway hands on what it gets.
    let marks = provider.cache_marks == CacheMarks::Always || provider.gateway || vendor.as_deref() == Some(ANTHROPIC);
    Profile {
        model: Some(model.to_owned()),
        max_output_tokens: card.and_then(|card| card.max_output_tokens.or(card.max_tokens)),
        thinking: thinking(card, made),
        ways: detailed.map(ways),
        thinking_switch: provider.thinking_switch.then_some(true),
        efforts: card.and_then(efforts).or_else(|| made.map(|made| made.efforts.clone()).filter(|efforts| !efforts.is_empty())),
        budgets: made.and_then(|made| made.budgets),
        knobs: (!provider.gateway).then(|| provider.knobs.clone()),
        json_schema,
        sampling: knows("sampling_params").or_else(|| unsampled.then_some(false)),
        max_completion_tokens: (made.is_some_and(|made| made.newer_limit) && knows("reasoning") == Some(true)).then_some(true),
        mid_system: detailed.map(|card| self::knows(card, "mid_conversation_system") == Some(true)),
        betas: provider.betas.clone(),
        plain_messages: provider.plain_messages.then_some(true),
        accent: accent(provider),
        cache_marks: (!marks).then_some(false),
        reasoning_field: provider.reasoning_field.clone(),
        vendor,
        web_search: card
            .filter(|card| !provider.gateway && !card.supports.is_empty())
            .map(|card| self::knows(card, "web_search") == Some(true)),
        max_stop: None,
        inputs: provider.inputs_of(model).cloned(),
    }
}

/// What the provider takes less of OpenAI's format. A role that only OpenAI made is taken for unknown to those whose rows do not have it.
fn accent(provider: &Provider) -> Accent {
    let unknown = !provider.gateway && !provider.is_own;
    Accent { developer: provider.accent.developer.or_else(|| unknown.then_some(false)), ..provider.accent.clone() }
}

/// At an address of the user's own, a model of another maker than the provider is no model of that provider's: it takes its thoughts back
/// as most do.
pub(crate) fn elsewhere(profile: &mut Profile, provider: &Provider) {
    let foreign = profile.vendor.as_ref().is_some_and(|vendor| provider.authors.first().is_some_and(|own| own != vendor));
    if foreign && profile.reasoning_field.is_none() {
        profile.reasoning_field = Some("reasoning_content".to_owned());
    }
    // Who answers there is not known, nor what it takes.
    if provider.cache_marks == CacheMarks::Elsewhere {
        (profile.cache_marks, profile.knobs) = (None, None);
    }
}

fn knows(card: &ModelCard, ability: &str) -> Option<bool> {
    let has = |list: &[String]| list.iter().any(|known| known == ability);
    if has(&card.supports) { Some(true) } else { has(&card.lacks).then_some(false) }
}

fn thinking(card: Option<&ModelCard>, made: Option<&Made>) -> Option<Thinking> {
    let knows = |ability: &str| knows(card?, ability);
    match (knows("reasoning"), knows("adaptive_thinking"), knows("legacy_thinking")) {
        (Some(false), _, _) => Some(Thinking::Never),
        (_, Some(true), _) => Some(Thinking::Adaptive),
        (_, _, Some(true)) => Some(Thinking::Budget),
        (thinks, _, _) => {
            // That they do not think a name tells where no card says otherwise.
            let is_told = |made: &&Made| made.presumed || (thinks == Some(true)) != (made.thinking == Some(Thinking::Never));
            made.filter(is_told)?.thinking
        }
    }
}

/// The ways a model of Anthropic's may be told to think, by its card.
fn ways(card: &ModelCard) -> Ways {
    let knows = |ability: &str| knows(card, ability) == Some(true);
    let always = knows("thinking_always_on");
    let adaptive = knows("adaptive_thinking") || always;
    let budget = knows("reasoning") && (!adaptive || knows("legacy_thinking"));
    Ways { adaptive, budget, effort: adaptive || knows("output_config"), off: !always }
}

/// The efforts a card lists, else those its abilities tell of; `None` where it tells of none.
fn efforts(card: &ModelCard) -> Option<Vec<String>> {
    if !card.efforts.is_empty() {
        return Some(card.efforts.clone());
    }
    let told = EFFORTS.iter().any(|(_, ability, _)| knows(card, ability).is_some());
    let known = EFFORTS.iter().filter(|(_, ability, usual)| knows(card, ability).unwrap_or(*usual));
    told.then(|| known.map(|(effort, ..)| (*effort).to_owned()).collect())
}

/// Who makes the model, whoever serves it: the author in its name, else whose models have such names, else the provider where that
/// makes models.
pub(crate) fn maker<'a>(catalog: &'a Catalog, provider: &'a Provider, model: &str) -> Option<&'a Provider> {
    let own = || Some(provider).filter(|provider| !provider.authors.is_empty());
    told_maker(catalog, model).or_else(own)
}

/// Who makes the model, as far as its name tells.
fn told_maker<'a>(catalog: &'a Catalog, model: &str) -> Option<&'a Provider> {
    let author = |name: &str| catalog.providers().find(|maker| maker.authors.iter().any(|author| author == name));
    let slashed = model.split_once('/').and_then(|(name, _)| author(name));
    let dotted = || model.split('.').find_map(author);
    let named = || catalog.providers().find(|maker| maker.has_made(model));
    slashed.or_else(dotted).or_else(named)
}

/// The name that tells what the model of a deployment is: its own, but for what only routes; where that tells no maker (the ARN of a
/// profile, a name that somebody chose), that of the model it is said to be.
pub(crate) fn telling<'a>(catalog: &Catalog, provider: &Provider, spec: &'a Spec) -> &'a str {
    let stripped = provider.rule(&spec.model).and_then(|rule| spec.model.strip_prefix(rule.strip.as_deref()?));
    let own = stripped.unwrap_or(&spec.model);
    if told_maker(catalog, own).is_some() {
        return own;
    }
    let bare =
        |base: &'a str| base.split_once('/').filter(|(prefix, _)| catalog.provider(prefix).is_some()).map_or(base, |(_, model)| model);
    let base = spec.base_model.as_deref().map(bare);
    base.filter(|base| told_maker(catalog, base).is_some()).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str) -> Profile {
        let (provider, model) = name.split_once('/').expect("a provider");
        let catalog = Catalog::embedded();
        let row = catalog.provider(provider).expect("a provider");
        of(catalog, row, catalog.model(provider, model).as_ref(), (model, model))
    }

    #[test]
    fn makers_are_known_behind_whoever_serves() {
        let cases = [
            ("openai/gpt-5", "openai"),
            ("azure/gpt-5", "openai"),
            ("openrouter/anthropic/claude-opus-4.6", "anthropic"),
            ("openrouter/deepseek/deepseek-chat", "deepseek"),
            ("bedrock/us.anthropic.claude-opus-4-6-v1", "anthropic"),
            ("vertex_ai/claude-opus-4-6", "anthropic"),
            ("databricks/databricks-claude-opus-4-6", "anthropic"),
            ("bedrock/meta.llama3-3-70b-instruct-v1:0", "meta"),
            ("vertex_ai/gemini-2.5-pro", "google"),
            ("mistral/mistral-large-latest", "mistralai"),
        ];
        for (name, maker) in cases {
            assert_eq!(profile(name).vendor.as_deref(), Some(maker), "{name}");
        }
        assert_eq!(profile("ollama/some-model").vendor, None);
    }

    #[test]
    fn thinking_and_efforts_are_as_the_cards_say() {
        let adaptive = profile("anthropic/claude-opus-5");
        assert_eq!((adaptive.thinking, adaptive.sampling), (Some(Thinking::Adaptive), Some(false)));
        assert_eq!(adaptive.efforts.unwrap_or_default(), ["low", "medium", "high", "xhigh", "max"]);
        let gpt = profile("openai/gpt-5");
        assert_eq!((gpt.thinking, gpt.max_completion_tokens), (Some(Thinking::Effort), Some(true)));
        assert_eq!(gpt.efforts.unwrap_or_default(), ["minimal", "low", "medium", "high"]);
        assert_eq!(profile("openai/gpt-4o").max_completion_tokens, None);
        assert_eq!(profile("gemini/gemini-2.5-pro").thinking, None);
        assert_eq!(profile("gemini/gemini-3-flash-preview").thinking, Some(Thinking::Effort));
        assert_eq!(profile("anthropic/claude-haiku-4-5").json_schema, Some(true));
        assert_eq!(profile("ollama/some-model").efforts, None);
        for (name, field, switch) in [
            ("hosted_vllm/some-model", Some("reasoning_content"), None),
            ("deepseek/deepseek-chat", Some("reasoning_content"), Some(true)),
            ("openai/gpt-5", None, None),
        ] {
            assert_eq!((profile(name).reasoning_field.as_deref(), profile(name).thinking_switch), (field, switch), "{name}");
        }
    }

    #[test]
    fn what_a_model_takes_is_known_by_its_name_where_no_card_says() {
        let never = Some(Thinking::Never);
        for (name, thinking, sampling) in [
            ("openai/gpt-4o", never, None),
            ("azure/gpt-4.1", never, None),
            ("groq/llama-3.3-70b-versatile", never, None),
            ("mistral/mistral-large-latest", never, None),
            ("mistral/magistral-medium-latest", None, None),
            ("openai/gpt-5", Some(Thinking::Effort), Some(false)),
            ("openai/o3", Some(Thinking::Effort), Some(false)),
            ("openai/gpt-5.1", Some(Thinking::Effort), None),
            ("groq/openai/gpt-oss-120b", Some(Thinking::Effort), None),
        ] {
            let profile = profile(name);
            assert_eq!((profile.thinking, profile.sampling), (thinking, sampling), "{name}");
        }
        let budgets = |name: &str| profile(name).budgets.map(|budgets| (budgets.least, budgets.most, budgets.off));
        assert_eq!(budgets("gemini/gemini-2.5-pro"), Some((128, 32_768, false)));
        assert_eq!(budgets("vertex_ai/gemini-2.5-flash-lite"), Some((512, 24_576, true)));
        assert_eq!(budgets("gemini/gemini-3-pro-preview"), None);
        let levels = |name: &str| profile(name).efforts.unwrap_or_default();
        assert_eq!(levels("gemini/gemini-3-pro-preview"), ["low", "high"]);
        assert_eq!(levels("gemini/gemini-3-flash-preview"), ["minimal", "low", "medium", "high"]);
        assert!(!levels("gemini/gemini-3.1-pro-preview").contains(&"minimal".to_owned()));
    }

    #[test]
    fn marks_and_knobs_go_where_a_row_says_that_they_are_taken() {
        for (name, marks, top_k) in [
            ("openai/gpt-4o", Some(false), false),
            ("groq/llama-3.3-70b-versatile", Some(false), false),
            ("vllm/qwen", Some(false), true),
            ("openrouter/openai/gpt-4o", None, true),
            ("zai/glm-4.6", None, false),
            ("aihubmix/claude-haiku-4-5", None, false),
        ] {
            let profile = profile(name);
            let takes = profile.knobs.is_none_or(|knobs| knobs.iter().any(|knob| knob == "top_k"));
            assert_eq!((profile.cache_marks, takes), (marks, top_k), "{name}");
        }
        let row = Catalog::embedded().provider("openai").expect("a provider");
        let mut own = profile("openai/gpt-4o");
        elsewhere(&mut own, row);
        assert_eq!((own.cache_marks, own.knobs), (None, None));
    }

    #[test]
    fn forms_of_openais_chat_are_as_the_rows_say() {
        let developer = |name: &str| profile(name).accent.developer;
        assert_eq!(
            ["openai/gpt-5", "azure/gpt-5", "openrouter/openai/gpt-5", "groq/x", "mistral/x"].map(developer),
            [Some(true), Some(true), None, Some(false), Some(false)]
        );
        let (deepseek, mistral) = (profile("deepseek/deepseek-chat").accent, profile("mistral/mistral-large-latest").accent);
        assert_eq!((deepseek.json_schema, deepseek.prefix, deepseek.call_ids), (Some(false), true, None));
        assert_eq!((mistral.json_schema, mistral.prefix, mistral.call_ids), (None, true, Some(9)));
        assert!(mistral.message_fields.is_some_and(|fields| !fields.contains(&"reasoning_content".to_owned())));
    }

    #[test]
    fn no_tool_is_forced_on_models_that_refuse_it() {
        assert_eq!(profile("azure_ai/claude-sonnet-5-5").json_schema, Some(true));
        assert_eq!(profile("azure_ai/claude-haiku-4-5").json_schema, None, "those that do not are as their rows say");
    }

    #[test]
    fn what_claude_takes_is_as_its_cards_say() {
        let ways = |adaptive, budget, effort, off| Some(Ways { adaptive, budget, effort, off });
        for (name, wanted, mid_system) in [
            ("anthropic/claude-haiku-4-5", ways(false, true, false, true), Some(false)),
            ("anthropic/claude-opus-4-5", ways(false, true, true, true), Some(false)),
            ("anthropic/claude-opus-4-6", ways(true, true, true, true), Some(false)),
            ("vertex_ai/claude-opus-4-7", ways(true, false, true, true), Some(false)),
            ("bedrock/anthropic.claude-opus-4-8", ways(true, false, true, true), Some(true)),
            ("azure_ai/claude-fable-5", ways(true, false, true, false), Some(true)),
            ("aihubmix/claude-opus-5", None, None),
            ("openrouter/anthropic/claude-opus-4.6", None, None),
            ("anthropic/claude-of-tomorrow", None, None),
            ("deepseek/deepseek-chat", None, None),
        ] {
            assert_eq!((profile(name).ways, profile(name).mid_system), (wanted, mid_system), "{name}");
        }
        let search = |name: &str| profile(name).betas.get("advanced-tool-use-2025-11-20").cloned();
        assert_eq!(search("vertex_ai/claude-opus-4-6").as_deref(), Some("tool-search-tool-2025-10-19"));
        assert_eq!(search("anthropic/claude-opus-4-6"), None);
    }

    #[test]
    fn a_search_is_known_where_a_card_lists_abilities() {
        for (name, searches) in [
            ("perplexity/sonar", Some(true)),
            ("deepseek/deepseek-chat", Some(false)),
            ("openrouter/deepseek/deepseek-chat", None),
            ("ollama/some-model", None),
        ] {
            assert_eq!(profile(name).web_search, searches, "{name}");
        }
    }

    #[test]
    fn what_names_alone_tell_is_in_the_rows() {
        assert_eq!(profile("groq/openai/gpt-oss-120b").max_completion_tokens, None, "open models are served by others");
        assert_eq!(profile("ollama/gpt-oss:20b").thinking, Some(Thinking::Effort));
        let limit = |model: &str| profile(model).inputs.map_or_else(|| "max_tokens".to_owned(), |inputs| inputs.limit.clone());
        let limits = [
            ("replicate/openai/gpt-5", "max_completion_tokens"),
            ("replicate/openai/gpt-oss-20b", "max_tokens"),
            ("replicate/google/gemini-2.5-flash", "max_output_tokens"),
            ("replicate/someone/something:5797a9", "max_new_tokens"),
            ("replicate/mistralai/mistral-7b", "max_new_tokens"),
            ("replicate/meta/llama-2-70b-chat", "max_new_tokens"),
            ("replicate/meta/meta-llama-3-8b-instruct", "max_tokens"),
        ];
        for (model, wanted) in limits {
            assert_eq!(limit(model), wanted, "{model}");
        }
    }
}
