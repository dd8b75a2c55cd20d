//! What people think of answers.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::desk::Order;
use switchboard_store::experiment::{self, Feedback, Said};
use switchboard_store::ledger::LogLine;
use switchboard_store::ledger::report::{self, LineSort, Lines};
use switchboard_store::object::Team;

use crate::admin::{Answer, Form, Request};
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// The longest comment.
const LONGEST: usize = 4_096;
/// Bytes of the name of an end user.
const LONGEST_NAME: usize = 200;
/// A request is in the log a moment after its answer: so often it is looked for, and so long between.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Digits of an id of ours.
const ID: usize = 32;
/// Providers may give the same id to several answers: so many of them are looked at.
const SAME: i64 = 20;
/// The whole of a rating.
const WHOLE: f64 = 10_000.0;

/// `POST /v1/feedback`
pub(super) async fn say(request: &Request) -> Answer {
    let form = request.form("FeedbackRequest")?;
    let id = ["generation_id", "request_id", "id"].into_iter().find_map(|name| form.text(name)).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Refused::said(400, "`generation_id` must name the answer: its `id`, or its header `x-litellm-call-id`"))?;
    let (score, thumbs) = (score(&form)?, thumbs(&form)?);
    let comment = form.owned("comment").filter(|comment| !comment.is_empty());
    if comment.as_ref().is_some_and(|comment| comment.len() > LONGEST) {
        return Err(Refused::said(400, &format!("`comment` may have {LONGEST} bytes")));
    }
    if score.is_none() && thumbs.is_none() && comment.is_none() {
        return Err(Refused::said(400, "say something: `score`, `thumbs` or `comment`"));
    }
    let reward = score.as_ref().map(|(_, reward)| *reward).or_else(|| thumbs.map(|up| if up { 10_000 } else { 0 }));
    let opinion = Feedback {
        author: author(request, &form)?,
        reward,
        score: score.map(|(text, _)| text),
        thumbs: thumbs.map(|up| if up { "up" } else { "down" }.to_owned()),
        comment,
        ..Feedback::default()
    };
    Ok(shown(&keep(request, id, opinion).await?))
}

/// A complaint of that category. What is wrong with an answer itself counts against it; that it was slow or dear does not.
pub(in crate::admin) async fn complain(request: &Request, id: &str, category: &str, comment: Option<&str>) -> Result<(), Refused> {
    let principal = &request.caller.principal;
    let bad = matches!(category, "incoherence" | "incorrect_response" | "formatting");
    let opinion = Feedback {
        author: principal.key_hash.clone().unwrap_or_else(|| principal.key.clone()),
        reward: bad.then_some(0),
        thumbs: bad.then(|| "down".to_owned()),
        comment: Some(comment.map_or_else(|| category.to_owned(), |comment| format!("{category}: {comment}"))),
        ..Feedback::default()
    };
    keep(request, id, opinion).await.map(|_| ())
}

/// Keeps an opinion of the request of that id, of which the caller may speak.
async fn keep(request: &Request, id: &str, opinion: Feedback) -> Result<Feedback, Refused> {
    let (line, source) = concerned(request, id).await?;
    let decided = |name: &str| line.metadata.get("routing_decision").and_then(|said| said.get(name)?.as_str()).map(str::to_owned);
    let said = Feedback {
        request_id: line.request_id.clone(),
        source: source.to_owned(),
        experiment: decided("experiment"),
        arm: decided("arm"),
        model: line.model.clone(),
        model_group: line.model_group.clone(),
        ..opinion
    };
    Ok(experiment::say(&request.store, said).await?)
}

/// Who speaks: the key, and the end user it names, so that several people behind one key count each for themselves.
fn author(request: &Request, form: &Form) -> Result<String, Refused> {
    let principal = &request.caller.principal;
    let key = principal.key_hash.clone().unwrap_or_else(|| principal.key.clone());
    match form.text("user").filter(|user| !user.is_empty()) {
        Some(user) if user.len() > LONGEST_NAME => Err(Refused::said(400, &format!("`user` may have {LONGEST_NAME} bytes"))),
        Some(user) => Ok(format!("{key}:{user}")),
        None => Ok(key),
    }
}

/// The score as it was given, and in ten-thousandths.
fn score(form: &Form) -> Result<Option<(String, i64)>, Refused> {
    let Some(given) = form.get("score") else { return Ok(None) };
    let most = form.get("max_score").map_or(Some(1.0), Value::as_f64).filter(|most| most.is_finite() && *most > 0.0);
    let most = most.ok_or_else(|| Refused::said(400, "`max_score` must be a number above 0"))?;
    let score = given.as_f64().filter(|score| (0.0..=most).contains(score));
    let score =
        score.ok_or_else(|| Refused::said(400, &format!("`score` must be a number from 0 to {most}; `max_score` says what is best")))?;
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and ten thousand")]
    let reward = (score / most * WHOLE).round() as i64;
    let text = if (most - 1.0).abs() < f64::EPSILON { given.to_string() } else { format!("{given}/{most}") };
    Ok(Some((text, reward)))
}

