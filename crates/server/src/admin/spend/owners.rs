//! Who spent most.

use serde_json::{Value, json};
use switchboard_store::ledger::report::{self, By, Days, SumSort};
use switchboard_store::object::{Key, User};

use super::{MOST, days, dollars, text};
use crate::admin::{Answer, Request, rows};

/// The most that are told.
const SHOWN: i64 = 1000;

/// `GET /spend/keys`
pub(super) async fn keys(request: &Request) -> Answer {
    let (all, limit) = (Days { kind: "all", ..Days::default() }, request.number("limit", SHOWN, 1, SHOWN)?);
    let sums = report::sums(&request.store, all, &[By::Key], SumSort::Dearest, (limit, 0)).await?;
    let ids: Vec<String> = sums.into_iter().map(|sum| sum.api_key).collect();
    let order = ids.clone();
    let mut keys: Vec<Key> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    keys.sort_by_key(|key| order.iter().position(|id| *id == key.token));
    Ok(keys.iter().map(|key| Value::Object(rows::key_with_hash(&request.app, key, None))).collect())
}

/// `GET /spend/users`
pub(super) async fn users(request: &Request) -> Answer {
    let ids = match text(request, "user_id") {
        Some(user) => vec![user],
        None => {
            let all = Days { kind: "user", ..Days::default() };
            let sums = report::sums(&request.store, all, &[By::Entity], SumSort::Dearest, (SHOWN, 0)).await?;
            sums.into_iter().map(|sum| sum.entity).collect()
        }
    };
    let order = ids.clone();
    let mut users: Vec<User> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    users.sort_by_key(|user| order.iter().position(|id| *id == user.user_id));
    Ok(users.iter().map(|user| Value::Object(rows::user(&request.app, user))).collect())
}

/// `GET /spend/tags`
pub(super) async fn tags(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "tag")?, &[By::Entity], SumSort::Dearest, (MOST, 0)).await?;
    let row =
        |sum: &report::Sum| json!({"individual_request_tag": sum.entity, "log_count": sum.requests, "total_spend": dollars(sum.spend)});
    Ok(sums.iter().map(row).collect())
}
