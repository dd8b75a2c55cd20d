//! What a request's head must not contain, whatever the route.

use http::{HeaderMap, Method, Request, Uri, Version, header, uri::Authority};

/// The reason to refuse this head with 400, if there is one.
pub(super) fn reject<B>(request: &Request<B>) -> Option<&'static str> {
    if request.method() == Method::CONNECT {
        return Some("the CONNECT method is not served here");
    }
    bad_host(request.version(), request.uri(), request.headers()).or_else(|| bad_path(request.uri().path()))
}

/// One host, named once: a second opinion on who is meant is how requests slip past a front proxy's rules.
fn bad_host(version: Version, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Some("the request has more than one host");
    }
    match (host, uri.authority()) {
        (None, None) if version == Version::HTTP_11 => Some("the request has no host"),
        (None, _) => None,
        (Some(host), target) => {
            let host = host.as_bytes();
            if !host
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%' | b'~'))
            {
                return Some("the host is malformed");
            }
            let differs = |target: &Authority| !target.as_str().as_bytes().eq_ignore_ascii_case(host);
            target.is_some_and(differs).then_some("the target and the host differ")
        }
    }
}

/// Paths are matched as they are written, so what another reader might resolve differently is refused.
fn bad_path(path: &str) -> Option<&'static str> {
    let bytes = path.as_bytes();
    // Most paths have none of the three, many a dot inside a model's name.
    memchr::memchr3(b'%', b'\\', b'.', bytes)?;
    if memchr::memchr2(b'%', b'\\', bytes).is_none() && !bytes.windows(2).any(|pair| pair == b"/.") {
        return None;
    }
    if bytes.contains(&b'\\') {
        return Some("the path has a backslash");
    }
    for at in memchr::memchr_iter(b'%', bytes) {
        match bytes.get(at + 1..at + 3) {
            Some(b"00") => return Some("the path has an escaped NUL"),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Some("the path has a broken percent escape"),
        }
    }
    let dots = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".."
    };
    path.split('/').any(dots).then_some("the path has a dot segment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for path in ["/", "/v1/chat/completions", "/v1/models/a%2Fb", "/a/.well-known", "/a.b/..c", "/%20", "//", "*"] {
            assert_eq!(bad_path(path), None, "{path}");
        }
        for path in ["/%00", "/a%", "/a%2", "/a%zz", "/..", "/a/../b", "/./a", "/%2e%2E/a", "/.%2e", "/a\\b"] {
            assert!(bad_path(path).is_some(), "{path}");
        }
    }

    #[test]
    fn hosts() {
        let check = |target: &'static str, hosts: &[&'static str], accepted: bool| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, http::HeaderValue::from_static(host));
            }
            let refusal = bad_host(Version::HTTP_11, &Uri::from_static(target), &headers);
            assert_eq!(refusal.is_none(), accepted, "{target} {hosts:?} {refusal:?}");
        };
        check("/", &["example.com"], true);
        check("/", &["[::1]:4000"], true);
        check("/", &[""], true);
        check("/", &[], false);
        check("/", &["a", "a"], false);
        check("/", &["a b"], false);
        check("/", &["a/b"], false);
        check("/", &["user@a"], false);
        check("http://a/", &["A"], true);
        check("http://a/", &["b"], false);
        check("http://user@a/", &["a"], false);
    }
}
