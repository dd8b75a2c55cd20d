//! What a client's format cannot express. Each limit is a property of the format (or of its vendor's SDK), has a reason, and is counted.

use serde_json::{Value, json};
use switchboard_wire::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiCompletions, OpenAiResponses};

use crate::meaning::{Change, Difference, Meaning};

/// Something a client's format cannot express.
pub(crate) struct Limit {
    /// The client's format.
    pub(crate) client: Dialect,
    /// The fields.
    pub(crate) fields: &'static [&'static str],
    /// Why.
    pub(crate) reason: &'static str,
    /// Whether that difference is this limit's doing.
    holds: fn(&Difference, &Meaning, &Meaning) -> bool,
}

impl Limit {
    fn covers(&self, client: Dialect, difference: &Difference, was: &Meaning, is: &Meaning) -> bool {
        self.client == client && self.fields.contains(&difference.field) && (self.holds)(difference, was, is)
    }
}

/// What is counted for its price alone.
const BILLED: &[&str] = &[
    "longest_input",
    "extra_input",
    "extra_output",
    "extra_cache_read",
    "extra_cache_write",
    "extra_cache_write_1h",
    "maps_queries",
    "file_searches",
    "code_sessions",
    "drawing_text",
    "drawing_images",
    "drawing_output",
];

/// A format has no counts of that.
const fn billed(client: Dialect) -> Limit {
    let reason =
        "turns beside the answer's own and tools that the provider runs are counted for their price; the format has no counts of them";
    Limit { client, fields: BILLED, reason, holds: lost }
}

/// A format has one answer to a request.
const fn one_answer(client: Dialect) -> Limit {
    let reason =
        "a request has one answer: who asks for several in another format is refused by this one's providers, and its own clients never do";
    Limit { client, fields: &["further"], reason, holds: lost }
}

/// The limit that explains a difference, by its place in [`LIMITS`].
pub(crate) fn limit(client: Dialect, difference: &Difference, was: &Meaning, is: &Meaning) -> Option<usize> {
    LIMITS.iter().position(|limit| limit.covers(client, difference, was, is))
}

fn lost(difference: &Difference, _: &Meaning, _: &Meaning) -> bool {
    difference.change == Change::Lost
}

/// From that word to this one.
fn turned(difference: &Difference, was: &[&str], is: &str) -> bool {
    difference.is == json!(is) && was.iter().any(|word| difference.was == json!(word))
}

fn list<'a>(meaning: &'a Meaning, field: &str) -> Option<&'a Vec<Value>> {
    meaning.get(field).and_then(Value::as_array)
}

fn required(difference: &Difference, _: &Meaning, _: &Meaning) -> bool {
    difference.change == Change::Invented && (difference.is == json!(0) || difference.field == "total")
}

/// The words moved to the text, where the format has no place of their own for them.
fn moved_to_text(field: &str, was: &Meaning, is: &Meaning) -> bool {
    let text = |meaning: &Meaning, field: &str| meaning.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let moved = text(was, field);
    !moved.is_empty() && text(is, "text") == text(was, "text") + &moved
}

/// Lists that differ only where the first one holds no JSON object.
fn only_broken(difference: &Difference, _: &Meaning, _: &Meaning) -> bool {
    let (Some(was), Some(is)) = (difference.was.as_array(), difference.is.as_array()) else { return false };
    was.len() == is.len() && was.iter().zip(is).all(|(was, is)| was == is || !was.is_object())
}

const MODALITIES: &[&str] = &[
    "input_text",
    "input_audio",
    "input_image",
    "input_video",
    "input_document",
    "input_tool",
    "output_text",
    "output_audio",
    "output_image",
    "accepted_prediction",
    "rejected_prediction",
];

/// Some source is a page.
fn of_page(_: &Difference, was: &Meaning, _: &Meaning) -> bool {
    list(was, "citation.url").is_some_and(|urls| !urls.iter().all(Value::is_null))
}

