//! The request log.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use switchboard_store::Time;
use switchboard_store::desk::Order;
use switchboard_store::ledger::LogLine;
use switchboard_store::ledger::report::{self, By, Days, LineSort, Lines, Sessions, SumSort};
use switchboard_store::object::Team;

use super::failed::{error, is_unknown};
use super::{MOST, day, dollars, text, time};
use crate::admin::{Answer, Request, keys};
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// What a call is named that was passed on as it was.
const PASSED: &str = "pass_through_endpoint";

/// A line as LiteLLM's table of spend logs has it.
pub(super) fn shown(line: &LogLine, with_client: bool) -> Value {
    // Clients find what was passed on by the id that the answer's headers tell.
    let answer = line.answer_id.as_ref().filter(|_| line.call_type != PASSED);
    json!({
        "request_id": answer.unwrap_or(&line.request_id), "call_type": line.call_type, "api_key": line.api_key.clone().unwrap_or_default(),
        "spend": dollars(line.spend), "total_tokens": line.prompt_tokens + line.completion_tokens,
        "prompt_tokens": line.prompt_tokens, "completion_tokens": line.completion_tokens, "startTime": Time(line.started_at),
        "endTime": Time(line.ended_at), "completionStartTime": line.first_content_at.map(Time),
        "request_duration_ms": (line.ended_at - line.started_at) / 1000, "model": if is_unknown(line) { "unknown-model" } else { &line.model }, "model_id": line.model_id,
        "model_group": line.model_group, "custom_llm_provider": line.provider, "api_base": line.api_base, "user": line.user_id,
        "metadata": metadata(line), "cache_hit": "False", "cache_key": null, "request_tags": tags(line, with_client), "team_id": line.team_id,
        "organization_id": line.organization_id, "end_user": line.end_user, "requester_ip_address": null, "messages": {},
        "response": {}, "session_id": line.session_id, "status": line.status, "mcp_namespaced_tool_name": null, "agent_id": null,
        "proxy_server_request": {}, "litellm_call_id": call_id(line), "created_at": Time(line.ended_at),
        "updated_at": Time(line.ended_at),
    })
}

/// The tags of a line: its own, and who the client said it is, by the first word and as a whole. The latter are nobody's to budget:
/// anybody can call themselves anything.
fn tags(line: &LogLine, with_client: bool) -> Vec<String> {
    let mut tags = line.tags.clone();
    let client = line.metadata.get("user_agent").and_then(Value::as_str).filter(|client| with_client && !client.is_empty());
    if let Some(client) = client {
        let first = client.split_once('/').map(|(first, _)| first);
        tags.extend(first.into_iter().chain([client]).map(|name| format!("User-Agent: {name}")));
    }
    tags
}

/// Whether lines have who the client said it is among their tags.
fn names_clients(request: &Request) -> bool {
    request.app.config.load().litellm.spending.tags_clients
}

/// What the client called the call, or else the gateway.
fn call_id(line: &LogLine) -> &str {
    line.metadata.get("litellm_call_id").and_then(Value::as_str).unwrap_or(&line.request_id)
}

fn metadata(line: &LogLine) -> Map<String, Value> {
    let mut said = line.metadata.clone();
    let count = |name: &str| said.get("usage").and_then(|usage| usage.get(name)).and_then(Value::as_u64).unwrap_or(0);
    let own = [
        ("user_api_key", json!(line.api_key)),
        ("user_api_key_user_id", json!(line.user_id)),
        ("user_api_key_team_id", json!(line.team_id)),
        ("user_api_key_org_id", json!(line.organization_id)),
        ("user_api_key_project_id", json!(line.project_id)),
        ("litellm_call_id", json!(call_id(line))),
        ("status", json!(line.status)),
        (
            "additional_usage_values",
            json!({"cache_read_input_tokens": count("cache_read"), "cache_creation_input_tokens": count("cache_write")}),
        ),
    ];
    if line.status == "failure" {
        said.insert("error_information".to_owned(), error(line));
    }
    let total = line.prompt_tokens + line.completion_tokens;
    let usage = said
        .contains_key("usage")
        .then(|| json!({"prompt_tokens": line.prompt_tokens, "completion_tokens": line.completion_tokens, "total_tokens": total}));
    // Clients read these fields, also where nothing is known.
    for (name, value) in [
        ("usage_object", json!(usage)),
        ("model_map_information", json!({"model_map_key": line.model, "model_map_value": null})),
        ("cold_storage_object_key", Value::Null),
        ("attempted_retries", Value::Null),
        ("attempted_fallbacks", Value::Null),
        ("original_model_group", Value::Null),
        ("user_api_key_alias", Value::Null),
        ("user_api_key_team_alias", Value::Null),
    ] {
        said.entry(name).or_insert(value);
    }
    said.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    said
}

