//! `/docs`: every route, grouped by who calls it, without a script.

use std::fmt::Write;

use crate::html::{escape, page, prose};
use crate::router::{Audience, BY_MODEL, PREFIXES, Row, SHARED, model_prefixes, once};

/// The page of a gateway that clients reach at that URL.
pub(super) fn render(base: &str) -> String {
    let base = escape(base);
    let mut out = format!(
        "<h1>API</h1>\n<p class=\"lead\">What this gateway answers, by who asks. Field by field: <a href=\"openapi.json\">openapi.json</a>.</p>\n\
         <p class=\"base\"><span>Base URL</span><code>{base}</code></p>\n"
    );
    out.push_str(
        "<p>A key is sent as <code>authorization: Bearer …</code>, <code>x-api-key</code>, <code>api-key</code> or \
         <code>x-goog-api-key</code>. Errors come in the format of the route. An answer's <code>x-litellm-call-id</code> names the request in the log.</p>\n",
    );
    let prefixes: Vec<String> = PREFIXES.iter().map(|(prefix, _)| code(if prefix.is_empty() { "/" } else { prefix })).collect();
    let models: Vec<String> = model_prefixes().map(|prefix| code(&prefix.replace("{*", "{"))).collect();
    for audience in Audience::ALL {
        let shared = SHARED.iter().map(|row| (format!("/v1{}", row.path), *row));
        let alone = once().map(|row| (row.path.to_owned(), row));
        let rows: Vec<(String, Row)> = match audience {
            Audience::Azure => BY_MODEL.iter().map(|row| (format!("/openai/deployments/{{model}}{}", row.path), *row)).collect(),
            audience => shared.chain(alone).filter(|(_, row)| row.audience() == audience).collect(),
        };
        let note = match audience {
            Audience::OpenAi | Audience::Anthropic | Audience::OpenRouter | Audience::Everyone => {
                format!("The same below {}.", prefixes.join(", "))
            }
            Audience::Azure => format!("The same below {}; <code>api-version</code> is not looked at.", models.join(", ")),
            Audience::Gemini | Audience::Operator | Audience::Administrator => String::new(),
        };
        table(&mut out, audience.title(), &note, &rows);
    }
    out.push_str("<nav><a href=\".\">Home</a><a href=\"openapi.json\">OpenAPI</a><a href=\"routes\">Routes</a></nav>\n");
    page("Switchboard API", &out)
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

fn table(out: &mut String, title: &str, note: &str, rows: &[(String, Row)]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>{}</h2>", escape(title));
    if !note.is_empty() {
        let _ = writeln!(out, "<p>{note}</p>");
    }
    out.push_str("<table>\n");
    for (path, row) in rows {
        let (method, path) = (escape(row.method), code(&path.replace("{*model}", "{model}")));
        let _ = writeln!(out, "<tr><td class=\"method\">{method}</td><td>{path}</td><td>{}</td></tr>", prose(row.summary));
    }
    out.push_str("</table>\n");
}
