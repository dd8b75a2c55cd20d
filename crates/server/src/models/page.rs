//! Lists page by page, as Anthropic's and Google's clients ask for them.
//!
//! A page begins behind a name, not at a number: models may come and go between two pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use switchboard_engine::wire::problem::{Kind, Problem};

use super::Listed;

/// The most models on one page, and as many as there are where a client does not say.
const MOST: usize = 1000;
const ANTHROPIC: usize = 20;
const GEMINI: usize = 50;

fn given(query: Option<&str>, name: &str) -> Option<String> {
    crate::query::value(query?, name).filter(|value| !value.is_empty())
}

fn wrong(name: &str, why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{name}` {why}")).with_param(name)
}

fn size(query: Option<&str>, name: &str) -> Result<Option<usize>, Problem> {
    let Some(text) = given(query, name) else { return Ok(None) };
    let size = text.parse().ok().filter(|size| *size > 0);
    size.map(Some).ok_or_else(|| wrong(name, "must be a whole number from 1"))
}

/// `limit`, `after_id`, `before_id`.
pub(super) fn anthropic(list: &[Listed], query: Option<&str>) -> Result<Value, Problem> {
    let size = size(query, "limit")?.unwrap_or(ANTHROPIC);
    if size > MOST {
        return Err(wrong("limit", "must be at most 1000"));
    }
    let (after, before) = (given(query, "after_id"), given(query, "before_id"));
    let (page, has_more) = match (after, before) {
        (Some(_), Some(_)) => return Err(wrong("after_id", "and `before_id` exclude each other")),
        (_, Some(before)) => {
            let end = list.partition_point(|listed| listed.name < before);
            let start = end.saturating_sub(size);
            (&list[start..end], start > 0)
        }
        (after, None) => {
            let rest = behind(list, after.as_deref());
            (&rest[..size.min(rest.len())], rest.len() > size)
        }
    };
    let id = |listed: Option<&Listed>| listed.map(|listed| listed.name.clone());
    let data: Vec<Value> = page.iter().map(super::anthropic).collect();
    Ok(json!({"data": data, "has_more": has_more, "first_id": id(page.first()), "last_id": id(page.last())}))
}

/// `pageSize`, `pageToken`.
pub(super) fn gemini(list: &[Listed], query: Option<&str>) -> Result<Value, Problem> {
    let size = size(query, "pageSize")?.unwrap_or(GEMINI).min(MOST);
    let after = given(query, "pageToken").map(|token| {
        let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        name.ok_or_else(|| wrong("pageToken", "is none of this gateway's"))
    });
    let rest = behind(list, after.transpose()?.as_deref());
    let page = &rest[..size.min(rest.len())];
    let mut value = json!({"models": page.iter().map(super::google).collect::<Vec<_>>()});
    if let Some(last) = page.last().filter(|_| rest.len() > size) {
        value["nextPageToken"] = URL_SAFE_NO_PAD.encode(&last.name).into();
    }
    Ok(value)
}

/// What comes behind that name in a sorted list.
fn behind<'a>(list: &'a [Listed], name: Option<&str>) -> &'a [Listed] {
    name.map_or(list, |name| &list[list.partition_point(|listed| listed.name.as_str() <= name)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(value: &Value, list: &str, key: &str) -> Vec<String> {
        value[list].as_array().expect("a list").iter().map(|one| one[key].as_str().expect("a name").to_owned()).collect()
    }

    #[test]
    fn pages_together_are_the_list() {
        let list: Vec<Listed> = ["a", "b", "c/d", "e", "f"].map(|name| Listed::bare(name.to_owned())).into();
        let first = anthropic(&list, Some("limit=2")).expect("a page");
        assert_eq!((names(&first, "data", "id"), &first["has_more"]), (vec!["a".to_owned(), "b".to_owned()], &json!(true)));
        let second = anthropic(&list, Some("limit=2&after_id=b")).expect("a page");
        assert_eq!((names(&second, "data", "id"), &second["last_id"]), (vec!["c/d".to_owned(), "e".to_owned()], &json!("e")));
        let last = anthropic(&list, Some("limit=2&after_id=e")).expect("a page");
        assert_eq!((names(&last, "data", "id"), &last["has_more"]), (vec!["f".to_owned()], &json!(false)));
        let back = anthropic(&list, Some("limit=3&before_id=e")).expect("a page");
        assert_eq!((names(&back, "data", "id"), &back["has_more"]), (["a", "b", "c/d"].map(str::to_owned).to_vec(), &json!(false)));
        for bad in ["limit=0", "limit=x", "limit=1001", "after_id=a&before_id=b"] {
            assert!(anthropic(&list, Some(bad)).is_err(), "{bad}");
        }
        let (mut seen, mut query) = (Vec::new(), "pageSize=2".to_owned());
        loop {
            let page = gemini(&list, Some(&query)).expect("a page");
            seen.extend(names(&page, "models", "displayName"));
            match page["nextPageToken"].as_str() {
                Some(token) => query = format!("pageSize=2&pageToken={token}"),
                None => break,
            }
        }
        assert_eq!(seen, ["a", "b", "c/d", "e", "f"]);
        assert!(gemini(&list, Some("pageToken=%F0")).is_err());
    }
}