/// Whether thumbs are up.
fn thumbs(form: &Form) -> Result<Option<bool>, Refused> {
    let given = ["thumbs", "rating"].into_iter().find_map(|name| form.get(name));
    let Some(given) = given else { return Ok(None) };
    let up = match given {
        Value::Bool(up) => Some(*up),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0 | -1) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "up" | "thumbs_up" | "positive" | "+1" | "1" => Some(true),
            "down" | "thumbs_down" | "negative" | "-1" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    up.map(Some).ok_or_else(|| Refused::said(400, "`thumbs` may be `up` or `down`"))
}

/// The request of that id, or of an answer of that id, of which the caller may speak, and as what.
async fn concerned(request: &Request, id: &str) -> Result<(LogLine, &'static str), Refused> {
    for line in find(request, id).await? {
        if let Some(source) = standing(request, &line).await? {
            return Ok((line, source));
        }
    }
    Err(unknown(id))
}

/// The lines of a request that may only just be over, the latest first.
async fn find(request: &Request, id: &str) -> Result<Vec<LogLine>, Refused> {
    // Answers that are written here have ids with a word before ours.
    let own = id.len().checked_sub(ID).and_then(|at| id.get(at..)).filter(|tail| tail.bytes().all(|digit| digit.is_ascii_hexdigit()));
    for _ in 0..LOOKS {
        for id in [Some(id), own.filter(|own| *own != id)].into_iter().flatten() {
            let wanted = Lines { request_id: Some(id.to_owned()), ..Lines::default() };
            let lines = report::lines(&request.store, wanted, (LineSort::Started, Order::Descending), (SAME, 0)).await?;
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(unknown(id))
}

fn unknown(id: &str) -> Refused {
    Refused::said(404, &format!("there is no generation `{id}`"))
}

/// As what the caller may speak of a request: because its key made it, it is of its team, or it administers the gateway.
async fn standing(request: &Request, line: &LogLine) -> Result<Option<&'static str>, Refused> {
    let caller = &request.caller;
    let principal = &caller.principal;
    let own = line.api_key.is_some() && line.api_key.as_deref() == Some(principal.key_hash.as_deref().unwrap_or(&principal.key));
    if own || caller.user.is_some() && caller.user == line.user_id {
        return Ok(Some("caller"));
    }
    if caller.is_admin() {
        return Ok(Some("admin"));
    }
    let Some(team) = line.team_id.clone() else { return Ok(None) };
    let caller = caller.clone();
    let member = request.read(move |desk| async move {
        let Some(team) = desk.get::<Team>(&team).await? else { return Ok(false) };
        Ok(object::of_team(&desk, &caller, &team).await? >= Standing::Member)
    });
    // Who sees everything without managing anything may read, not speak.
    Ok((member.await? && !request.caller.sees_all()).then_some("team"))
}

/// `GET /v1/feedback`
pub(super) async fn said(request: &Request) -> Answer {
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (limit, offset) = (request.number("limit", 50, 1, 1_000)?, request.number("offset", 0, 0, i64::from(u32::MAX))?);
    let mut wanted =
        Said { request_id: text("generation_id").or_else(|| text("request_id")), experiment: text("experiment"), author: None };
    if !request.caller.sees_all() {
        let principal = &request.caller.principal;
        wanted.author = Some(principal.key_hash.clone().unwrap_or_else(|| principal.key.clone()));
    }
    let found = experiment::said(&request.store, wanted, (limit, offset)).await?;
    Ok(json!({"data": found.iter().map(shown).collect::<Vec<_>>(), "limit": limit, "offset": offset}))
}

fn shown(said: &Feedback) -> Value {
    json!({
        "generation_id": said.request_id, "author": said.author, "source": said.source,
        "reward": said.reward.map(|reward| {
            #[expect(clippy::cast_precision_loss, reason = "between 0 and ten thousand")]
            let whole = reward as f64;
            whole / WHOLE
        }),
        "score": said.score, "thumbs": said.thumbs, "comment": said.comment, "experiment": said.experiment, "arm": said.arm,
        "model": said.model, "model_group": said.model_group, "created_at": Time(said.created_at), "updated_at": Time(said.updated_at),
    })
}
