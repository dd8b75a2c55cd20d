//! What was spent: `/spend/…`, `/global/…` and `/…/daily/activity`.
//!
//! Those who see everything see everything; everybody else what their own user, or else their own key, has spent. It is read from
//! the request log and the days' sums, which follow the ledger within a moment.

mod activity;
mod calculate;
mod export;
mod failed;
mod global;
mod logs;
mod owners;
mod scoped;
mod shares;

pub(super) use export::table;
pub(super) use scoped::Scope;
use serde_json::Value;
use switchboard_engine::terms::NanoUsd;
use switchboard_store::ledger::report::Days;
use switchboard_store::{Money, Time};

use super::openrouter::content;
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{self, Info, Viewer};
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Spend {
    Logs,
    LogsPaged,
    LogsUi,
    Keys,
    Users,
    Tags,
    Calculate,
    Global,
    GlobalLogs,
    GlobalKeys,
    GlobalTeams,
    GlobalModels,
    GlobalProvider,
    GlobalTags,
    GlobalReport,
    GlobalEndUsers,
    GlobalRefresh,
    GlobalTagNames,
    Activity,
    ActivityByModel,
    Daily(Owner),
    Aggregated(Owner),
    Export(Owner),
    CacheHits,
    LogContent,
    LogsOfSession,
    AllEndUsers,
    Exceptions,
    ExceptionsByDeployment,
    Report(Scope),
    ByUser,
}

/// Whose days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is what it is named after")]
pub enum Owner {
    User,
    Team,
    Tag,
    Organization,
    Customer,
}

