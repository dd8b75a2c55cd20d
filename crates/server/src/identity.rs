//! For whom a call is made, and under which tags, as the call itself says.

use std::sync::Arc;

use http::header::{AsHeaderName, HeaderMap, HeaderName};
use switchboard_engine::call::Call;
use switchboard_engine::principal::Principal;
use switchboard_engine::route::overrides::named_fallbacks;
use switchboard_engine::terms::Level;

use crate::access::{self, Layer, Whose};
use crate::app::App;
use crate::auth::guests::{Guest, Known};
use crate::config::Config;
use crate::limits;
use crate::refused::Refused;

/// Headers that name a customer, whatever the configuration says.
const CUSTOMER: [HeaderName; 2] = [HeaderName::from_static("x-litellm-customer-id"), HeaderName::from_static("x-litellm-end-user-id")];
const TAGS_HEADER: &str = "x-litellm-tags";
const TAGS: HeaderName = HeaderName::from_static(TAGS_HEADER);
/// Longer names are nobody's.
const LONGEST: usize = 512;
/// The most tags of one call.
const MOST_TAGS: usize = 32;

/// The call with what it says of itself: its customer, its tags, and their budgets.
pub(crate) async fn engaged(mut call: Call, app: &App) -> Result<Call, Refused> {
    let config = app.config();
    let said = &config.general.customers;
    // Whom a signed token names counts for more than what a call says.
    let customer = call.principal.customer.clone().or_else(|| customer(&call, &said.headers));
    if said.enforced && customer.is_none() {
        return Err(Refused::said(400, "'user' param not passed in. 'enforce_user_param'=True"));
    }
    if let Some(place) = said.refuses_tags.then(|| tagged_at(&call)).flatten() {
        let message = format!(
            "Client-side '{place}' not allowed in request. 'reject_clientside_metadata_tags'=True. Tags can only be set via API key metadata."
        );
        return Err(Refused::new(400, "bad_request_error", place.into(), message));
    }
    let listed = customer.as_ref().is_some_and(|customer| config.litellm.blocked.contains(customer));
    if let Some(customer) = customer.as_ref().filter(|_| listed && app.store.is_none()) {
        return Err(blocked(customer));
    }
    let tags = own_tags(&call, &config);
    let rules = app.limits.rules();
    let of_keys = app.limits.of_keys().scopes(&app.book, &call, &app.gateway);
    if customer.is_none() && tags.is_empty() && call.principal.tags.is_empty() && rules.are_empty() && of_keys.is_empty() {
        return Ok(call);
    }
    let mut principal = Principal::clone(&call.principal);
    principal.tags.extend(tags.iter().cloned());
    principal.scopes.extend(of_keys);
    let named = principal.tags.iter().cloned().map(Guest::Tag).chain(customer.clone().map(Guest::Customer)).collect::<Vec<_>>();
    let guests = &app.foundation.directory.guests;
    if app.store.is_none() {
        principal.scopes.extend(named.iter().flat_map(|named| guests.configured(&app.book, named)));
    }
    if let Some(store) = &app.store {
        for named in named {
            let of_key = call.principal.customer_budget.as_deref().filter(|_| matches!(named, Guest::Customer(_)));
            let known = guests.find(store, &app.book, named.clone(), of_key).await?;
            if known.blocked || listed && !known.lifted && matches!(named, Guest::Customer(_)) {
                return Err(blocked(&customer.unwrap_or_default()));
            }
            add(&mut principal, (&named, known), &call, app)?;
        }
    }
    principal.customer = customer;
    if !config.litellm.spending.counts_customers {
        uncounted(&mut principal);
    }
    principal.scopes.extend(limits::tags::scopes(&app.book, &principal));
    call.principal = Arc::new(principal);
    if !rules.are_empty() {
        // What is said of a model holds for each of its deployments.
        let group = app.gateway.fleet().group_of_id(&call.model);
        let held = rules.scopes(&app.book, &call, group.as_deref().unwrap_or(&call.model));
        Arc::make_mut(&mut call.principal).scopes.extend(held);
    }
    Ok(call)
}

/// Adds what holds for somebody whom a call is made for, or for one of its tags; or refuses a call that may not be made for them.
fn add(principal: &mut Principal, (named, known): (&Guest, Known), call: &Call, app: &App) -> Result<(), Refused> {
    // Also a tag that the call has from its key or team: whoever wrote it there may not have been the owner's.
    if let (Guest::Tag(tag), Some(team)) = (named, &known.team)
        && principal.team.as_ref() != Some(team)
    {
        let message = format!("Tag '{tag}' is owned by team '{team}' and can only be sent by keys of that team");
        return Err(Refused::new(403, "tag_ownership_denied", "tags".into(), message));
    }
    if let Some(layer) = layer(&known, app) {
        held_to(&layer, call, app)?;
        // The list holds for whatever else the call may come to use. An empty first list would allow everything.
        if principal.allowed.is_empty() {
            principal.allowed = layer.models;
        } else {
            principal.also.push(layer.models);
        }
    }
    if known.region.is_some() {
        let guidance = Arc::make_mut(principal.guidance.get_or_insert_default());
        guidance.region = known.region.or(guidance.region.take());
    }
    principal.scopes.extend(known.scopes);
    principal.counted.extend(known.counted);
    Ok(())
}

