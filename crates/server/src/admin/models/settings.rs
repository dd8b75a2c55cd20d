//! `/config/…`: settings that are laid over those of the file, while the gateway runs and ever after.
//!
//! What opens the gateway (its key, its database, Python code) is said by its file and environment alone.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::object::Setting;

use super::{Json, may_store, vault};
use crate::admin::{Answer, Request};
use crate::config::keys::{Effect, Key, Kind, Section as Keys};
use crate::config::resolved::Alias;
use crate::config::{Config, may_name};
use crate::live::seal;
use crate::refused::Refused;

/// A section that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Section {
    General,
    Litellm,
    Router,
    Switchboard,
    Variables,
}

impl Section {
    const ALL: [Section; 5] = [Section::General, Section::Litellm, Section::Router, Section::Switchboard, Section::Variables];

    fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Section::General => "general_settings",
            Section::Litellm => "litellm_settings",
            Section::Router => "router_settings",
            Section::Switchboard => "switchboard",
            Section::Variables => seal::VARIABLES,
        }
    }

    fn keys(self) -> &'static [Key] {
        match self {
            Section::General => Keys::General.keys(),
            Section::Litellm => Keys::Litellm.keys(),
            Section::Router => Keys::Router.keys(),
            Section::Switchboard => Keys::Switchboard.keys(),
            Section::Variables => &[],
        }
    }
}

/// Keys of `general_settings` that no request sets: who holds an administrator's key could otherwise shut the others out, let
/// strangers in, or lead the gateway's memory elsewhere.
const OF_FILE: [&str; 16] = [
    "master_key",
    "database_url",
    "key_management_system",
    "key_management_settings",
    "dangerously_permit_weak_or_unset_master_key",
    "dangerously_allow_mock_testing_request_params",
    "store_model_in_db",
    "coordination_redis",
    "background_health_checks",
    "litellm_key_header_name",
    "allowed_routes",
    "public_routes",
    "use_x_forwarded_for",
    "trusted_proxy_ranges",
    "allow_requests_on_db_unavailable",
    "allow_client_side_credentials",
];

/// Keys of `switchboard` that requests set; the others are the file's.
const OF_SWITCHBOARD: [&str; 1] = ["limit_rules"];

/// What the file says for a key.
pub(super) fn in_file(request: &Request, section: Section, key: &str) -> Option<Value> {
    request.app.live.base().in_file(section.name(), key)
}

/// Changes what is set in a section, and waits until it is in force.
pub(in crate::admin) async fn change<T: Send + 'static>(
    request: &Request,
    section: Section,
    change: impl FnOnce(&mut Json) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    let vault = vault(request).await?;
    let write = request.write(move |desk| async move {
        let present: Option<Setting> = desk.get(section.name()).await?;
        let mut setting = present.unwrap_or_else(|| Setting { section: section.name().to_owned(), ..Setting::default() });
        let mut values = seal::setting(&desk, Some(&vault), &setting).await?;
        let done = change(&mut values)?;
        if let Some(why) = (section != Section::Variables).then(|| Config::wrong_with_section(section.name(), &values)).flatten() {
            return Err(Refused::bad(why));
        }
        (setting.updated_at, setting.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        seal::put_setting(&desk, &vault, setting, values).await?;
        Ok(done)
    });
    let done = write.await?;
    request.app.live.renewed().await;
    Ok(done)
}

/// What is set in a section over the API.
pub(in crate::admin) async fn set(request: &Request, section: Section) -> Result<Json, Refused> {
    let vault = vault(request).await?;
    let read = request.read(move |desk| async move {
        match desk.get::<Setting>(section.name()).await? {
            Some(setting) => Ok(seal::setting(&desk, Some(&vault), &setting).await?),
            None => Ok::<_, Refused>(Json::new()),
        }
    });
    read.await
}

fn settable(section: Section, name: &str) -> Result<(), Refused> {
    let is_of_file = match section {
        Section::General => OF_FILE.contains(&name),
        Section::Switchboard => !OF_SWITCHBOARD.contains(&name),
        Section::Variables => !may_name(name),
        Section::Litellm | Section::Router => false,
    };
    if is_of_file {
        return Err(Refused::bad(format!("`{name}` is for the gateway's file and environment to say, not for its API")));
    }
    Ok(())
}