/// What the request asks for, within what its caller may see.
fn wanted(request: &Request) -> Result<Lines, Refused> {
    let caller = &request.caller;
    let own = (!caller.sees_all()).then(|| {
        let key = caller.principal.key_hash.clone().unwrap_or_else(|| caller.principal.key.clone());
        (caller.user.clone(), Some(key))
    });
    let whole = |name: &str| request.value(name).is_some_and(|value| value.len() == 10);
    let from = time(request, "start_date")?.map_or(i64::MIN, |time| time.0);
    // A day is meant with all of it.
    let until = time(request, "end_date")?.map(|time| if whole("end_date") { time.plus_seconds(86_400) } else { time });
    Ok(Lines {
        request_id: text(request, "request_id"),
        api_key: text(request, "api_key").map(|key| keys::hash_of(&key)),
        user: text(request, "user_id"),
        team: text(request, "team_id"),
        customer: text(request, "end_user"),
        session: text(request, "session_id"),
        model: text(request, "model"),
        model_group: text(request, "model_group"),
        model_id: text(request, "model_id"),
        status: text(request, "status_filter"),
        from,
        until: until.map_or(i64::MAX, |time| time.0),
        least: amount(request, "min_spend")?.unwrap_or(i64::MIN),
        most: amount(request, "max_spend")?.unwrap_or(i64::MAX),
        own,
    })
}

/// Refuses the lines of a team that the caller is not in. Of those of its own team it sees its own.
async fn within(request: &Request, team: String) -> Result<(), Refused> {
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        if caller.sees_all() {
            return Ok(true);
        }
        match desk.get::<Team>(&team).await? {
            Some(team) => Ok(object::of_team(&desk, &caller, &team).await? > Standing::Stranger),
            None => Ok(false),
        }
    });
    if read.await? { Ok(()) } else { Err(Refused::forbidden("not allowed to see what this team has spent")) }
}

fn amount(request: &Request, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = request.value(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let amount = switchboard_engine::terms::NanoUsd::parse(text);
    amount.map(|amount| Some(amount.0)).ok_or_else(|| Refused::said(400, &format!("{name} must be a number of dollars")))
}

/// `GET /spend/logs`
pub(super) async fn logs(request: &Request) -> Answer {
    let dated = text(request, "start_date").is_some() && text(request, "end_date").is_some();
    let summed = request.value("summarize").is_none() || request.flag("summarize");
    if dated && summed && text(request, "request_id").is_none() {
        return by_day(request).await;
    }
    let lines = report::lines(&request.store, wanted(request)?, (LineSort::Started, Order::Descending), (MOST, 0)).await?;
    let with_client = names_clients(request);
    Ok(lines.iter().map(|line| shown(line, with_client)).collect())
}

/// The sums of each day: all of it, and by user, model and key.
async fn by_day(request: &Request) -> Answer {
    let caller = &request.caller;
    let user = if caller.sees_all() { text(request, "user_id") } else { caller.user.clone() };
    let mut key = text(request, "api_key").map(|key| keys::hash_of(&key));
    if !caller.sees_all() && user.is_none() {
        key = caller.principal.key_hash.clone().or_else(|| Some(caller.principal.key.clone()));
    }
    let days = Days {
        kind: if user.is_some() { "user" } else { "all" },
        entities: user.into_iter().collect(),
        keys: key.into_iter().collect(),
        from: day(request, "start_date")?.unwrap_or_default(),
        until: day(request, "end_date")?.unwrap_or_default(),
        ..Days::default()
    };
    let store = &request.store;
    let parts = report::sums(store, days.clone(), &[By::Day, By::Key, By::Model], SumSort::Earliest, (MOST, 0)).await?;
    let users = Days { kind: "user", ..days };
    let users = report::sums(store, users, &[By::Day, By::Entity], SumSort::Earliest, (MOST, 0)).await?;
    #[derive(Default)]
    struct Day {
        spend: i64,
        keys: BTreeMap<String, i64>,
        models: BTreeMap<String, i64>,
        users: BTreeMap<String, i64>,
    }
    let mut found: BTreeMap<String, Day> = BTreeMap::new();
    for part in parts {
        let day = found.entry(part.day).or_default();
        day.spend += part.spend;
        *day.keys.entry(part.api_key).or_default() += part.spend;
        *day.models.entry(part.model).or_default() += part.spend;
    }
    for part in users {
        *found.entry(part.day).or_default().users.entry(part.entity).or_default() += part.spend;
    }
    let money = |sums: BTreeMap<String, i64>| sums.into_iter().map(|(name, sum)| (name, dollars(sum))).collect::<Map<_, _>>();
    let rows = found.into_iter().map(|(date, day)| {
        let mut row = money(day.keys);
        row.insert("startTime".to_owned(), json!(date));
        row.insert("spend".to_owned(), dollars(day.spend));
        row.insert("users".to_owned(), Value::Object(money(day.users)));
        row.insert("models".to_owned(), Value::Object(money(day.models)));
        Value::Object(row)
    });
    Ok(rows.collect())
}

/// `GET /spend/logs/session/ui`
pub(super) async fn of_session(request: &Request) -> Answer {
    request.required("session_id")?;
    paged(request).await
}

/// How the lines of a page are sorted.
fn sorted(request: &Request) -> Result<(LineSort, Order), Refused> {
    let sort = match request.value("sort_by").unwrap_or("startTime") {
        "startTime" => LineSort::Started,
        "endTime" => LineSort::Ended,
        "spend" => LineSort::Spend,
        "total_tokens" => LineSort::Tokens,
        "model" => LineSort::Model,
        other => {
            return Err(Refused::said(
                400,
                &format!("Invalid sort_by: {other}. Must be one of: spend, total_tokens, startTime, endTime, model"),
            ));
        }
    };
    Ok((sort, if request.value("sort_order") == Some("asc") { Order::Ascending } else { Order::Descending }))
}

/// `GET /spend/logs/ui`: with all that was done in the session of each line; with `group_by_session` the latest line of each session.
pub(super) async fn ui(request: &Request) -> Answer {
    let (page, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 50, 1, 100)?);
    let (sort, grouped) = (sorted(request)?, request.flag("group_by_session"));
    let wanted = wanted(request)?;
    if let Some(team) = wanted.team.clone() {
        within(request, team).await?;
    }
    let (own, at) = (wanted.own.clone(), (size, (page - 1) * size));
    let (total, lines) = match grouped {
        true => (report::count_sessions(&request.store, wanted.clone()).await?, report::sessions(&request.store, wanted, sort, at).await?),
        false => (report::count(&request.store, wanted.clone()).await?, report::lines(&request.store, wanted, sort, at).await?),
    };
    let sessions = report::totals(&request.store, &lines, own).await?;
    let with_client = names_clients(request);
    let rows: Vec<Value> = lines.iter().map(|line| of_one_session(line, &sessions, with_client)).collect();
    let mut told = json!({
        "data": rows, "total": total, "page": page, "page_size": size, "total_pages": (total + size - 1) / size, "total_is_capped": false,
    });
    if grouped {
        told["has_more"] = json!(page * size < total);
        told["next_session_cursor"] = Value::Null;
    }
    Ok(told)
}

