//! `/team/spend/by_user`: what each user has spent in teams.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::ledger::{self, Share};
use switchboard_store::object::{Team, User};

use super::{Owner, activity, dollars, text};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// Longer times are not looked through.
const LONGEST: i64 = 400 * 86_400;

/// Whoever leads a team sees everybody in it, its other members themselves.
pub(super) async fn by_user(request: &Request) -> Answer {
    let refused = |message: &str| Refused::told(400, message);
    if text(request, "team_ids").is_none() {
        return Err(refused("Please provide team_ids"));
    }
    let wanted = activity::allowed(request, Owner::Team).await?;
    let unreadable = || refused("start_date and end_date must be valid YYYY-MM-DD dates");
    let from = Time::parse(&wanted.from).ok_or_else(unreadable)?;
    let until = Time::parse(&wanted.until).ok_or_else(unreadable)?.plus_seconds(86_400);
    if from.plus_seconds(LONGEST) < until {
        return Err(refused("Date range must be at most 400 days"));
    }
    // Who leads none of them is told of its own keys alone, and so of itself.
    let narrow = !request.caller.sees_all() && !wanted.keys.is_empty();
    let only = if narrow { Some(request.caller.user.clone().unwrap_or_default()) } else { None };
    let mut found: Vec<(String, Share)> = Vec::new();
    for team in &wanted.entities {
        let shares = ledger::shares(&request.store, team, (from.0, until.0), only.as_deref()).await?;
        found.extend(shares.into_iter().map(|share| (team.clone(), share)));
    }
    found.sort_by(|(a_team, a), (b_team, b)| b.spend.cmp(&a.spend).then_with(|| (a_team, &a.user).cmp(&(b_team, &b.user))));
    let ids: Vec<String> = found.iter().filter_map(|(_, share)| share.user.clone()).collect();
    let teams = wanted.entities.clone();
    let read = request.read(move |desk| async move { Ok((desk.several::<User>(&ids).await?, desk.several::<Team>(&teams).await?)) });
    let (users, teams) = read.await?;
    let row = |(team, share): &(String, Share)| {
        let user = users.iter().find(|user| Some(&user.user_id) == share.user.as_ref());
        let alias = teams.iter().find(|one| one.team_id == *team).and_then(|one| one.team_alias.clone());
        json!({
            "team_id": team, "team_alias": alias, "user_id": share.user.as_deref().unwrap_or_default(),
            "user_email": user.and_then(|user| user.user_email.clone()), "user_alias": user.and_then(|user| user.user_alias.clone()),
            "spend": dollars(share.spend), "prompt_tokens": share.prompt_tokens, "completion_tokens": share.completion_tokens,
            "total_tokens": share.prompt_tokens + share.completion_tokens, "api_requests": share.requests,
            "successful_requests": share.requests - share.failed, "failed_requests": share.failed,
        })
    };
    let results: Vec<Value> = found.iter().map(row).collect();
    Ok(json!({"start_date": wanted.from, "end_date": wanted.until, "results": results}))
}