/// Every limit.
pub(crate) const LIMITS: &[Limit] = &[
    billed(OpenAiChat),
    billed(OpenAiCompletions),
    billed(OpenAiResponses),
    billed(Anthropic),
    billed(Gemini),
    one_answer(OpenAiResponses),
    one_answer(Anthropic),
    // OpenAI chat completions.
    Limit {
        client: OpenAiChat,
        fields: &["finish"],
        reason: "`finish_reason` is one of `stop`, `length`, `tool_calls`, `content_filter`: an answer for which the provider gave no reason ends with `stop`, as does one that a stop sequence ended without saying which",
        holds: |difference, was, _| {
            turned(difference, &["Other", "Pause"], "Stop")
                || turned(difference, &["StopSequence"], "Stop") && !was.contains_key("stop_sequence")
        },
    },
    Limit {
        client: OpenAiChat,
        fields: &["finish"],
        reason: "`finish_reason` has no word for a refusal: `stop` where its words stand in `refusal`, else `content_filter`",
        holds: |difference, was, _| {
            turned(difference, &["Refusal"], "ContentFilter") || turned(difference, &["Refusal"], "Stop") && was.contains_key("refusal")
        },
    },
    Limit {
        client: OpenAiChat,
        fields: &["finish"],
        reason: "an answer with tool calls ends with `tool_calls`, for many providers say `stop`: the reader does not tell the two apart",
        holds: |difference, was, _| turned(difference, &["Stop"], "ToolCalls") && was.contains_key("call.id"),
    },
    Limit {
        client: OpenAiChat,
        fields: &["citation.url", "citation.title", "citation.cited_text", "citation.document", "citation.span"],
        reason: "an annotation names a page: sources that are none stand in a list of their own, after the pages",
        holds: |difference, was, _| {
            let mixed = |urls: &[Value]| urls.iter().any(Value::is_null) && !urls.iter().all(Value::is_null);
            difference.change == Change::Changed && list(was, "citation.url").is_some_and(|urls| mixed(urls))
        },
    },
    Limit {
        client: OpenAiChat,
        fields: &["citation.span"],
        reason: "in a stream sources come last: after a seal the reader takes them for those of a new text",
        holds: |difference, was, _| difference.change == Change::Lost && was.contains_key("seals"),
    },
    // OpenAI legacy text completions.
    Limit {
        client: OpenAiCompletions,
        fields: &["call.id", "call.name", "call.arguments", "call.custom"],
        reason: "a text completion has no tool calls; its requests cannot offer any",
        holds: lost,
    },
    Limit {
        client: OpenAiCompletions,
        fields: &["finish"],
        reason: "`finish_reason` is one of `stop`, `length`, `content_filter`",
        holds: |difference, _, _| {
            turned(difference, &["ToolCalls", "StopSequence", "Other", "Pause"], "Stop")
                || turned(difference, &["Refusal"], "ContentFilter")
        },
    },
    Limit {
        client: OpenAiCompletions,
        fields: &[
            "thoughts",
            "seals",
            "media",
            "media.transcript",
            "citation.url",
            "citation.title",
            "citation.cited_text",
            "citation.document",
            "citation.span",
        ],
        reason: "a choice is one text and nothing else: no thoughts, sources or media",
        holds: lost,
    },
    Limit {
        client: OpenAiCompletions,
        fields: &["refusal", "text", "finish"],
        reason: "a choice has no `refusal`; the words stand in its text",
        holds: |difference, was, is| {
            moved_to_text("refusal", was, is) && difference.field != "finish" || turned(difference, &["Refusal"], "Stop")
        },
    },
    // OpenAI responses.
    Limit {
        client: OpenAiResponses,
        fields: &["finish"],
        reason: "`status` is `completed` or `incomplete` with the reason `max_output_tokens` or `content_filter`",
        holds: |difference, _, _| {
            turned(difference, &["Other", "Pause", "StopSequence"], "Stop") || turned(difference, &["Refusal"], "ContentFilter")
        },
    },
    Limit {
        client: OpenAiResponses,
        fields: &["cache_read", "cache_write", "reasoning", "input", "output", "total"],
        reason: "`usage` requires its counts and `cached_tokens`, `cache_write_tokens`, `reasoning_tokens`; where the provider did not count they are 0",
        holds: required,
    },
    Limit {
        client: OpenAiResponses,
        fields: &["finish"],
        reason: "what an answer ends with is told by its items: with a call it ends with calls, with a refusal it is one",
        holds: |difference, was, _| {
            turned(difference, &["Stop"], "ToolCalls") && was.contains_key("call.id")
                || turned(difference, &["Stop"], "Refusal") && was.contains_key("refusal")
        },
    },
    Limit { client: OpenAiResponses, fields: &["stop_sequence"], reason: "there are no stop sequences", holds: lost },
    Limit {
        client: OpenAiResponses,
        fields: &["media", "media.transcript", "text"],
        reason: "an answer has no sound; its transcript stands in the text",
        holds: |_, was, is| was.contains_key("media.transcript") && !is.contains_key("media"),
    },
    Limit {
        client: OpenAiResponses,
        fields: &["citation.span"],
        reason: "`start_index` and `end_index` are required: a page cited without a place is cited for all of the text; a document has no place",
        holds: |difference, was, _| {
            difference.change == Change::Invented || list(was, "citation.url").is_none_or(|urls| urls.iter().any(Value::is_null))
        },
    },
    Limit {
        client: OpenAiResponses,
        fields: &["citation.title"],
        reason: "`title` and `filename` are required: without one the page's address or the document's id stands there",
        holds: |difference, _, _| difference.change != Change::Lost,
    },
    Limit {
        client: OpenAiResponses,
        fields: &["citation.url", "citation.span"],
        reason: "a source without page, document or title has no form",
        holds: |_, was, _| list(was, "citation.url").is_some_and(|urls| urls.iter().any(Value::is_null)),
    },
    // Anthropic messages.
    Limit {
        client: Anthropic,
        fields: MODALITIES,
        reason: "`usage` counts tokens by cache and by thinking, not by modality or prediction",
        holds: lost,
    },
    Limit {
        client: Anthropic,
        fields: &["total"],
        reason: "`usage` has no total; where the provider's is not the sum of its parts, it cannot be told",
        holds: |difference, _, _| difference.change != Change::Invented,
    },
    Limit {
        client: Anthropic,
        fields: &["input"],
        reason: "`input_tokens` and the cached tokens are counted apart; a provider that counts more cached than prompt tokens cannot be told so",
        holds: |difference, was, _| was.get("cache_read").and_then(Value::as_u64) > difference.was.as_u64(),
    },
    Limit {
        client: Anthropic,
        fields: &["citation.url", "citation.title", "citation.cited_text", "citation.document"],
        reason: "a citation names a page or one of the client's own documents by its index; of a document of the provider's its id is not told, but for a title",
        holds: |_, was, _| list(was, "citation.url").is_none_or(|urls| urls.iter().any(Value::is_null)),
    },
    Limit { client: Anthropic, fields: &["cost"], reason: "`usage` has no price", holds: lost },
    Limit {
        client: Anthropic,
        fields: &["input", "output", "total"],
        reason: "`usage` with `input_tokens` and `output_tokens` is required; where the provider counted nothing they are 0",
        holds: required,
    },
    Limit {
        client: Anthropic,
        fields: &["finish"],
        reason: "`stop_reason` has no word for a content filter but `refusal`",
        holds: |difference, _, _| turned(difference, &["ContentFilter"], "Refusal"),
    },
    Limit {
        client: Anthropic,
        fields: &["finish"],
        reason: "`stop_reason` has no word for a failure or for none given: `end_turn`",
        holds: |difference, _, _| turned(difference, &["Other", "Error"], "Stop"),
    },
    Limit {
        client: Anthropic,
        fields: &["refusal", "text", "finish"],
        reason: "a message has no block for a refusal; the words stand in a text block and `stop_reason` is `refusal`",
        holds: |difference, was, is| {
            moved_to_text("refusal", was, is) && (difference.field != "finish" || difference.is == json!("Refusal"))
        },
    },
    Limit {
        client: Anthropic,
        fields: &["media", "media.transcript", "text"],
        reason: "a message's answer has no media; an image stands in a text block as Markdown, of sound its transcript",
        holds: |_, was, is| was.contains_key("media") && !is.contains_key("media"),
    },
    Limit {
        client: Anthropic,
        fields: &["call.arguments"],
        reason: "`input` is a JSON object; arguments that are none (free text, or broken JSON) stand in its field `input`",
        holds: only_broken,
    },
    Limit { client: Anthropic, fields: &["call.custom"], reason: "there are no tools that take free text", holds: lost },
    Limit {
        client: Anthropic,
        fields: &["citation.span"],
        reason: "a citation stands in the block it applies to, and is one of all of it",
        holds: |_, _, _| true,
    },
    Limit {
        client: Anthropic,
        fields: &["service_tier"],
        reason: "there are three terms of service: `standard`, `priority` and `batch`",
        holds: lost,
    },
    Limit { client: Anthropic, fields: &["error.param"], reason: "an error does not name a field apart from its message", holds: lost },
    // Gemini.
    Limit {
        client: Gemini,
        fields: &[
            "cache_write",
            "cache_write_5m",
            "cache_write_1h",
            "web_searches",
            "web_fetches",
            "accepted_prediction",
            "rejected_prediction",
        ],
        reason: "`usageMetadata` counts neither cache writes nor searches nor predictions",
        holds: lost,
    },
    Limit { client: Gemini, fields: &["cost"], reason: "`usageMetadata` has no price", holds: lost },
    Limit {
        client: Gemini,
        fields: &["finish"],
        reason: "`finishReason` has no word of its own for a refusal: `SAFETY`",
        holds: |difference, _, _| turned(difference, &["Refusal"], "ContentFilter"),
    },
    Limit {
        client: Gemini,
        fields: &["finish"],
        reason: "an answer with calls ends with `STOP`, too: the reader does not tell the two apart",
        holds: |difference, was, _| turned(difference, &["Stop"], "ToolCalls") && was.contains_key("call.id"),
    },
    Limit {
        client: Gemini,
        fields: &["stop_sequence", "finish"],
        reason: "`finishReason` does not tell a stop sequence from the model's own end",
        holds: |difference, _, _| difference.field == "stop_sequence" || turned(difference, &["StopSequence"], "Stop"),
    },
    Limit {
        client: Gemini,
        fields: &["output"],
        reason: "`candidatesTokenCount` and `thoughtsTokenCount` are counted apart; a provider that counts more thoughts than output cannot be told so",
        holds: |difference, was, _| was.get("reasoning").and_then(Value::as_u64) > difference.was.as_u64(),
    },
    Limit {
        client: Gemini,
        fields: &["citation.cited_text"],
        reason: "a page's chunk has no place for what the page says",
        holds: of_page,
    },
    Limit {
        client: Gemini,
        fields: &["media.transcript", "text"],
        reason: "`inlineData` has no transcript; what is said in sound stands in a text part",
        holds: |_, was, is| was.contains_key("media.transcript") && !is.contains_key("media.transcript"),
    },
    Limit {
        client: Gemini,
        fields: &["refusal", "text", "finish"],
        reason: "a candidate has no part for a refusal; the words stand in a text part",
        holds: |_, was, is| moved_to_text("refusal", was, is),
    },
    Limit {
        client: Gemini,
        fields: &["call.arguments"],
        reason: "`args` is a JSON object; arguments that are none (free text, or broken JSON) stand in its field `input`",
        holds: only_broken,
    },
    Limit { client: Gemini, fields: &["call.custom"], reason: "there are no tools that take free text", holds: lost },
];