/// Why a setting cannot be that, for those who write it down before it is sent.
pub(crate) fn wrong_with(section: &str, name: &str, value: &Value) -> Option<String> {
    let Some(known) = Section::called(section) else {
        let all: Vec<&str> = Section::ALL.iter().map(|section| section.name()).collect();
        return Some(format!("`{section}` is no section of settings; they are {}", all.join(", ")));
    };
    if let Err(refused) = settable(known, name) {
        return Some(refused.message().to_owned());
    }
    if known == Section::Variables {
        return (!value.is_string()).then(|| format!("`{name}` must be text"));
    }
    match known.keys().iter().find(|key| key.name == name) {
        None => Some(format!("`{section}` has no key `{name}`")),
        Some(key) if key.effect != Effect::Honoured => Some(format!("`{section}.{name}` has no effect here")),
        Some(_) if value.is_null() => Some(format!("`{section}.{name}` says nothing: leave the line out")),
        Some(_) => Config::wrong_with_section(section, &Json::from_iter([(name.to_owned(), value.clone())])),
    }
}

/// Whether the API tells of a setting only that there is one.
pub(crate) fn is_hidden(section: &str, name: &str, value: &Value) -> bool {
    let key = Section::called(section).and_then(|section| section.keys().iter().find(|key| key.name == name));
    section == seal::VARIABLES || key.is_some_and(|key| key.kind == Kind::Secret) || seal::is_secret(name, value)
}

/// `POST /config/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("ConfigYAML")?;
    may_store(request)?;
    let mut sent = Vec::new();
    for section in Section::ALL {
        let Some(values) = form.object(section.name()) else { continue };
        values.keys().try_for_each(|name| settable(section, name))?;
        if section == Section::Router {
            let unknown: Vec<&str> = values.keys().map(String::as_str).filter(|name| Keys::Router.find(name).is_none()).collect();
            if !unknown.is_empty() {
                let message = format!("Unsupported router settings: {} are not valid router settings", unknown.join(", "));
                return Err(Refused::said(400, &message));
            }
        }
        sent.push((section, values.clone()));
    }
    for (section, values) in sent {
        change(request, section, move |present| {
            for (name, value) in values {
                match value.is_null() {
                    true => present.remove(&name),
                    false => present.insert(name, value),
                };
            }
            Ok(())
        })
        .await?;
    }
    Ok(json!({"message": "Config updated successfully"}))
}

/// A value that may be shown.
fn shown(section: Section, name: &str, value: Value) -> Value {
    if is_hidden(section.name(), name, &value) { seal::masked(&value) } else { value }
}

fn kind(key: &Key) -> &'static str {
    match key.kind {
        Kind::Flag => "Boolean",
        Kind::Count | Kind::Integer | Kind::Signed => "Integer",
        Kind::Decimal | Kind::Seconds => "Float",
        Kind::Period | Kind::Text | Kind::Secret | Kind::FlagOrText => "String",
        Kind::Texts | Kind::List | Kind::ListOrMap => "List",
        Kind::Map | Kind::MapOrText | Kind::Any => "Dict",
    }
}

/// `GET /config/list`: of a section every key that has an effect, or of all sections those that are set over the API (`stored`).
pub(super) async fn list(request: &Request) -> Answer {
    let section = match request.required("config_type")? {
        "stored" => return stored(request).await,
        name => Section::called(name).filter(|section| *section != Section::Variables).ok_or_else(|| {
            let complaint = json!({
                "type": "literal_error", "loc": ["query", "config_type"], "msg": "Input should be 'general_settings'", "input": name,
            });
            Refused::invalid(vec![complaint])
        })?,
    };
    let set = set(request, section).await?;
    let base = request.app.live.base();
    let told = section.keys().iter().filter(|key| key.effect == Effect::Honoured).map(|key| {
        let stored = set.get(key.name).cloned();
        let source = if stored.is_some() { "db" } else { "config" };
        let value = stored.clone().or_else(|| base.in_file(section.name(), key.name)).filter(|value| !value.is_null());
        json!({
            "field_name": key.name,
            "field_type": kind(key),
            "field_description": key.doc,
            "source": if value.is_some() { source } else { "unset" },
            "field_value": value.map(|value| shown(section, key.name, value)),
            "stored_in_db": stored.is_some(),
            "field_default_value": null,
            "premium_field": false,
            "nested_fields": null,
            "editable": settable(section, key.name).is_ok(),
        })
    });
    Ok(told.collect())
}

