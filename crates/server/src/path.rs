//! Paths in one form for all ways in which they can be written.
//!
//! Whoever serves a path decodes it first, and drops what says nothing. A path that is compared with another one, or with a list of those
//! that somebody may use, is compared as it will be understood; and what is compared is what is sent on.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;

/// What some servers read differently from others, where it is still written with a percent sign in a plain path: control characters,
/// quotes of what is quoted, and ends of what is the path.
const READ_DIFFERENTLY: [&str; 4] = ["%3B", "%5C", "%3F", "%23"];

/// What stands before the model's name in paths that name one and then what is asked of it.
pub(crate) const MODELS: [&str; 3] = ["/openai/deployments/", "/engines/", "/v1/engines/"];

/// Whether a path names one of the gateway's models, whatever follows: it means no provider's own API.
pub(crate) fn names_model(path: &str) -> bool {
    MODELS.iter().any(|place| path.starts_with(place))
}

/// What all paths of the gateway begin with, as another gateway before it has them; nothing at most.
#[derive(Clone, Debug, Default)]
pub struct Root(String);

impl Root {
    /// That beginning.
    pub fn new(root: &str) -> Self {
        Self(root.trim_end_matches('/').to_owned())
    }

    /// A path without it.
    pub fn below<'a>(&self, path: &'a str) -> &'a str {
        if self.0.is_empty() { path } else { path.strip_prefix(self.0.as_str()).unwrap_or(path) }
    }
}

/// The path with every character as it is that needs no percent sign, single slashes, and none at its end.
pub(crate) fn plain(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("//") && (path.len() < 2 || !path.ends_with('/')) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let (piece, after) = match encoded(rest) {
            Some(byte) if stands_for_itself(byte) => (char::from(byte).to_string(), &rest[3..]),
            Some(_) => (rest[..3].to_ascii_uppercase(), &rest[3..]),
            None => (first.to_string(), &rest[first.len_utf8()..]),
        };
        if piece != "/" || !out.ends_with('/') {
            out.push_str(&piece);
        }
        rest = after;
    }
    if out.len() > 1 && out.ends_with('/') {
        out.pop();
    }
    Cow::Owned(out)
}

/// The address with its path in its plain form; none where it has that already.
pub(crate) fn plainly(uri: &Uri) -> Option<Uri> {
    let Cow::Owned(path) = plain(uri.path()) else { return None };
    if path == uri.path() {
        return None;
    }
    let whole = uri.query().map_or(path.clone(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(whole).ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether servers differ in what they take a plain path for: it steps aside, has parameters, or is encoded twice.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    let steps = |part: &str| matches!(part, "." | "..");
    let controls = |at: usize| encoded(&path[at..]).is_some_and(|byte| byte.is_ascii_control());
    let twice = |at: usize| encoded(&path[at..]) == Some(b'%') && encoded(&format!("%{}", &path[at + 3..])).is_some();
    path.replace("%2F", "/").split('/').any(steps)
        || path.contains([';', '\\'])
        || READ_DIFFERENTLY.iter().any(|text| path.contains(text))
        || path.match_indices('%').any(|(at, _)| controls(at) || twice(at))
}

/// The byte that a text begins with, if it is written with a percent sign.
fn encoded(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

/// Whether a character means the same in a path with a percent sign and without. A plus sign is a space to some.
fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@!$'()*,=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_however_it_is_written() {
        for (path, expected) in [
            ("/v1/messages", "/v1/messages"),
            ("/", "/"),
            ("//", "/"),
            ("/v1/%6d%65ssages/", "/v1/messages"),
            ("/v1//messages//", "/v1/messages"),
            ("/models/a%2fb%3agenerateContent", "/models/a%2Fb:generateContent"),
            ("/models/a%252Fb", "/models/a%252Fb"),
            ("/a%2e%2e/%2E%2e/b", "/a../../b"),
            ("/%zz%4", "/%zz%4"),
            ("/a%2Bb%20c", "/a%2Bb%20c"),
            ("/\u{e9}%c3%a9", "/\u{e9}%C3%A9"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
            assert_eq!(plain(&plain(path)), expected, "{path}: plain is plain");
        }
        let uri: Uri = "/v1/%6dessages/?a=%6d".parse().expect("an address");
        assert_eq!(plainly(&uri).map(|uri| uri.to_string()).as_deref(), Some("/v1/messages?a=%6d"));
        assert_eq!(plainly(&"/v1/messages?a/".parse().expect("an address")), None);
    }

    #[test]
    fn what_servers_read_differently_is_known() {
        for path in
            ["/a/../b", "/a/.", "/..%2Fb", "/a;x=1/b", "/a%3Bx", "/a\\b", "/a%5Cb", "/a%252Fb", "/a%00", "/a%0A", "/a%3Fb", "/a%23b"]
        {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/a/b", "/a..b/c.d", "/models/a%2Fb:x", "/a%25b", "/a%20b", "/arn:aws:bedrock:x%2Fy", "/a%"] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }
}
