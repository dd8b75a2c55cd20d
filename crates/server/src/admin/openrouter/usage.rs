//! What keys have used, and single requests.

use std::collections::HashMap;

use serde_json::{Value, json};
use switchboard_engine::catalog::Catalog;
use switchboard_engine::terms::{NanoUsd, Window};
use switchboard_store::ledger::report::{self, By, Days, SumSort};
use switchboard_store::ledger::{BYOK_COST, LogLine};
use switchboard_store::{Money, Store, Time};

use super::said;
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::refused::Refused;

/// An amount as answers write it.
pub(super) fn dollars(nano: i64) -> Value {
    Value::Number(Money(NanoUsd(nano)).number())
}

/// The day of a time.
pub(super) fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// What a key has used, in nano-dollars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) whole: i64,
    pub(super) daily: i64,
    pub(super) weekly: i64,
    pub(super) monthly: i64,
    /// What keys of providers that it brought along were billed, for the same times.
    pub(super) byok: [i64; 4],
}

/// What those keys have used: ever, today, this week and this month, in UTC.
pub(super) async fn of(store: &Store, keys: &[String]) -> Result<HashMap<String, Usage>, Refused> {
    let mut used: HashMap<String, Usage> = HashMap::new();
    if keys.is_empty() {
        return Ok(used);
    }
    let now = Time::now();
    let begin = |window: Window| day(Time(window.start(now.0)));
    type Part = fn(&mut Usage) -> &mut i64;
    let (daily, weekly, monthly) = (begin(Window::DAILY), begin(Window::WEEKLY), begin(Window::MONTHLY));
    let parts: [(&'static str, &str, Part); 8] = [
        ("all", "", |usage| &mut usage.whole),
        ("all", &daily, |usage| &mut usage.daily),
        ("all", &weekly, |usage| &mut usage.weekly),
        ("all", &monthly, |usage| &mut usage.monthly),
        ("byok", "", |usage| &mut usage.byok[0]),
        ("byok", &daily, |usage| &mut usage.byok[1]),
        ("byok", &weekly, |usage| &mut usage.byok[2]),
        ("byok", &monthly, |usage| &mut usage.byok[3]),
    ];
    for (kind, from, part) in parts {
        let wanted = Days { kind, keys: keys.to_vec(), from: from.to_owned(), ..Days::default() };
        for sum in report::sums(store, wanted, &[By::Key], SumSort::Dearest, (i64::from(u32::MAX), 0)).await? {
            *part(used.entry(sum.api_key).or_default()) = sum.spend;
        }
    }
    Ok(used)
}

/// A request as OpenRouter tells of one.
pub(super) fn generation(line: &LogLine, catalog: &Catalog) -> Value {
    let milliseconds = |from: i64, to: i64| (to - from).max(0) / 1000;
    let first = line.first_content_at.unwrap_or(line.ended_at);
    let spend = dollars(line.spend);
    let told = |name: &str| said(&line.metadata, name);
    let (usage, costs, finish) = (told("usage"), told("cost_breakdown"), told("finish_reason"));
    let native = line.metadata.get("native_finish_reason").cloned().unwrap_or_else(|| finish.clone());
    let byok = line.metadata.get(BYOK_COST).and_then(Value::as_i64);
    let workspace = line.team_id.as_deref().unwrap_or(DEFAULT_WORKSPACE);
    let upstream = byok.map(dollars).or_else(|| costs.get("upstream_cost").or(costs.get("total_cost")).cloned());
    let api = match line.call_type.as_str() {
        "aembedding" => "embeddings",
        "arerank" => "rerank",
        "image_generations" | "image_edits" | "image_variations" | "aimage_generation" | "aimage_edit" | "aimage_variation" => "image",
        "speech" | "aspeech" => "tts",
        "transcriptions" | "translations" | "atranscription" => "stt",
        _ => "completions",
    };
    let listed = |id: &str| catalog.provider(id).map_or_else(|| id.to_owned(), |row| row.listed_name().to_owned());
    let provider = line.provider.as_deref().map(listed);
    let mut row = json!({
        "id": line.request_id, "request_id": line.request_id, "session_id": line.session_id, "model": line.model_group,
        "provider_name": provider, "provider_responses": told("provider_responses"), "api_type": api,
        "created_at": Time(line.started_at), "streamed": told("streamed"), "cancelled": told("cancelled"),
        "latency": milliseconds(line.started_at, first), "generation_time": milliseconds(first, line.ended_at),
        "finish_reason": finish_of(&finish), "native_finish_reason": native,
        "tokens_prompt": line.prompt_tokens, "tokens_completion": line.completion_tokens,
        "native_tokens_prompt": line.prompt_tokens, "native_tokens_completion": line.completion_tokens,
        "native_tokens_reasoning": usage["reasoning"], "native_tokens_cached": usage["cache_read"],
    });
    let more = json!({
        "native_tokens_completion_images": usage["output_image"], "num_input_audio_prompt": usage["input_audio"],
        "num_search_results": usage["web_searches"], "num_fetches": usage["web_fetches"], "usage": spend, "total_cost": spend,
        "upstream_inference_cost": upstream, "is_byok": byok.is_some(),
        "origin": line.metadata.get("http_referer").cloned().unwrap_or_else(|| json!("")),
        "http_referer": told("http_referer"), "user_agent": told("user_agent"), "service_tier": told("service_tier"),
        "upstream_id": line.answer_id, "external_user": line.end_user, "data_region": "global", "workspace_id": workspace,
    });
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    for name in UNKNOWN {
        row[name] = Value::Null;
    }
    row
}

/// The reason in the words of OpenRouter's clients.
fn finish_of(reason: &Value) -> Value {
    match reason.as_str() {
        Some("stop" | "stopsequence" | "pause" | "other") => json!("stop"),
        Some("toolcalls") => json!("tool_calls"),
        Some("contentfilter" | "refusal") => json!("content_filter"),
        Some("length") => json!("length"),
        Some("error") => json!("error"),
        _ => Value::Null,
    }
}

/// Fields of a request that are not written down here.
const UNKNOWN: [&str; 9] = [
    "router",
    "moderation_latency",
    "num_media_prompt",
    "num_media_completion",
    "web_search_engine",
    "app_id",
    "preset_id",
    "response_cache_source_id",
    "cache_discount",
];