async fn stored(request: &Request) -> Answer {
    let mut told = Vec::new();
    for section in Section::ALL {
        for (name, value) in set(request, section).await? {
            told.push(json!({"section": section.name(), "field_name": name, "field_value": shown(section, &name, value), "source": "db"}));
        }
    }
    Ok(Value::Array(told))
}

fn general(name: &str) -> Result<(), Refused> {
    let invalid = || Refused::detail(400, json!({"error": format!("Invalid field={name} passed in.")}));
    Keys::General.find(name).map(|_| ()).ok_or_else(invalid)
}

/// `GET /config/field/info`
pub(super) async fn field(request: &Request) -> Answer {
    let name = request.required("field_name")?.to_owned();
    general(&name)?;
    let stored = set(request, Section::General).await?.remove(&name);
    let source = if stored.is_some() { "db" } else { "config" };
    let value = stored.or_else(|| in_file(request, Section::General, &name)).filter(|value| !value.is_null());
    let unset = || Refused::detail(400, json!({"error": format!("Field name={name} is not set")}));
    let value = shown(Section::General, &name, value.ok_or_else(unset)?);
    Ok(json!({"field_name": name, "field_value": value, "source": source, "editable": settable(Section::General, &name).is_ok()}))
}

/// `POST /config/field/update`
pub(super) async fn set_field(request: &Request) -> Answer {
    let form = request.form("ConfigFieldUpdate")?;
    let name = form.owned("field_name").unwrap_or_default();
    general(&name)?;
    settable(Section::General, &name)?;
    may_store(request)?;
    let value = form.get("field_value").cloned().unwrap_or_default();
    let (field, told) = (name.clone(), value.clone());
    change(request, Section::General, move |values| {
        values.insert(name, value);
        Ok(())
    })
    .await?;
    Ok(json!({"param_name": "general_settings", "param_value": Json::from_iter([(field, told)])}))
}

/// `POST /config/field/delete`
pub(super) async fn delete_field(request: &Request) -> Answer {
    let form = request.form("ConfigFieldDelete")?;
    let name = form.owned("field_name").unwrap_or_default();
    general(&name)?;
    may_store(request)?;
    change(request, Section::General, move |values| match values.remove(&name) {
        Some(_) => Ok(()),
        None => Err(Refused::detail(400, json!({"error": format!("Field name={name} not in config")}))),
    })
    .await?;
    Ok(json!({"param_name": "general_settings", "param_value": set(request, Section::General).await?}))
}

/// `GET /get/config/callbacks`
pub(super) async fn callbacks(request: &Request) -> Answer {
    let config = request.app.config();
    let named = &config.litellm.callbacks;
    let kinds = [("success", &named.success), ("failure", &named.failure), ("success_and_failure", &named.every)];
    let told: Vec<Value> = kinds
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| json!({"name": name, "variables": {}, "type": kind})))
        .collect();
    Ok(json!({"status": "success", "callbacks": told, "alerts": [], "router_settings": current(&config), "available_callbacks": {}}))
}

/// `POST /config/callback/delete`
pub(super) async fn delete_callback(request: &Request) -> Answer {
    let form = request.form("CallbackDelete")?;
    let name = form.owned("callback_name").unwrap_or_default();
    may_store(request)?;
    const KEYS: [&str; 3] = ["success_callback", "failure_callback", "callbacks"];
    let files: Vec<Option<Value>> = KEYS.iter().map(|key| in_file(request, Section::Litellm, key)).collect();
    let gone = name.clone();
    change(request, Section::Litellm, move |values| {
        let mut found = false;
        for (key, file) in KEYS.into_iter().zip(files) {
            let Some(Value::Array(mut list)) = values.get(key).cloned().or(file) else { continue };
            let count = list.len();
            list.retain(|one| one.as_str() != Some(&gone));
            if list.len() != count {
                found = true;
                values.insert(key.to_owned(), Value::Array(list));
            }
        }
        let missing = || Refused::detail(404, json!({"error": format!("Callback '{gone}' not found in active configuration.")}));
        if found { Ok(()) } else { Err(missing()) }
    })
    .await?;
    let config = request.app.config();
    let left = &config.litellm.callbacks;
    Ok(json!({
        "message": format!("Successfully deleted callback: {name}"),
        "removed_callback": name,
        "remaining_callbacks": left.success.iter().chain(&left.failure).chain(&left.every).collect::<Vec<_>>(),
    }))
}

/// The most repetitions where nothing says how many.
const REPETITIONS: u32 = 3;

