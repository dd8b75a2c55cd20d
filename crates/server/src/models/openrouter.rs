//! The models there are, as OpenRouter's clients read them: limits, modalities, prices for one token.

use serde_json::{Map, Value, json};
use switchboard_engine::catalog::{Component, ModelCard};

use super::{CREATED, Listed};

/// What OpenRouter itself writes where a price is not known beforehand.
const UNKNOWN_PRICE: &str = "-1";

/// Prices by OpenRouter's names; none of them is required, and none is there that the catalog does not know.
const PRICES: [(&str, Component); 11] = [
    ("request", Component::Request),
    ("image", Component::InputImage),
    ("image_token", Component::ImageInput),
    ("image_output", Component::OutputImage),
    ("audio", Component::AudioInput),
    ("audio_output", Component::AudioOutput),
    ("input_cache_read", Component::CacheRead),
    ("input_cache_write", Component::CacheWrite),
    ("input_cache_write_1h", Component::CacheWriteHour),
    ("internal_reasoning", Component::Reasoning),
    ("web_search", Component::SearchMedium),
];

/// Parameters by the ability that lets a model take them.
const PARAMETERS: [(&str, &[&str]); 6] = [
    ("function_calling", &["tools"]),
    ("tool_choice", &["tool_choice"]),
    ("parallel_function_calling", &["parallel_tool_calls"]),
    ("response_schema", &["response_format", "structured_outputs"]),
    ("reasoning", &["reasoning", "include_reasoning"]),
    ("web_search", &["web_search_options"]),
];

/// The kinds of input that an ability stands for.
const INPUTS: [(&str, &str); 5] =
    [("vision", "image"), ("image_input", "image"), ("pdf_input", "file"), ("audio_input", "audio"), ("video_input", "video")];

/// All of them, on one page.
pub(super) fn list(list: &[Listed]) -> Value {
    let data: Vec<Value> = list.iter().map(model).collect();
    json!({"data": data, "total_count": list.len(), "links": {"next": null}})
}

fn model(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    let context = card.and_then(|card| card.max_input_tokens.or(card.max_tokens));
    json!({
        "id": listed.name,
        "canonical_slug": listed.name,
        "name": listed.name,
        "created": CREATED,
        "description": "",
        "context_length": context,
        "architecture": architecture(listed),
        "pricing": pricing(card),
        "top_provider": {
            "context_length": context,
            "max_completion_tokens": card.and_then(|card| card.max_output_tokens),
            // The gateway moderates nothing of its own accord, and of providers it is not known.
            "is_moderated": false,
        },
        "per_request_limits": null,
        "supported_parameters": parameters(listed),
        "default_parameters": null,
        "supported_voices": null,
        "expiration_date": card.and_then(|card| card.deprecated_on.as_deref()),
        "links": {"details": format!("/api/v1/models/{}", listed.name)},
    })
}

fn architecture(listed: &Listed) -> Value {
    let (inputs, outputs) = (inputs(listed), outputs(listed));
    let known = !inputs.is_empty() && !outputs.is_empty();
    let modality = known.then(|| format!("{}->{}", inputs.join("+"), outputs.join("+")));
    json!({"modality": modality, "input_modalities": inputs, "output_modalities": outputs, "tokenizer": "Other", "instruct_type": null})
}

/// What a prompt may hold, in OpenRouter's words; empty where nothing is known.
fn inputs(listed: &Listed) -> Vec<&str> {
    const KNOWN: [&str; 5] = ["text", "image", "file", "audio", "video"];
    let card = listed.card.as_ref();
    let mut found: Vec<&str> = match listed.mode() {
        Some("audio_transcription") => vec!["audio"],
        Some(_) => vec!["text"],
        None => Vec::new(),
    };
    let listed_ones = card.map(|card| card.input_modalities.as_slice()).unwrap_or_default();
    found.extend(listed_ones.iter().map(String::as_str).filter(|kind| KNOWN.contains(kind)));
    let able = INPUTS.iter().filter(|(ability, _)| card.is_some_and(|card| card.supports(ability) == Some(true)));
    found.extend(able.map(|(_, kind)| *kind));
    KNOWN.into_iter().filter(|kind| found.contains(kind)).collect()
}

