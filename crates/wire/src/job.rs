//! Jobs: many requests at once that a provider answers later, in a file or where somebody asks for them.
//!
//! | | requests | a job | answers |
//! |---|---|---|---|
//! | OpenAI and who follows it | lines of files (`body`, `url`) | `status`, `output_file_id` | lines (`response.body`) |
//! | Mistral | the same, of one model | `output_file` | the same |
//! | Anthropic | `requests[].params` | `processing_status` | lines below the job (`result.message`) |
//! | Gemini | `batch.inputConfig`, in the body or a file | `done` | `response`, in the body or a file |

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::{Dialect, Operation};
use crate::half::Memo;
use crate::reply::Usage;
use crate::usage;

#[cfg(test)]
#[path = "job/tests.rs"]
mod tests;

/// One request of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where it would be sent by itself, where it says so.
    pub path: Option<String>,
    /// Its model, where it says so.
    pub model: Option<String>,
    /// Its body.
    pub body: String,
}

/// What a job is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Requests that stand in the body.
    pub requests: Vec<Request>,
    /// Files whose lines are requests.
    pub files: Vec<String>,
    /// Where the requests go that do not say it, and their model.
    pub path: Option<String>,
    /// See [`path`](Self::path).
    pub model: Option<String>,
    /// Whether there is more to it than is known here.
    pub is_more: bool,
}

/// A job, as its provider tells how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its model, where it has a single one and says so.
    pub model: Option<String>,
    /// Its answers; none while it is not over.
    pub answers: Option<Answers>,
}

/// Where the answers of a job are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Lines of these files; without any, nothing was answered.
    Files(Vec<String>),
    /// Lines, below the job itself.
    Below(&'static str),
    /// Here, each as a line would be.
    Here(Vec<String>),
}

/// What a line of answers says that one of them took.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// It took that, of that model.
    Told(Option<String>, Box<Usage>),
    /// There is an answer, and it does not say.
    Untold,
    /// There is none, and nothing to be paid.
    Failed,
}

/// Statuses in which a job is over, in small letters.
const OVER: [&str; 7] = ["completed", "failed", "expired", "cancelled", "success", "timeout_exceeded", "ended"];
/// What names files of requests, and of answers.
const INPUTS: [&str; 2] = ["input_file_id", "input_files"];
const OUTPUTS: [&str; 2] = ["output_file_id", "output_file"];
/// What names requests that stand where no API shows them.
const ELSEWHERE: [&str; 3] = ["input_blob", "inputConfig", "input_config"];
/// Lists of jobs.
const LISTS: [&str; 2] = ["data", "operations"];
const MODELS: &str = "models/";

/// What a job is asked for by that body; none where it is no job that is known.
pub fn asked(body: &[u8]) -> Option<Asked> {
    let body: HashMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let value = |name: &str| serde_json::from_str::<Value>(body.get(name)?.get()).ok().filter(|value| !value.is_null());
    let string = |name: &str| value(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let within = value("batch");
    let config = within.as_ref().and_then(|within| field(within, &["inputConfig", "input_config"]));
    let mut asked = Asked {
        path: string("endpoint"),
        model: string("model"),
        files: INPUTS.iter().filter_map(|name| value(name)).flat_map(|files| texts(&files)).collect(),
        is_more: ELSEWHERE.iter().any(|name| value(name).is_some()),
        ..Asked::default()
    };
    asked.files.extend(config.and_then(|config| text(config, &["fileName", "file_name"])));
    let inlined = config.and_then(|config| config.get("requests")).map(|all| all.get("requests").unwrap_or(all));
    let inlined = inlined.and_then(Value::as_array).into_iter().flatten().map(of_value);
    // There may be very many of them: each is read by itself.
    let listed = body.get("requests").and_then(|all| serde_json::from_str::<Vec<&RawValue>>(all.get()).ok());
    let listed = listed.into_iter().flatten().map(|one| request(one.get().as_bytes()));
    for one in inlined.chain(listed) {
        match one {
            Some(request) => asked.requests.push(request),
            None => asked.is_more = true,
        }
    }
    let is_any = !asked.requests.is_empty() || !asked.files.is_empty() || asked.is_more;
    is_any.then_some(asked)
}

/// The request of a line.
pub fn request(line: &[u8]) -> Option<Request> {
    of_value(&serde_json::from_slice(line).ok()?)
}

fn of_value(value: &Value) -> Option<Request> {
    let body = field(value, &["body", "params", "request"]).filter(|body| body.is_object())?;
    Some(Request { path: text(value, &["url"]), model: text(body, &["model"]).map(plain), body: body.to_string() })
}

/// The jobs that an answer tells of: one, or a list of them.
pub fn jobs(body: &[u8]) -> Vec<Job> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let list = LISTS.iter().find_map(|name| body.get(*name)?.as_array());
    list.map_or_else(|| job(&body).into_iter().collect(), |list| list.iter().filter_map(job).collect())
}