/// The refusal of a customer who is blocked.
fn blocked(customer: &str) -> Refused {
    Refused::by_check(400, format!("User blocked from making LLM API Calls. User={customer}"))
}

/// The tags of a call that are not its key's: those it bears itself and those that an operator makes of headers.
fn own_tags(call: &Call, config: &Config) -> Vec<String> {
    let mut tags = tags(call);
    tags.extend(of_headers(&call.headers, &config.litellm.spending.tag_headers));
    tags.retain(|tag| !call.principal.tags.contains(tag));
    tags
}

/// Takes a customer out of what is told and counted of a call. Its limits hold; what it spends, nobody knows.
fn uncounted(principal: &mut Principal) {
    principal.customer = None;
    principal.scopes.retain(|scope| scope.id.level != Level::Customer || scope.terms().budgets.is_empty());
    principal.counted.retain(|scope| scope.id.level != Level::Customer);
}

/// The tags that an operator makes of headers.
fn of_headers(headers: &HeaderMap, names: &[String]) -> Vec<String> {
    names.iter().filter_map(|name| text(headers, name).map(|value| format!("{name}: {value}"))).take(MOST_TAGS).collect()
}

/// Refuses a call whose model, or one that it names to fall back to, is not on the list of whom it is made for.
fn held_to(layer: &Layer, call: &Call, app: &App) -> Result<(), Refused> {
    let others = named_fallbacks(call);
    let others = others.iter().map(|name| call.principal.meant(name));
    for name in std::iter::once(call.model.as_str()).chain(others) {
        let group = app.gateway.fleet().find(name).map(|(group, _)| group);
        if !layer.has(name) && !group.is_some_and(|group| layer.has(&group)) {
            return Err(access::denied(layer.whose, name));
        }
    }
    Ok(())
}

/// The list of models that a customer has, groups replaced by what is in them.
fn layer(known: &Known, app: &App) -> Option<Layer> {
    if known.models.is_empty() {
        return None;
    }
    let keys = app.keys.load();
    let members = |name: &str| keys.groups().get(name).cloned().unwrap_or_default();
    Layer::of(Whose::Customer, &access::expanded(&known.models, members))
}

/// The same of the customer that a request's headers name, for what lists models.
pub(crate) async fn customer_list(headers: &HeaderMap, app: &App) -> Result<Option<Layer>, Refused> {
    let config = app.config();
    let (Some(customer), Some(store)) = (header(headers, &config.general.customers.headers), &app.store) else { return Ok(None) };
    let known = app.foundation.directory.guests.find(store, &app.book, Guest::Customer(customer.to_owned()), None).await?;
    Ok(layer(&known, app))
}

/// The customer that headers name, the configured ones among them.
fn header<'a>(headers: &'a HeaderMap, configured: &[String]) -> Option<&'a str> {
    let named = CUSTOMER.into_iter().find_map(|name| text(headers, name));
    named.or_else(|| configured.iter().find_map(|name| text(headers, name)))
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty() && text.len() <= LONGEST)
}

/// The customer a call names: in a header, else in the body's `user`, in Anthropic's `metadata.user_id`, in
/// `litellm_metadata.user`, or in `safety_identifier`.
fn customer(call: &Call, headers: &[String]) -> Option<String> {
    if let Some(customer) = header(&call.headers, headers) {
        return Some(customer.to_owned());
    }
    let within = |place: &str, name: &str| Some(call.fields(place)?.get(name)?.as_str()?.to_owned());
    let text = |name: &str| call.value(name)?.as_str().map(str::to_owned);
    let user = text("user").or_else(|| within("metadata", "user_id")).or_else(|| within("litellm_metadata", "user"));
    let user = user.or_else(|| text("safety_identifier"));
    user.filter(|user| !user.is_empty() && user.len() <= LONGEST)
}

/// Where a call bears tags of its caller's. What is in its metadata need not look like tags.
fn tagged_at(call: &Call) -> Option<&'static str> {
    let is_in = |name: &str| call.fields(name).is_some_and(|fields| fields.get("tags").is_some_and(|tags| !tags.is_null()));
    let named = [("metadata", "metadata.tags"), ("litellm_metadata", "litellm_metadata.tags")];
    let named = named.into_iter().find_map(|(name, place)| is_in(name).then_some(place));
    let listed = || call.value("tags").filter(|list| !crate::access::texts(Some(list)).is_empty()).map(|_| "tags");
    named.or_else(listed).or_else(|| text(&call.headers, TAGS).map(|_| TAGS_HEADER))
}

/// The tags a call bears: in a header, in `tags`, in `metadata.tags` or `litellm_metadata.tags`.
fn tags(call: &Call) -> Vec<String> {
    let header = text(&call.headers, TAGS).unwrap_or_default();
    let mut tags: Vec<String> = header.split(',').map(|tag| tag.trim().to_owned()).collect();
    let nested = ["metadata", "litellm_metadata"].into_iter().filter_map(|name| call.fields(name)?.get("tags").cloned());
    for list in call.value("tags").into_iter().chain(nested) {
        tags.extend(crate::access::texts(Some(&list)));
    }
    let mut seen = Vec::new();
    for tag in tags {
        if !tag.is_empty() && tag.len() <= LONGEST && !seen.contains(&tag) && seen.len() < MOST_TAGS {
            seen.push(tag);
        }
    }
    seen
}