/// What an answer may hold, in OpenRouter's words; empty where nothing is known.
fn outputs(listed: &Listed) -> Vec<&'static str> {
    let card = listed.card.as_ref();
    let main = match listed.mode() {
        Some("chat" | "responses" | "completion") => "text",
        Some("embedding") => "embeddings",
        Some("rerank") => "rerank",
        Some("image_generation" | "image_edit") => "image",
        Some("video_generation") => "video",
        Some("audio_speech") => "speech",
        Some("audio_transcription") => "transcription",
        _ => return Vec::new(),
    };
    let gives = |kind: &str| card.is_some_and(|card| card.output_modalities.iter().any(|known| known == kind));
    let speaks = card.is_some_and(|card| card.supports("audio_output") == Some(true));
    let further = ["image", "audio", "video"].into_iter().filter(|kind| *kind != main && main == "text");
    let further = further.filter(|kind| gives(kind) || *kind == "audio" && speaks);
    [main].into_iter().chain(further).collect()
}

/// USD for one token, or for one piece, as decimals.
fn pricing(card: Option<&ModelCard>) -> Value {
    let price = |component: Component| card.and_then(|card| card.prices.base(component)).map(|rate| rate.to_decimal(0));
    let mut prices = Map::new();
    // A model that is paid by the piece has no price for tokens: that is not known to be nothing.
    for (name, component) in [("prompt", Component::Input), ("completion", Component::Output)] {
        prices.insert(name.to_owned(), price(component).unwrap_or_else(|| UNKNOWN_PRICE.to_owned()).into());
    }
    let others = PRICES.iter().filter_map(|(name, component)| Some(((*name).to_owned(), price(*component)?.into())));
    prices.extend(others);
    Value::Object(prices)
}

fn parameters(listed: &Listed) -> Vec<&'static str> {
    let Some(card) = listed.card.as_ref() else { return Vec::new() };
    let mut list = Vec::new();
    if matches!(listed.mode(), Some("chat" | "responses" | "completion")) {
        list.push("max_tokens");
        if card.supports("sampling_params") != Some(false) {
            list.extend(["temperature", "top_p"]);
        }
    }
    let able = PARAMETERS.iter().filter(|(ability, _)| card.supports(ability) == Some(true));
    list.extend(able.flat_map(|(_, names)| names.iter().copied()));
    if !card.efforts.is_empty() {
        list.push("reasoning_effort");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(card: Option<&str>) -> Listed {
        let card = card.map(|line| ModelCard::parse(line).expect("a card"));
        Listed { name: "a/b".to_owned(), provider: "a".to_owned(), card, mode: None }
    }

    #[test]
    fn what_the_catalog_knows_is_told_in_openrouters_words() {
        let line = "a/b\tmode=chat max_in=1000 max_out=100 $input=2.5 $output=10 $cache_read=0.25 takes=text,image supports=function_calling,pdf_input";
        let told = list(&[listed(Some(line))]);
        assert_eq!((&told["total_count"], &told["links"]), (&1.into(), &json!({"next": null})));
        let model = &told["data"][0];
        assert_eq!(model["pricing"], json!({"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000025"}));
        assert_eq!(model["architecture"]["modality"], "text+image+file->text");
        assert_eq!(model["top_provider"], json!({"context_length": 1000, "max_completion_tokens": 100, "is_moderated": false}));
        assert_eq!(model["supported_parameters"], json!(["max_tokens", "temperature", "top_p", "tools"]));
    }

    #[test]
    fn what_is_not_known_is_neither_free_nor_claimed() {
        let model = model(&listed(None));
        assert_eq!(model["pricing"], json!({"prompt": "-1", "completion": "-1"}));
        assert_eq!((&model["context_length"], &model["architecture"]["modality"]), (&Value::Null, &Value::Null));
        assert_eq!(model["supported_parameters"], json!([]));
    }
}