/// The id of the job that an answer tells of.
pub fn id(body: &[u8]) -> Option<String> {
    jobs(body).into_iter().next().map(|job| job.id)
}

fn job(value: &Value) -> Option<Job> {
    let id = text(value, &["id", "name"])?;
    let more = value.get("metadata").filter(|more| more.is_object());
    let model = text(value, &["model"]).or_else(|| text(more?, &["model"])).map(plain);
    let status = text(value, &["processing_status", "status"]).map(|status| status.to_lowercase());
    let is_over = status.as_deref().is_some_and(|status| OVER.contains(&status)) || value.get("done") == Some(&Value::Bool(true));
    let answers = || match () {
        () if value.get("processing_status").is_some() => Answers::Below("results"),
        () if value.get("done").is_some() => of_operation(value.get("response").unwrap_or(&Value::Null)),
        () => Answers::Files(OUTPUTS.iter().filter_map(|name| text(value, &[name])).take(1).collect()),
    };
    Some(Job { id, model, answers: is_over.then(answers) })
}

/// The answers of a job of Gemini's.
fn of_operation(response: &Value) -> Answers {
    if let Some(file) = text(response, &["responsesFile", "responses_file"]) {
        return Answers::Files(vec![file]);
    }
    let inlined = field(response, &["inlinedResponses", "inlined_responses", "inlinedEmbedContentResponses"]);
    let list = inlined.map(|all| field(all, &["inlinedResponses", "inlined_responses"]).unwrap_or(all)).and_then(Value::as_array);
    Answers::Here(list.into_iter().flatten().map(Value::to_string).collect())
}

/// What a line of answers says. What cannot be read is an answer that does not say.
pub fn line(line: &[u8]) -> Line {
    #[derive(serde::Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        response: Option<&'a RawValue>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Reply<'a> {
        status_code: Option<u16>,
        #[serde(borrow)]
        body: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
        r#type: Option<&'a str>,
    }
    let Ok(whole) = serde_json::from_slice::<Whole<'_>>(line) else { return Line::Untold };
    let Some(told) = whole.response.or(whole.result).filter(|told| told.get() != "null") else {
        return if whole.error.is_some() { Line::Failed } else { Line::Untold };
    };
    let Ok(reply) = serde_json::from_str::<Reply<'_>>(told.get()) else { return Line::Untold };
    let is_failure = reply.status_code.is_some_and(|status| !(200..300).contains(&status));
    if is_failure || whole.result.is_some() && reply.r#type != Some("succeeded") {
        return Line::Failed;
    }
    let answer = reply.body.or(reply.message.filter(|_| whole.result.is_some())).unwrap_or(told).get().as_bytes();
    let (model, usage) = told_of(answer);
    usage.map_or(Line::Untold, |usage| Line::Told(model, Box::new(usage)))
}

/// The model of an answer, and what it says that it took, by the form it is in.
fn told_of(answer: &[u8]) -> (Option<String>, Option<Usage>) {
    let Ok(value) = serde_json::from_slice::<Value>(answer) else { return (None, None) };
    let is = |name: &str, wanted: &str| value.get(name).and_then(Value::as_str) == Some(wanted);
    let dialect = match () {
        () if value.get("usageMetadata").is_some() => Some(Dialect::Gemini),
        () if is("type", "message") => Some(Dialect::Anthropic),
        () if is("object", "response") => Some(Dialect::OpenAiResponses),
        () if is("object", "text_completion") => Some(Dialect::OpenAiCompletions),
        () if value.get("choices").is_some() => Some(Dialect::OpenAiChat),
        () => None,
    };
    let read = dialect.and_then(Dialect::outbound).and_then(|outbound| outbound.read_reply(&Memo::default(), answer).ok());
    let usage = read.and_then(|reply| reply.usage).or_else(|| usage::of_answer(Operation::Embeddings, answer).usage);
    (text(&value, &["model", "modelVersion"]).map(plain), usage.filter(|usage| usage.input.is_some()))
}

fn field<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| value.get(*name)).filter(|value| !value.is_null())
}

fn text(value: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| value.get(*name)?.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A text, or those of a list.
fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The model's name: Gemini says it as that of a thing among others.
fn plain(model: String) -> String {
    model.strip_prefix(MODELS).map(str::to_owned).unwrap_or(model)
}
