//! Text inside HTML, and pages that are shown and do nothing else.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use switchboard_engine::answer::AnswerBody;

use crate::answered::Answered;

const STYLE: &str = include_str!("html/style.css");

/// What browsers may do with a page of ours: show it, and nothing else.
const SAFETY: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The text, with everything that HTML would read as markup written otherwise.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// The escaped text, with what stands between backticks as code.
pub(crate) fn prose(text: &str) -> String {
    let pieces = escape(text);
    let marked =
        pieces.split('`').enumerate().map(|(at, piece)| if at % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() });
    marked.collect()
}

/// A whole page around that content.
pub(crate) fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"style.css\">\n<title>{title}</title>\n\
         <main>\n{content}</main>\n<footer>Switchboard {}</footer>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// A page with a form that is sent to this gateway.
pub(crate) fn form_page(root: &str, title: &str, content: &str) -> Answered {
    let mut response = answer(page(title, content).replace("href=\"style.css\"", &format!("href=\"{root}/style.css\"")));
    let policy = SAFETY[0].1.replace("form-action 'none'", "form-action 'self'");
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(HeaderName::from_static("content-security-policy"), policy);
    }
    response
}

/// A page of somebody else's content, in our frame.
pub(crate) fn whole(title: &str, content: &str) -> Answered {
    answer(page(title, content))
}

/// A page as an answer.
pub(crate) fn answer(page: String) -> Answered {
    let mut response = safe(Bytes::from(page), "text/html; charset=utf-8");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How the pages look.
pub(crate) fn style() -> Answered {
    let mut response = safe(Bytes::from_static(STYLE.as_bytes()), "text/css; charset=utf-8");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

fn safe(body: Bytes, kind: &'static str) -> Answered {
    let mut response = Answered::new(AnswerBody::Whole(Some(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in SAFETY {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(super::escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        assert_eq!(super::prose("a `b<c` d"), "a <code>b&lt;c</code> d");
    }
}
