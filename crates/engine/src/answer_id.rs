//! The id of an answer, read at a glance: providers write it first.

/// How far it is looked for.
const FAR: usize = 2048;

/// The text of the top-level `id` of a JSON object, where it stands near the beginning.
pub(crate) fn of(body: &[u8]) -> Option<&str> {
    let body = &body[..body.len().min(FAR)];
    let (mut depth, mut at) = (0_u32, 0);
    // Whether the text that comes next is a key of the object itself.
    let mut key = false;
    while let Some(byte) = body.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                key = depth == 1 && *byte == b'{';
            }
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' => key = depth == 1,
            b'"' => {
                let text = quoted(&body[at + 1..])?;
                at += text.len() + 1;
                if std::mem::take(&mut key) && text == b"id" {
                    return value(&body[at + 1..]);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The bytes up to the closing quote.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    let end = text.iter().position(|byte| match byte {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        byte => *byte == b'"',
    })?;
    text.get(..end)
}

/// The text behind a colon, where nothing in it is escaped.
fn value(rest: &[u8]) -> Option<&str> {
    let rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    let text = quoted(rest)?;
    std::str::from_utf8(text).ok().filter(|text| !text.is_empty() && !text.contains('\\'))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_id_of_the_answer_itself_is_found() {
        for (body, id) in [
            (r#"{"id":"chatcmpl-1","object":"x"}"#, Some("chatcmpl-1")),
            (r#"{ "object" : "x", "id" : "a" }"#, Some("a")),
            (r#"{"model":"id","choices":[{"id":"inner"}],"id":"outer"}"#, Some("outer")),
            (r#"{"text":"\"id\":\"no\"","id":"yes"}"#, Some("yes")),
            (r#"{"data":{"id":"inner"}}"#, None),
            (r#"{"id":null}"#, None),
            (r#"[{"id":"a"}]"#, None),
            (r#"{"id":"cut"#, None),
            ("", None),
        ] {
            assert_eq!(of(body.as_bytes()), id, "{body}");
        }
    }
}
