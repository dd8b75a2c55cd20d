//! From a provider row and a model to the URL that is dialled.

use std::borrow::Cow;
use std::collections::BTreeMap;

use switchboard_wire::{Dialect, Operation};

use super::auth::Auth;
use super::provider::{Edits, Provider, Rule};
use crate::pattern::matches;

/// What a request is for, as far as its URL depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The operation.
    pub operation: Operation,
    /// The dialect spoken to the provider; only chat needs one.
    pub dialect: Option<Dialect>,
    /// The model, as the user wrote it behind the provider's prefix.
    pub model: &'a str,
    /// Whether the answer is streamed.
    pub streamed: bool,
}

/// Where and how one request goes, before placeholders are filled.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint<'a> {
    /// Base URL template.
    pub base: &'a str,
    /// Environment variables which replace the base, first set wins.
    pub base_env: &'a [String],
    /// Path template, with its query.
    pub path: &'a str,
    /// The model to name to the provider.
    pub model: &'a str,
    /// How the credential is shown.
    pub auth: &'a Auth,
    /// The request's shape where it is no chat.
    pub shape: Option<&'a str>,
    /// Constant headers; see [`Endpoint::headers`].
    headers: Vec<(&'a str, &'a str)>,
    edits: Edits,
    provider: &'a Provider,
    /// The name under which rows file the request, and whether it is streamed.
    place: (&'static str, bool),
    /// Whether a rule for the model decides the path.
    is_ruled: bool,
    /// Paths of the row's chats, none of which names a model.
    chats: Vec<&'a str>,
}

/// A URL that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The provider has no base URL of its own, and none was configured.
    #[error("provider `{0}` has no base URL of its own: configure one")]
    NoBase(String),
    /// The operation lives below another URL than the provider's main one, and where that is for the user's own is not known.
    #[error("provider `{0}` serves this below another base URL than the configured one")]
    Elsewhere(String),
    /// A placeholder has no value.
    #[error("provider `{provider}` needs a value for `{variable}`{hint}")]
    Unset {
        /// The provider.
        provider: String,
        /// The placeholder.
        variable: String,
        /// What to set.
        hint: String,
    },
    /// A value would change the shape of the URL.
    #[error("the value of `{variable}` cannot be part of a URL")]
    Unfit {
        /// The placeholder.
        variable: String,
    },
}

/// The paths of dialects and operations where no row says otherwise.
pub(super) type DefaultPaths = BTreeMap<String, String>;

/// How deep one placeholder may lead to another.
const MAX_DEPTH: u8 = 4;

impl<'a> Endpoint<'a> {
    pub(super) fn resolve(provider: &'a Provider, paths: &'a DefaultPaths, ask: Ask<'a>) -> Option<Self> {
        let rule = provider.rule(ask.model);
        let (place, shape) = place_of(provider, rule, ask)?;
        let path_of = |place: &str, shape: Option<&str>| {
            own_path(provider, rule, place, ask.streamed).or_else(|| default_path(paths, place, shape, ask.streamed))
        };
        let path = path_of(place, shape)?;
        let chats = provider.chat_by(rule).iter().filter_map(|dialect| path_of(dialect.as_str(), None));
        let at = provider.at.get(place);
        let rule_base = rule.and_then(|rule| rule.base.as_deref());
        let at_base = at.and_then(|at| at.base.as_deref());
        let base_env = match at {
            Some(at) if at.base.is_some() && !at.follows => &at.base_env,
            Some(_) | None => &provider.base_env,
        };
        let mut headers: BTreeMap<&str, &str> = pairs(&provider.headers).collect();
        headers.extend(at.iter().flat_map(|at| pairs(&at.headers)));
        let strip = rule.and_then(|rule| rule.strip.as_deref()).unwrap_or("");
        Some(Endpoint {
            base: rule_base.or(at_base).unwrap_or(&provider.base),
            base_env,
            path,
            model: ask.model.strip_prefix(strip).unwrap_or(ask.model),
            auth: at.and_then(|at| at.auth.as_ref()).unwrap_or(&provider.auth),
            shape,
            headers: headers.into_iter().collect(),
            edits: edits(provider, rule, ask.operation),
            provider,
            is_ruled: rule.is_some_and(|rule| pick(&rule.paths, place, ask.streamed).is_some()),
            chats: chats.map(|path| halves(path).0).filter(|path| !path.contains('{')).collect(),
            place: (place, ask.streamed),
        })
    }

