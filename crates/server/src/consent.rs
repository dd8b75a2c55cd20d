//! `/auth`: where somebody lets an application have a key, as OpenRouter's users know it.
//!
//! The page asks for a key of this gateway and for nothing else: there is no session that another site could ride on. It is
//! answered with a way back to the application, which then has a code.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use switchboard_engine::answer::AnswerBody;

use crate::admin::{Form, Request, codes};
use crate::app::App;
use crate::authz::{self, Policy};
use crate::refused::Refused;
use crate::{html, query};

/// What the page hands on from the application.
const HANDED_ON: [&str; 6] = ["callback_url", "code_challenge", "code_challenge_method", "key_label", "limit", "usage_limit_type"];

/// Answers a request for the page, or what the page sends.
pub(crate) async fn answer(app: &Arc<App>, parts: &Parts, body: &Bytes, from: Option<std::net::IpAddr>) -> Response<AnswerBody> {
    let sent = parts.method == Method::POST;
    let text = if sent { String::from_utf8_lossy(body).into_owned() } else { parts.uri.query().unwrap_or_default().to_owned() };
    let given = query::pairs(&text);
    let value = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
    let asked: Vec<(&str, &str)> = HANDED_ON.into_iter().filter_map(|name| Some((name, value(name)?))).collect();
    let callback = value("callback_url");
    if let Some(wrong) = wrong(callback, value("code_challenge"), value("code_challenge_method")) {
        return shown(StatusCode::BAD_REQUEST, callback, &format!("<h1>This does not work</h1>\n<p>{wrong}</p>\n"));
    }
    if !sent {
        return shown(StatusCode::OK, callback, &question(&asked, None));
    }
    match code(app, value("key").unwrap_or_default(), &asked, from).await {
        Ok(code) => match callback {
            Some(url) => back(url, &code),
            None => shown(StatusCode::OK, None, &format!("<h1>Your code</h1>\n<p>Give this to the application:</p>\n<pre>{code}</pre>\n")),
        },
        Err(refused) => shown(refused.status, callback, &question(&asked, Some(refused.message()))),
    }
}

fn wrong(callback: Option<&str>, challenge: Option<&str>, method: Option<&str>) -> Option<&'static str> {
    if callback.is_some_and(|url| !codes::is_safe(url)) {
        return Some("The application wants the answer at an address that is neither https nor on this machine.");
    }
    if callback.is_none() && challenge.is_none() {
        return Some(
            "The application says neither where the answer goes (<code>callback_url</code>) nor how it proves who it is (<code>code_challenge</code>).",
        );
    }
    method.filter(|method| !matches!(*method, "S256" | "plain")).map(|_| "<code>code_challenge_method</code> must be S256 or plain.")
}

/// A code of whoever holds that key.
async fn code(app: &Arc<App>, key: &str, asked: &[(&str, &str)], from: Option<std::net::IpAddr>) -> Result<String, Refused> {
    let store = app.store.clone().ok_or_else(Refused::no_store)?;
    let mut headers = HeaderMap::new();
    let bearer = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| Refused::plain(401, "This is no key"))?;
    headers.insert(AUTHORIZATION, bearer);
    let keys = app.keys.load_full();
    let caller = keys.caller(&headers, None, from).await?;
    authz::enter(Policy::Keys, "/auth", &caller).map_err(|_| Refused::plain(403, "This key may not make others"))?;
    let mut form = Form::default();
    for (name, value) in asked {
        match *name {
            "limit" => {
                let number = value.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                form.put(name, serde_json::Value::Number(number.ok_or_else(|| Refused::plain(400, "limit must be a number"))?));
            }
            "usage_limit_type" if !matches!(*value, "daily" | "weekly" | "monthly") => {
                return Err(Refused::plain(400, "usage_limit_type must be daily, weekly or monthly"));
            }
            name => form.put(name, *value),
        }
    }
    let request = Request {
        app: app.clone(),
        store,
        caller,
        query: Vec::new(),
        path: Vec::new(),
        body: None,
        from,
        acceptor: None,
        id: crate::id::mint(),
        changed_by: None,
    };
    codes::made(&request, form).await
}

/// The page's question.
fn question(asked: &[(&str, &str)], trouble: Option<&str>) -> String {
    let of = |name: &str| asked.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let host = of("callback_url").and_then(|url| url.parse::<http::Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned));
    let who = html::escape(host.as_deref().or(of("key_label")).unwrap_or("An application"));
    let hidden = asked.iter().map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", html::escape(value)));
    let hidden: String = hidden.collect();
    let trouble = trouble.map(|text| format!("<p role=\"alert\"><strong>{}</strong></p>\n", html::escape(text))).unwrap_or_default();
    format!(
        "<h1>{who} wants to use models with your key</h1>\n{trouble}\
         <p>It gets a key of its own, which can call models and nothing else, and spends no more than yours may. You can delete it at any time.</p>\n\
         <form method=\"post\" action=\"auth\">\n{hidden}\
         <p><label>Your key <input type=\"password\" name=\"key\" autocomplete=\"current-password\" required autofocus></label></p>\n\
         <p><button type=\"submit\">Allow</button></p>\n</form>\n"
    )
}

/// Where the code goes.
fn back(url: &str, code: &str) -> Response<AnswerBody> {
    let joint = if url.contains('?') { '&' } else { '?' };
    let mut response = shown(StatusCode::SEE_OTHER, Some(url), "<p>Back to the application …</p>\n");
    match HeaderValue::try_from(format!("{url}{joint}code={code}")) {
        Ok(place) => {
            response.headers_mut().insert(LOCATION, place);
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// The page. Its form may be sent here, and lead to where the application waits.
fn shown(status: StatusCode, callback: Option<&str>, content: &str) -> Response<AnswerBody> {
    let mut response = html::whole("Let an application use your key", content);
    *response.status_mut() = status;
    let uri = callback.filter(|url| codes::is_safe(url)).and_then(|url| url.parse::<http::Uri>().ok());
    let origin = uri.and_then(|uri| Some(format!(" {}://{}", uri.scheme_str()?, uri.authority()?))).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'{origin}"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
