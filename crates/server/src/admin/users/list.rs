//! Lists of users, and what they may be.

use serde_json::{Value, json};
use switchboard_store::desk::{Filter, Order, Page, Sort};
use switchboard_store::object::{Key, User};

use crate::admin::{Answer, Request, rows};
use crate::refused::Refused;

/// `GET /user/list`
pub(in crate::admin) async fn list(request: &Request) -> Answer {
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 25, 1, 100)?);
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let sort = match request.value("sort_by") {
        Some("user_id") => Sort::Id,
        Some("user_email") => Sort::Name,
        Some("updated_at") => Sort::Updated,
        Some("created_at" | "user_alias" | "spend" | "user_role" | "max_budget") | None => Sort::Created,
        Some(other) => return Err(Refused::said(400, &format!("Invalid sort column: {other}"))),
    };
    let order = match request.value("sort_order") {
        Some("asc") => Order::Ascending,
        Some("desc") => Order::Descending,
        None if request.value("sort_by").is_some() => Order::Ascending,
        None => Order::Descending,
        Some(other) => return Err(Refused::said(400, &format!("Invalid sort order: {other}. Must be 'asc' or 'desc'"))),
    };
    let several =
        |name: &str| text(name).map(|list| list.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect());
    let wanted = Wanted { role: text("role"), ids: several("user_ids"), sso: several("sso_user_ids"), team: text("team") };
    let filter = Filter { search: text("search").or(text("user_email")), ..Filter::default() };
    let read = request.read(move |desk| async move {
        let page = Page { number, size, sort, order };
        // What no column holds is looked for in the rows themselves.
        let (users, total) = if wanted.nothing() {
            desk.page::<User>(&filter, page).await?
        } else {
            let (all, _) = desk.page::<User>(&filter, Page { number: 1, size: i64::from(u32::MAX), ..page }).await?;
            let fitting: Vec<User> = all.into_iter().filter(|user| wanted.fits(user)).collect();
            let total = i64::try_from(fitting.len()).unwrap_or(i64::MAX);
            let skip = usize::try_from((number - 1) * size).unwrap_or(usize::MAX);
            (fitting.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX)).collect(), total)
        };
        let mut counted = Vec::new();
        for user in users {
            let keys = desk.of_user::<Key>(&user.user_id).await?.len();
            counted.push((user, keys));
        }
        Ok((counted, total))
    });
    let (users, total) = read.await?;
    let shown: Vec<Value> = users
        .iter()
        .map(|(user, keys)| {
            let mut row = rows::user(&request.app, user);
            row.insert("key_count".to_owned(), json!(keys));
            Value::Object(row)
        })
        .collect();
    Ok(json!({"users": shown, "total": total, "page": number, "page_size": size, "total_pages": (total + size - 1) / size}))
}

struct Wanted {
    role: Option<String>,
    ids: Option<Vec<String>>,
    sso: Option<Vec<String>>,
    team: Option<String>,
}

impl Wanted {
    fn nothing(&self) -> bool {
        self.role.is_none() && self.ids.is_none() && self.sso.is_none() && self.team.is_none()
    }

    fn fits(&self, user: &User) -> bool {
        let role = user.user_role.map(|role| role.as_str());
        self.role.as_ref().is_none_or(|wanted| role == Some(wanted.as_str()))
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&user.user_id))
            && self.sso.as_ref().is_none_or(|ids| user.sso_user_id.as_ref().is_some_and(|id| ids.contains(id)))
            && self.team.as_ref().is_none_or(|team| user.teams.contains(team))
    }
}

/// `GET /user/available_roles`
pub(in crate::admin) async fn roles(_: &Request) -> Answer {
    let role = |description: &str, label: &str| json!({"description": description, "ui_label": label});
    Ok(json!({
        "proxy_admin": role("admin over the whole gateway, has all permissions", "Admin (All Permissions)"),
        "proxy_admin_viewer": role("sees all keys and all spend, changes nothing", "Admin (View Only)"),
        "internal_user": role("makes, sees and deletes its own keys, sees its own spend", "Internal User (Create/Delete/View)"),
        "internal_user_viewer": role("sees its own keys and its own spend", "Internal User (View Only)"),
    }))
}