    /// As it is with that base URL of the user's own, if any, and those values, where the row says that this makes a difference.
    pub fn varied(mut self, base: Option<&str>, value: &dyn Fn(&str) -> Option<String>) -> Self {
        let provider = self.provider;
        let below = base.map(|base| halves(base).0.trim_end_matches('/')).map(|base| base.split_once("://").map_or(base, |(_, rest)| rest));
        let fits = |pattern: &String| below.is_some_and(|below| matches(pattern, below));
        let says = |(name, values): (&String, &Vec<String>)| self.said(name, value).is_some_and(|said| values.contains(&said));
        let variant = provider.variants.iter().find(|variant| variant.base.as_ref().is_none_or(fits) && variant.values.iter().all(says));
        let Some(variant) = variant else { return self };
        if let Some(path) = pick(&variant.paths, self.place.0, self.place.1).filter(|_| !self.is_ruled) {
            self.path = path;
        }
        let auth = variant.auth.as_ref().filter(|_| provider.at.get(self.place.0).is_none_or(|at| at.auth.is_none()));
        self.auth = auth.unwrap_or(self.auth);
        self
    }

    /// What the deployment's settings or the environment say for a variable, by one of its names.
    fn said(&self, name: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let variable = self.provider.variables.get(name);
        let names = variable.iter().flat_map(|variable| variable.params.iter().chain(&variable.env));
        names.map(String::as_str).chain([name]).find_map(value)
    }

    /// All there is below a base URL of the provider's.
    pub(super) fn root(provider: &'a Provider, base: &'a str) -> Self {
        Endpoint {
            base,
            base_env: &provider.base_env,
            path: "",
            model: "",
            auth: &provider.auth,
            shape: None,
            headers: pairs(&provider.headers).collect(),
            edits: Edits::default(),
            provider,
            place: Default::default(),
            is_ruled: false,
            chats: Vec::new(),
        }
    }

