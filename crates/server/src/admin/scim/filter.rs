//! Filters of lists: `userName eq "x"`, several with `and`.

use crate::refused::Refused;

/// What an attribute must be; the attribute in small letters.
pub(super) type Term = (String, String);

/// The terms of a filter, all of which must hold.
pub(super) fn read(text: &str) -> Result<Vec<Term>, Refused> {
    let bad = || super::refused(400, "invalidFilter", "filters are written `attribute eq \"value\"`, several joined by `and`");
    let mut words = words(text).ok_or_else(bad)?.into_iter().peekable();
    let mut terms = Vec::new();
    loop {
        let (name, operator, value) = (words.next(), words.next(), words.next());
        let (Some(name), Some(operator), Some(value)) = (name, operator, value) else { return Err(bad()) };
        if !operator.eq_ignore_ascii_case("eq") {
            return Err(bad());
        }
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("urn:ietf:params:scim:schemas:core:2.0:user:").unwrap_or(&name).to_owned();
        terms.push((name, value));
        match words.next() {
            None => return Ok(terms),
            Some(word) if word.eq_ignore_ascii_case("and") && words.peek().is_some() => {}
            Some(_) => return Err(bad()),
        }
    }
}

/// Words, and texts in quotes without them. None: a text does not end.
fn words(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            found.push(stream.next()?.ok()?);
            rest = rest.get(stream.byte_offset()..)?.trim_start();
        } else {
            let end = rest.find(|letter: char| letter.is_whitespace() || letter == '"').unwrap_or(rest.len());
            found.push(rest.get(..end)?.to_owned());
            rest = rest.get(end..)?.trim_start();
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_what_is_none_is_refused() {
        let read = |text: &str| read(text).ok();
        let term = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(r#"userName eq "a@b.c""#), Some(vec![term("username", "a@b.c")]));
        assert_eq!(read(r#"userName Eq "a \" b" AND active eq true"#), Some(vec![term("username", "a \" b"), term("active", "true")]));
        assert_eq!(read(r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "x""#), Some(vec![term("username", "x")]));
        for bad in ["", "userName", "userName co \"x\"", "userName eq", "userName eq \"x", "userName eq \"x\" and", "a eq b or c eq d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