/// How deployments are chosen and tried, as it is in force.
fn current(config: &Config) -> Value {
    let router = &config.router;
    let list = |fallbacks: &[crate::config::resolved::Fallback]| -> Value {
        let entry = |one: &crate::config::resolved::Fallback| {
            let targets: Vec<&str> = one.targets.iter().map(|target| target.model.as_str()).collect();
            Value::Object(Json::from_iter([(one.model.clone(), json!(targets))]))
        };
        fallbacks.iter().map(entry).collect()
    };
    // As it may be written back: who is hidden stays so.
    let meant = |alias: &Alias| if alias.hidden { json!({"model": alias.model, "hidden": true}) } else { json!(alias.model) };
    let aliases: Json = config.aliases.iter().map(|alias| (alias.name.clone(), meant(alias))).collect();
    json!({
        "routing_strategy": router.routing_strategy,
        "num_retries": router.num_retries.unwrap_or(REPETITIONS),
        "retry_after": router.retry_after.as_secs_f64(),
        "timeout": router.timeout.as_secs_f64(),
        "stream_timeout": router.stream_timeout.map(|time| time.as_secs_f64()),
        "allowed_fails": router.allowed_fails,
        "cooldown_time": router.cooldown_time.map(|time| time.as_secs_f64()),
        "disable_cooldowns": router.disable_cooldowns,
        "max_fallbacks": router.max_fallbacks,
        "fallbacks": list(&router.fallbacks),
        "context_window_fallbacks": list(&router.context_window_fallbacks),
        "content_policy_fallbacks": list(&router.content_policy_fallbacks),
        "default_fallbacks": router.default_fallbacks,
        "model_group_alias": aliases,
        "enable_pre_call_checks": router.routing.pre_call_checks,
    })
}

/// `GET /router/settings`
pub(super) async fn router(request: &Request) -> Answer {
    let current = current(&request.app.config());
    let fields: Vec<Value> = Section::Router
        .keys()
        .iter()
        .filter(|key| key.effect == Effect::Honoured)
        .map(|key| {
            json!({
                "field_name": key.name,
                "field_type": kind(key),
                "field_description": key.doc,
                "field_value": current.get(key.name),
                "field_default": null,
                "options": null,
                "ui_field_name": key.name,
                "link": null,
            })
        })
        .collect();
    Ok(json!({"fields": fields, "routing_strategy_descriptions": {}, "current_values": current}))
}

/// `GET /get/allowed_ips`
pub(super) async fn addresses(request: &Request) -> Answer {
    Ok(json!({"data": request.app.config().general.addresses}))
}

const ADDRESSES: &str = "allowed_ips";

fn address(request: &Request) -> Result<String, Refused> {
    let text = request.form("IpAddress")?.owned("ip").unwrap_or_default();
    let bare = text.split('/').next().unwrap_or_default();
    match bare.parse::<std::net::IpAddr>() {
        Ok(_) => Ok(text),
        Err(_) => Err(Refused::bad(format!("`{text}` is no address"))),
    }
}

async fn change_addresses(request: &Request, change_list: impl FnOnce(&mut Vec<String>) -> Result<(), Refused> + Send + 'static) -> Answer {
    may_store(request)?;
    let mut list = request.app.config().general.addresses.clone();
    change_list(&mut list)?;
    // Whoever changes the list must not shut themselves out.
    if let Some(from) = request.from.filter(|from| !list.is_empty() && !list.iter().any(|entry| crate::auth::is_in(entry, *from))) {
        return Err(Refused::bad(format!("this would refuse your own address, {from}; add that one first")));
    }
    let told = list.clone();
    change(request, Section::General, move |values| {
        values.insert(ADDRESSES.to_owned(), json!(list));
        Ok(())
    })
    .await?;
    Ok(json!({"message": format!("allowed_ips: {told:?}"), "status": "success"}))
}

/// `POST /add/allowed_ip`
pub(super) async fn add_address(request: &Request) -> Answer {
    let address = address(request)?;
    change_addresses(request, move |list| {
        if list.contains(&address) {
            return Err(Refused::detail(400, json!("IP address already exists")));
        }
        list.push(address);
        Ok(())
    })
    .await
}

/// `POST /delete/allowed_ip`
pub(super) async fn delete_address(request: &Request) -> Answer {
    let address = address(request)?;
    change_addresses(request, move |list| {
        let count = list.len();
        list.retain(|one| *one != address);
        if list.len() == count { Err(Refused::detail(404, json!("IP address not found"))) } else { Ok(()) }
    })
    .await
}