    /// The base URL, placeholders filled.
    pub(super) fn base_url(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<String, UrlError> {
        let mut url = String::new();
        self.fill(self.base, value, 0, &mut url)?;
        Ok(url)
    }

    /// The URL. `base` is what the user puts in place of the provider's main base URL, if anything; `value` answers for a placeholder by one of its names, from
    /// the deployment's settings or the environment.
    pub fn url(&self, base: Option<&str>, value: &dyn Fn(&str) -> Option<String>) -> Result<String, UrlError> {
        let (base, query) = base.map(halves).unzip();
        let moved = match base {
            Some(own) => self.provider.moved(own, self.base).map(Some),
            None => Some(None),
        };
        let moved = moved.ok_or_else(|| UrlError::Elsewhere(self.provider.id.clone()))?;
        let base = moved.as_deref().unwrap_or(self.base).trim_end_matches('/');
        if base.is_empty() {
            return Err(UrlError::NoBase(self.provider.id.clone()));
        }
        let mut url = String::with_capacity(base.len() + self.path.len() + self.model.len() + 16);
        self.fill(base, value, 0, &mut url)?;
        if moved.is_none() {
            self.fill(self.path, value, 0, &mut url)?;
            return Ok(url);
        }
        let mut path = String::new();
        self.fill(if names_model(&url) { below_model(self.path) } else { self.path }, value, 0, &mut path)?;
        Ok(self.below(&url, query.unwrap_or_default(), &path))
    }

    /// A path below a base URL of the user's own. What the base ends with and the path begins with is said once, as is a chat's whole
    /// path at the end of the base; a query of the base's holds for each request.
    fn below(&self, base: &str, query: &str, path: &str) -> String {
        let chat = self.chats.iter().filter(|chat| base.ends_with(**chat)).max_by_key(|chat| chat.len());
        let base = base.strip_suffix(chat.copied().unwrap_or("")).unwrap_or(base);
        let (path, asked) = halves(path);
        let host = base.find("://").map_or(0, |at| at + "://".len());
        let own: Vec<&str> = base.get(host..).unwrap_or_default().split('/').skip(1).collect();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let is_said = |count: &usize| own[own.len() - count..] == parts[..*count] && is_root(&parts, *count);
        let common = (1..=own.len().min(parts.len())).rev().find(is_said).unwrap_or(0);
        let mut url = base.to_owned() + parts.first().map_or(path, |_| "");
        parts[common..].iter().for_each(|part| url.extend(["/", part]));
        let key = |pair: &str| pair.split('=').next().map(str::to_owned);
        let is_new = |pair: &&str| !query.split('&').any(|said| key(said) == key(pair));
        let pairs = asked.split('&').filter(is_new).chain(query.split('&')).filter(|pair| !pair.is_empty());
        pairs.enumerate().for_each(|(at, pair)| url.extend([if at == 0 { "?" } else { "&" }, pair]));
        url
    }

    /// The constant headers, placeholders filled.
    pub fn headers(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, UrlError> {
        let filled = self.headers.iter().map(|(name, template)| {
            let mut text = String::new();
            self.fill(template, value, 0, &mut text)?;
            Ok(((*name).to_owned(), text))
        });
        filled.collect()
    }

    /// The changes to the body, placeholders filled: a string that is one placeholder stands for the variable.
    pub fn edits(&self, value: &dyn Fn(&str) -> Option<String>) -> Result<Edits, UrlError> {
        let mut edits = self.edits.clone();
        for json in edits.set.values_mut() {
            let name = json.strip_prefix("\"{").and_then(|rest| rest.strip_suffix("}\""));
            if let Some(name) = name.filter(|name| self.provider.variables.contains_key(*name)) {
                let mut text = String::new();
                self.variable(name, value, 0, &mut text)?;
                *json = format!("\"{text}\"");
            }
        }
        Ok(edits)
    }

    fn fill(&self, template: &str, value: &dyn Fn(&str) -> Option<String>, depth: u8, out: &mut String) -> Result<(), UrlError> {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            out.push_str(before);
            match name {
                "model" => out.push_str(&segment(self.model).ok_or_else(|| unfit(name))?),
                "+model" => out.push_str(&segments(self.model).ok_or_else(|| unfit("model"))?),
                name => self.variable(name, value, depth, out)?,
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }

    /// What is missing where that variable has no value, and what to set. A host is said by the whole address.
    fn unset(&self, name: &str) -> UrlError {
        let is_host = self.base.starts_with(&format!("https://{{{name}}}"));
        let variable = self.provider.variables.get(name).filter(|_| !is_host);
        let param = if is_host { Some("api_base") } else { variable.and_then(|variable| variable.params.first()).map(String::as_str) };
        let env = variable.map_or(self.base_env, |variable| &variable.env).first();
        let hint = match (param, env) {
            (Some(param), Some(env)) => format!(": set `{param}`, or {env} in the environment"),
            (Some(param), None) => format!(": set `{param}`"),
            (None, _) => String::new(),
        };
        UrlError::Unset { provider: self.provider.id.clone(), variable: name.to_owned(), hint }
    }

    fn variable(&self, name: &str, value: &dyn Fn(&str) -> Option<String>, depth: u8, out: &mut String) -> Result<(), UrlError> {
        let unset = || self.unset(name);
        let given = |name: &str| self.said(name, value);
        if let Some(text) = given(name) {
            out.push_str(&fit(&text).ok_or_else(|| unfit(name))?);
            return Ok(());
        }
        let variable = self.provider.variables.get(name).ok_or_else(unset)?;
        let case = variable.by.as_deref().and_then(|by| {
            let decided = given(by).or_else(|| self.provider.variables.get(by).and_then(|by| by.default.clone()));
            variable.cases.get(&decided?)
        });
        let template = case.or(variable.default.as_ref()).ok_or_else(unset)?;
        if depth == MAX_DEPTH {
            return Err(unset());
        }
        self.fill(template, value, depth + 1, out)
    }
}

/// A URL or a path, and its query.
fn halves(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Whether so many parts of a path are a place of their own, which a base URL may name: all of them, several, a version or what stands
/// before one. A single other word at the end of a base is the user's.
fn is_root(parts: &[&str], count: usize) -> bool {
    count == parts.len() || count > 1 || parts[..=count].iter().any(|part| is_version(part))
}

/// Whether a base URL of the user's own leads to a model already.
fn names_model(base: &str) -> bool {
    base.rsplit_once("/models/").is_some_and(|(_, model)| !model.is_empty() && !model.contains('/'))
}

/// What a path says behind the model: the verb, where it has one.
fn below_model(path: &str) -> &str {
    path.split_once("{model}").map(|(_, verb)| verb).filter(|verb| verb.starts_with(':')).unwrap_or(path)
}

fn unfit(variable: &str) -> UrlError {
    UrlError::Unfit { variable: variable.to_owned() }
}

/// The name under which a row files this request, and its shape where it is not chat.
fn place_of<'a>(provider: &'a Provider, rule: Option<&'a Rule>, ask: Ask<'_>) -> Option<(&'static str, Option<&'a str>)> {
    if ask.operation == Operation::Chat {
        let spoken = provider.chat_by(rule);
        let dialect = ask.dialect.or_else(|| spoken.first().copied())?;
        return spoken.contains(&dialect).then(|| (dialect.as_str(), None));
    }
    let shape = provider.shape_by(rule, ask.operation)?;
    Some((ask.operation.as_str(), Some(shape)))
}

pub(super) fn own_path<'a>(provider: &'a Provider, rule: Option<&'a Rule>, place: &str, streamed: bool) -> Option<&'a str> {
    let tables = rule.map(|rule| &rule.paths).into_iter().chain([&provider.paths]);
    tables.into_iter().find_map(|table| pick(table, place, streamed))
}

pub(super) fn default_path<'a>(paths: &'a DefaultPaths, place: &str, shape: Option<&str>, streamed: bool) -> Option<&'a str> {
    match shape {
        None => pick(paths, place, streamed),
        Some(shape) => pick(paths, &format!("{place}/{shape}"), streamed),
    }
}

fn pick<'a>(table: &'a BTreeMap<String, String>, key: &str, streamed: bool) -> Option<&'a str> {
    let of_stream = if streamed { table.get(&format!("{key}:stream")) } else { None };
    of_stream.or_else(|| table.get(key)).map(String::as_str)
}