/// A line with all that was done in its session.
fn of_one_session(line: &LogLine, sessions: &Sessions, with_client: bool) -> Value {
    const SHOWN: usize = 10;
    let mut row = shown(line, with_client);
    let name = (line.session_id.clone().unwrap_or_default(), line.api_key.clone().unwrap_or_default());
    let Some(session) = sessions.get(&name) else {
        row["session_total_count"] = json!(1);
        return row;
    };
    let models: Vec<&String> = session.models.iter().filter(|model| !model.is_empty()).collect();
    for (field, value) in [
        ("session_total_count", json!(session.requests)),
        ("session_total_spend", dollars(session.spend)),
        ("session_total_duration_ms", json!(session.milliseconds)),
        ("session_cache_hit_count", json!(0)),
        ("session_llm_count", json!(session.requests)),
        ("session_agent_count", json!(0)),
        ("session_total_prompt_tokens", json!(session.prompt_tokens)),
        ("session_total_completion_tokens", json!(session.completion_tokens)),
        ("session_total_tokens", json!(session.prompt_tokens + session.completion_tokens)),
        ("session_models", json!(&models[..models.len().min(SHOWN)])),
        ("session_models_truncated", json!(models.len() > SHOWN)),
    ] {
        row[field] = value;
    }
    row
}

/// `GET /spend/logs/v2`
pub(super) async fn paged(request: &Request) -> Answer {
    let (page, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 50, 1, 100)?);
    let sort = sorted(request)?;
    let wanted = wanted(request)?;
    if let Some(team) = wanted.team.clone() {
        within(request, team).await?;
    }
    let total = report::count(&request.store, wanted.clone()).await?;
    let lines = report::lines(&request.store, wanted, sort, (size, (page - 1) * size)).await?;
    let with_client = names_clients(request);
    let rows: Vec<Value> = lines.iter().map(|line| shown(line, with_client)).collect();
    Ok(json!({"data": rows, "total": total, "page": page, "page_size": size, "total_pages": (total + size - 1) / size}))
}
