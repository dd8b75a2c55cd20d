//! What both of OpenAI's APIs of chats have beyond the meaning: a client's word for one of them goes on to the other as it is.

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::chat::{CacheMark, ChatRequest};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::Profile;
use crate::json::Object;
use crate::lenient;
use crate::loss::{Losses, Why};
use crate::problem::Malformed;
use crate::seal::OPENAI;

const APIS: [Dialect; 2] = [Dialect::OpenAiChat, Dialect::OpenAiResponses];

/// The end user, under the older name and the newer one.
const USER: &str = "user";
const SAFETY: &str = "safety_identifier";
/// The fields of one name and sense beside the conversation.
const SHARED: [&str; 4] = ["moderation", "prompt_cache_options", "prompt_cache_retention", SAFETY];
/// OpenAI's name for a mark of what to keep in a cache, and Anthropic's, which clients use here too.
pub(crate) const BREAKPOINT: &str = "prompt_cache_breakpoint";
pub(crate) const MARK: &str = "cache_control";

/// What stands before the key of a field that belongs to a message of the responses API and not to its piece of content.
pub(crate) const OF_MESSAGE: &str = "message.";

/// Whether OpenAI's own words are known where that goes: in the newer API, which is OpenAI's alone, and where its models are served as it
/// does that itself or by a gateway, which hands on what it gets.
fn is_known(target: Dialect, profile: &Profile) -> bool {
    let served_alike = profile.reasoning_field.is_none() || profile.knobs.is_none();
    target == Dialect::OpenAiResponses || profile.vendor.as_deref() == Some(OPENAI) && served_alike
}

/// What one of the two clients noted under that key.
fn noted<'a>(extra: &'a Extra, key: &str) -> Option<&'a str> {
    APIS.iter().find_map(|api| extra.noted(*api, key))
}

/// The longest name of a user that OpenAI takes.
const MAX_USER: usize = 64;

/// The user as OpenAI takes it. A client of its own formats has written it for this API.
fn short_user<'a>(losses: &mut Losses, request: &'a ChatRequest) -> Option<&'a str> {
    let user = request.user.as_deref()?;
    let own = matches!(request.extra.from(), Some(Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::OpenAiCompletions));
    let end = user.char_indices().nth(MAX_USER).map(|(at, _)| at).filter(|_| !own);
    if end.is_some() {
        losses.add("user", Why::Clamped);
    }
    Some(&user[..end.unwrap_or(user.len())])
}

/// Takes the end user, and whether the newer name alone says who it is.
pub(crate) fn take_user(fields: &mut Fields<'_>) -> Result<(Option<String>, bool), Malformed> {
    let is_newer = !fields.has(USER) && fields.has(SAFETY);
    let user = match fields.take(USER)? {
        None => fields.take(SAFETY)?,
        user => user,
    };
    Ok((user, is_newer))
}

/// Remembers that the newer name alone said who the end user is.
pub(crate) fn note_newer_user(extra: &mut Extra) {
    extra.note(USER, SAFETY);
}

/// Writes the end user under the name that the client used.
pub(crate) fn write_user(object: &mut Object<'_>, request: &ChatRequest, (here, profile): (Dialect, &Profile), losses: &mut Losses) {
    let goes_on = request.extra.from() == Some(here) || is_known(here, profile);
    let newer = noted(&request.extra, USER).filter(|_| goes_on);
    object.option(newer.map_or(USER, |_| SAFETY), short_user(losses, request));
}

/// Writes what a client of the other API said that this one has too, and records what else clients of other APIs said as lost.
pub(crate) fn write_shared(object: &mut Object<'_>, extra: &Extra, (here, profile): (Dialect, &Profile), losses: &mut Losses) {
    if extra.from() == Some(here) {
        return;
    }
    let is_shared = |key: &str| SHARED.contains(&key) && extra.from().is_some_and(|from| APIS.contains(&from)) && is_known(here, profile);
    for (key, value) in extra.fields() {
        if is_shared(key) {
            object.raw(key, value.get());
        } else {
            losses.dropped(key.clone());
        }
    }
}

/// Keeps a breakpoint as it was written. It is also meaning: targets with marks of their own set one there.
pub(crate) fn keep_breakpoint(raw: Option<&RawValue>, extra: &mut Extra) -> Option<CacheMark> {
    extra.note(BREAKPOINT, raw?.get().to_owned());
    Some(CacheMark::default())
}

/// A breakpoint as a client of either API wrote it.
pub(crate) fn breakpoint(extra: &Extra) -> Option<&str> {
    noted(extra, BREAKPOINT)
}

/// A mark in Anthropic's words as a client of either API wrote it beside one in OpenAI's.
pub(crate) fn mark_beside(extra: &Extra) -> Option<&str> {
    noted(extra, MARK).filter(|_| breakpoint(extra).is_some())
}

/// The same, where the target takes it.
pub(crate) fn taken_breakpoint<'a>(extra: &'a Extra, (here, profile): (Dialect, &Profile)) -> Option<&'a str> {
    breakpoint(extra).filter(|_| extra.from() == Some(here) || is_known(here, profile))
}

/// What a usage object says that the answer costs, as decimals: a sum, or how many ticks of a dollar.
pub(crate) fn cost(sum: Option<&RawValue>, ticks: Option<&RawValue>) -> Option<String> {
    sum.and_then(told_cost).or_else(|| lenient::whole(ticks?.get()).map(dollars))
}

/// The number of a cost, digits as sent: OpenRouter sends a number, Perplexity an object with the sum in it, others a text.
fn told_cost(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Sum<'a> {
        #[serde(borrow)]
        total_cost: Option<&'a RawValue>,
    }
    let text = raw.get();
    match text.as_bytes().first()? {
        b'{' => told_cost(serde_json::from_str::<Sum<'_>>(text).ok()?.total_cost?),
        b'"' => serde_json::from_str::<String>(text).ok().filter(|text| serde_json::from_str::<Number>(text).is_ok()),
        _ => serde_json::from_str::<Number>(text).ok().map(|_| text.to_owned()),
    }
}

/// So many ticks, of which a dollar has ten thousand million.
fn dollars(ticks: u64) -> String {
    const OF_A_DOLLAR: u64 = 10_000_000_000;
    let exact = format!("{}.{:010}", ticks / OF_A_DOLLAR, ticks % OF_A_DOLLAR);
    exact.trim_end_matches('0').trim_end_matches('.').to_owned()
}