/// Rows speak of chat bodies; the rule's edits come on top of the provider's.
fn edits(provider: &Provider, rule: Option<&Rule>, operation: Operation) -> Edits {
    if operation != Operation::Chat {
        return Edits::default();
    }
    let mut edits = provider.edits.clone();
    if let Some(rule) = rule {
        edits.remove.extend(rule.edits.remove.iter().cloned());
        edits.rename.extend(rule.edits.rename.clone());
        edits.set.extend(rule.edits.set.clone());
    }
    edits
}

fn pairs(table: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    table.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// A value from settings may be a host, a region, a project or a date, never something that moves the request elsewhere.
fn fit(text: &str) -> Option<Cow<'_, str>> {
    let safe = !text.is_empty()
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':'));
    safe.then_some(Cow::Borrowed(text))
}

/// The model name as one path segment.
fn segment(model: &str) -> Option<String> {
    if model.is_empty() || model == "." || model == ".." {
        return None;
    }
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':' | b'@');
        if plain {
            out.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    Some(out)
}

/// The model name as several path segments, none of which may step aside.
fn segments(model: &str) -> Option<String> {
    let parts: Option<Vec<String>> = model.split('/').map(segment).collect();
    parts.map(|parts| parts.join("/"))
}
/// `v1`, `v1beta`, `v2alpha1`.
pub(super) fn is_version(part: &str) -> bool {
    let mut rest = part.strip_prefix('v').unwrap_or_default().bytes();
    rest.next().is_some_and(|first| first.is_ascii_digit()) && rest.all(|byte| byte.is_ascii_alphanumeric())
}