const fn shown(path: &'static str, action: Spend, policy: Policy, summary: &'static str) -> Row {
    get(path, Action::Spend(action), policy, summary)
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    shown("/spend/logs", Spend::Logs, Info, "Requests with what they cost, or sums of days"),
    shown("/spend/logs/v2", Spend::LogsPaged, Info, "Requests with what they cost, page by page"),
    shown("/spend/logs/ui", Spend::LogsUi, Info, "Requests or sessions with what they cost, page by page"),
    shown("/spend/keys", Spend::Keys, Viewer, "Keys, those that spent most first"),
    shown("/spend/users", Spend::Users, Viewer, "Users, those that spent most first"),
    shown("/spend/tags", Spend::Tags, Viewer, "What each tag has spent"),
    post("/spend/calculate", Action::Spend(Spend::Calculate), Info, "SpendCalculateRequest", "What a request or an answer costs"),
    shown("/global/spend", Spend::Global, Viewer, "What was spent in thirty days"),
    shown("/global/spend/logs", Spend::GlobalLogs, Viewer, "What was spent on each of thirty days"),
    shown("/global/spend/keys", Spend::GlobalKeys, Viewer, "The keys that spent most in thirty days"),
    shown("/global/spend/teams", Spend::GlobalTeams, Viewer, "What teams spent on each of thirty days"),
    shown("/global/spend/models", Spend::GlobalModels, Viewer, "The models that cost most in thirty days"),
    shown("/global/spend/provider", Spend::GlobalProvider, Viewer, "What each provider cost"),
    shown("/global/spend/tags", Spend::GlobalTags, Viewer, "What each tag has spent"),
    shown("/global/spend/report", Spend::GlobalReport, Viewer, "What was spent each day by team, customer or key"),
    post("/global/spend/end_users", Action::Spend(Spend::GlobalEndUsers), Viewer, "", "The customers that spent most"),
    post("/global/spend/refresh", Action::Spend(Spend::GlobalRefresh), Policy::Admin, "", "Bring sums up to date, which they always are"),
    shown("/global/spend/all_tag_names", Spend::GlobalTagNames, Viewer, "Every tag that something was spent under"),
    shown("/global/activity", Spend::Activity, Viewer, "Requests and tokens of each day"),
    shown("/global/activity/model", Spend::ActivityByModel, Viewer, "Requests and tokens of each day by model"),
    shown("/global/activity/cache_hits", Spend::CacheHits, Viewer, "Requests by key, call and model, and how many a cache answered: none"),
    shown("/user/daily/activity/export", Spend::Export(Owner::User), Info, "What users did each day, as a table"),
    shown("/team/daily/activity/export", Spend::Export(Owner::Team), Info, "What teams did each day, as a table"),
    shown("/tag/daily/activity/export", Spend::Export(Owner::Tag), Viewer, "What was done each day under a tag, as a table"),
    shown("/organization/daily/activity/export", Spend::Export(Owner::Organization), Info, "What organizations did each day, as a table"),
    shown("/customer/daily/activity/export", Spend::Export(Owner::Customer), Viewer, "What was done each day for customers, as a table"),
    shown("/global/activity/exceptions", Spend::Exceptions, Viewer, "Failed requests of each day"),
    shown("/global/activity/exceptions/deployment", Spend::ExceptionsByDeployment, Viewer, "Failed requests of each day by deployment"),
    shown("/global/all_end_users", Spend::AllEndUsers, Viewer, "Every customer that something was spent for"),
    shown("/spend/logs/ui/{request_id}", Spend::LogContent, Info, "What was asked and answered, where it is kept"),
    shown("/spend/logs/session/ui", Spend::LogsOfSession, Info, "Requests of a session with what they cost, page by page"),
    shown("/key/spend/report", Spend::Report(Scope::Key), Info, "What a key spent, by model"),
    shown("/user/spend/report", Spend::Report(Scope::User), Info, "What a user spent, by key and model"),
    shown("/team/spend/report", Spend::Report(Scope::Team), Info, "What a team spent, by key and model"),
    shown("/team/spend/by_user", Spend::ByUser, Info, "What each user spent in teams"),
    shown("/organization/spend/report", Spend::Report(Scope::Organization), Info, "What an organization spent, by key and model"),
    shown("/user/daily/activity/aggregated", Spend::Aggregated(Owner::User), Info, "What users did, all days at once"),
    shown("/team/daily/activity/aggregated", Spend::Aggregated(Owner::Team), Info, "What teams did, all days at once"),
    shown("/tag/daily/activity/aggregated", Spend::Aggregated(Owner::Tag), Viewer, "What was done under a tag, all days at once"),
    shown(
        "/organization/daily/activity/aggregated",
        Spend::Aggregated(Owner::Organization),
        Info,
        "What organizations did, all days at once",
    ),
    shown(
        "/customer/daily/activity/aggregated",
        Spend::Aggregated(Owner::Customer),
        Viewer,
        "What was done for customers, all days at once",
    ),
    shown("/user/daily/activity", Spend::Daily(Owner::User), Info, "What users did each day"),
    shown("/team/daily/activity", Spend::Daily(Owner::Team), Info, "What teams did each day"),
    shown("/tag/daily/activity", Spend::Daily(Owner::Tag), Viewer, "What was done each day under a tag"),
    shown("/organization/daily/activity", Spend::Daily(Owner::Organization), Info, "What organizations did each day"),
    shown("/customer/daily/activity", Spend::Daily(Owner::Customer), Viewer, "What was done each day for customers"),
    shown("/end_user/daily/activity", Spend::Daily(Owner::Customer), Viewer, "What was done each day for customers"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Spend, request: &Request) -> Answer {
    match action {
        Spend::CacheHits => activity::cache_hits(request).await,
        Spend::Export(owner) => export::rows(request, owner).await,
        Spend::Logs => logs::logs(request).await,
        Spend::LogsPaged => logs::paged(request).await,
        Spend::LogsUi => logs::ui(request).await,
        Spend::Keys => owners::keys(request).await,
        Spend::Users => owners::users(request).await,
        Spend::Tags => owners::tags(request).await,
        Spend::Calculate => calculate::calculate(request),
        Spend::Global => global::spend(request).await,
        Spend::GlobalLogs => global::logs(request).await,
        Spend::GlobalKeys => global::keys(request).await,
        Spend::GlobalTeams => global::teams(request).await,
        Spend::GlobalModels => global::models(request).await,
        Spend::GlobalProvider => global::provider(request).await,
        Spend::GlobalTags => global::tags(request).await,
        Spend::GlobalReport => global::report(request).await,
        Spend::GlobalEndUsers => global::end_users(request).await,
        Spend::GlobalRefresh => Ok(serde_json::json!({"status": "success", "message": "Sums of days follow the ledger by themselves"})),
        Spend::GlobalTagNames => global::tag_names(request).await,
        Spend::Activity => activity::activity(request).await,
        Spend::ActivityByModel => activity::by_model(request).await,
        Spend::Daily(owner) => activity::daily(request, owner, false).await,
        Spend::Aggregated(owner) => activity::daily(request, owner, true).await,
        Spend::LogsOfSession => logs::of_session(request).await,
        Spend::LogContent => content::in_the_log(request).await,
        Spend::AllEndUsers => global::all_end_users(request).await,
        Spend::Exceptions => activity::exceptions(request).await,
        Spend::ExceptionsByDeployment => activity::exceptions_by_deployment(request).await,
        Spend::ByUser => shares::by_user(request).await,
        Spend::Report(scope) => scoped::report(request, scope).await,
    }
}

/// An amount as answers write it.
fn dollars(nano: i64) -> Value {
    Value::Number(Money(NanoUsd(nano)).number())
}

/// The most rows that an answer without pages has.
const MOST: i64 = 10_000;

/// The days a request asks for, `YYYY-MM-DD`; without any, the last thirty.
fn days(request: &Request, kind: &'static str) -> Result<Days, Refused> {
    let from = day(request, "start_date")?.unwrap_or_else(|| of(Time::now().plus_seconds(-30 * 86_400)));
    let until = day(request, "end_date")?.unwrap_or_else(|| of(Time::now()));
    Ok(Days { kind, from, until, ..Days::default() })
}

/// The day of a time.
fn of(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// A day of the query.
fn day(request: &Request, name: &str) -> Result<Option<String>, Refused> {
    Ok(time(request, name)?.map(of))
}

/// A time of the query.
fn time(request: &Request, name: &str) -> Result<Option<Time>, Refused> {
    let Some(text) = request.value(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = || Refused::said(400, &format!("Invalid {name}: '{text}'. Write YYYY-MM-DD or YYYY-MM-DD HH:MM:SS"));
    Time::parse(text).map(Some).ok_or_else(wrong)
}

/// A value of the query that is not empty.
fn text(request: &Request, name: &str) -> Option<String> {
    request.value(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Values of a list in the query, separated by commas.
fn several(request: &Request, name: &str) -> Vec<String> {
    let list = text(request, name).unwrap_or_default();
    list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
}
