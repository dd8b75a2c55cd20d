//! Every request, for every provider's dialect and back.

use switchboard_wire::Dialect;
use switchboard_wire::chat::ChatRequest;
use switchboard_wire::half::{Head, Memo, Profile, Written};

use crate::asked;
use crate::corpus::Exchange;
use crate::meaning::{Change, Difference, differences};

/// A client's request: in the dialect it was recorded in, or said in OpenAI chat.
pub(crate) struct Request {
    pub(crate) from: Dialect,
    pub(crate) asked: ChatRequest,
}

/// A request that is refused.
pub(crate) struct Unread {
    /// Whether it was recorded, and not only made by the collection.
    pub(crate) recorded: bool,
    pub(crate) why: String,
}

/// The requests of an exchange that a client can send; `Err` with why one is refused.
pub(crate) fn read(exchange: &Exchange) -> Vec<Result<Request, Unread>> {
    let Some(dialect) = exchange.dialect() else { return Vec::new() };
    let head = Head { headers: None, ..exchange.head() };
    let plain = Head { path_model: Some("deployment"), ..Head::default() };
    let recorded = exchange.request.iter().map(|body| (true, dialect, &head, body));
    let neutral = exchange.neutral.iter().map(|body| (false, Dialect::OpenAiChat, &plain, body));
    let sent = recorded.chain(neutral).filter(|(_, _, _, body)| body.starts_with(b"{"));
    let read = |(recorded, from, head, body): (bool, Dialect, &Head<'_>, &bytes::Bytes)| {
        let asked = from.inbound()?.read_request(head, body).map_err(|malformed| Unread { recorded, why: malformed.to_string() });
        Some(asked.map(|asked| Request { from, asked }))
    };
    sent.filter_map(read).collect()
}

/// What became of a request.
pub(crate) enum Sent {
    /// It cannot be said there: the field, and why.
    Refused(String, String),
    /// It was written; what was not carried, and what was read back differently without being told.
    Written { losses: Vec<String>, differences: Vec<Difference> },
}

/// Writes a request for a provider of that dialect.
pub(crate) fn send(request: &Request, to: Dialect) -> Option<Sent> {
    let written = match to.outbound()?.write_request(&request.asked, &Profile::default()) {
        Ok(written) => written,
        Err(refused) => return Some(Sent::Refused(plain(&refused.field), plain(&refused.why))),
    };
    let losses: Vec<String> = written.losses.list().iter().map(|loss| format!("{} ({:?})", plain(&loss.field), loss.why)).collect();
    let differences = back(request, to, &written).unwrap_or_default();
    Some(Sent::Written { losses, differences })
}

/// What is different when the written request is read again, where clients speak the target's dialect, too.
fn back(request: &Request, to: Dialect, written: &Written) -> Option<Vec<Difference>> {
    let head = Head { path_model: Some(&request.asked.model), path_stream: Some(request.asked.stream), headers: None };
    let inbound = to.inbound()?;
    if request.asked.messages.is_empty() {
        return None;
    }
    let again = match inbound.read_request(&head, &written.body) {
        Ok(again) => again,
        Err(malformed) => {
            let body = String::from_utf8_lossy(&written.body).into_owned();
            return Some(vec![Difference {
                field: "unreadable",
                change: Change::Changed,
                was: malformed.to_string().into(),
                is: body.into(),
            }]);
        }
    };
    let (was, is) = (asked::of_request(&request.asked, &Memo::default()), asked::of_request(&again, &written.memo));
    Some(differences(&was, &is).into_iter().filter(|difference| !told(difference, written)).collect())
}

/// Whether the writer told of it, or the target needs what the client did not say.
fn told(difference: &Difference, written: &Written) -> bool {
    let field = difference.field;
    let told = |words: &[&str]| written.losses.list().iter().any(|loss| words.iter().any(|word| loss.field.contains(word)));
    match field {
        "max_output_tokens" => difference.change == Change::Invented || told(&["max_"]),
        "format" => written.memo.json_tool.is_some() || told(&["format", "schema", "response"]),
        "tools" | "tool_choice" | "system" | "turns" => {
            written.memo.json_tool.is_some() || told(&["tool", "system", "role", "messages", "input", "contents", "format", "strict"])
        }
        _ => !written.losses.is_empty(),
    }
}

/// A path without its numbers.
fn plain(path: &str) -> String {
    let mut out = String::new();
    for letter in path.chars() {
        match letter {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            letter => out.push(letter),
        }
    }
    out
}

/// Where two values begin to differ.
pub(crate) fn around(difference: &Difference) -> String {
    let (was, is) = (difference.was.to_string(), difference.is.to_string());
    let at = was.bytes().zip(is.bytes()).take_while(|(one, other)| one == other).count();
    let cut = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60).min(text.len())..(at + 120).min(text.len())]).into_owned()
    };
    format!("{} {:?}: {} | {}", difference.field, difference.change, cut(&was), cut(&is))
}
