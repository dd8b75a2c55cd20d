//! Where Redis is, which three sections of the file may say.

use super::General;
use crate::config::environment::Environment;
use crate::config::fields::Fields;
use crate::config::keys;
use crate::config::secret::Secret;
use crate::config::yaml::Map;

const PORT: &str = "6379";

/// The address of the Redis where gateways meet, if there is one: the router's, else the one for agreement, else the cache's.
pub(super) fn address(router: &Fields, general: &General, litellm: &Fields, environment: &Environment) -> Option<Secret> {
    let named = router.secret("redis_url").or_else(|| {
        let text = |name: &str| router.text(name).filter(|text| !text.is_empty());
        let password = router.secret("redis_password");
        let parts = Parts { port: text("redis_port"), db: text("redis_db"), password: password.as_ref(), ..Parts::default() };
        Some(parts.address(&text("redis_host")?))
    });
    named.or_else(|| general.coordination_redis.clone()).or_else(|| {
        let cache = litellm.map("cache_params")?;
        let kind = cache.get("type").and_then(keys::text).unwrap_or("redis");
        if kind.starts_with("redis") { of_map(cache, environment) } else { None }
    })
}

/// What keeps installations apart that have a Redis in common.
pub(super) fn namespace(router: &Fields, litellm: &Fields) -> Option<String> {
    let said = |map: Option<&Map>| map?.get("namespace").and_then(keys::text).map(str::to_owned);
    said(router.map("cache_kwargs")).or_else(|| said(litellm.map("cache_params"))).filter(|text| !text.is_empty())
}

/// The parts of an address beside the host.
#[derive(Default)]
struct Parts<'a> {
    port: Option<String>,
    db: Option<String>,
    username: Option<String>,
    password: Option<&'a Secret>,
    tls: bool,
}

/// An address as clients of Redis are told one; what the map does not say, variables may.
pub(super) fn of_map(map: &Map, environment: &Environment) -> Option<Secret> {
    let text = |name: &str| map.get(name).and_then(keys::text).map(str::to_owned).filter(|text| !text.is_empty());
    let from = |name: &str| environment.get_non_empty(name).map(str::to_owned);
    if let Some(url) = text("url").or_else(|| from("REDIS_URL").filter(|_| text("host").is_none())) {
        return Some(Secret::new(url));
    }
    let password = text("password").or_else(|| from("REDIS_PASSWORD")).map(Secret::new);
    let parts = Parts {
        port: text("port").or_else(|| from("REDIS_PORT")),
        db: text("db"),
        username: text("username").or_else(|| from("REDIS_USERNAME")),
        password: password.as_ref(),
        tls: map.get("ssl").and_then(keys::flag).unwrap_or_else(|| from("REDIS_SSL").is_some_and(|text| text.eq_ignore_ascii_case("true"))),
    };
    Some(parts.address(&text("host").or_else(|| from("REDIS_HOST"))?))
}

impl Parts<'_> {
    fn address(&self, host: &str) -> Secret {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let user = self.username.as_deref().map(encoded).unwrap_or_default();
        let who = match (self.password, user.as_str()) {
            (None, "") => String::new(),
            (None, user) => format!("{user}@"),
            (Some(password), user) => format!("{user}:{}@", encoded(password.expose())),
        };
        let (port, db) = (self.port.as_deref().unwrap_or(PORT), self.db.as_deref().unwrap_or("0"));
        Secret::new(format!("{scheme}://{who}{host}:{port}/{db}"))
    }
}

/// A text as it may stand in a URL.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
