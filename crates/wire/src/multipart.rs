//! Multipart forms, as far as a gateway needs them: read a short text field, replace one, leave some out, copy nothing.

use memchr::memmem;

use crate::frames::Frames;
use crate::outline::Span;
use crate::problem::Malformed;

/// The longest text field that is read.
const LONGEST: usize = 64 * 1024;
/// The most parts that are looked at.
const MOST_PARTS: usize = 256;

/// The text field of that name; `None` where the form has none.
pub fn field(body: &Frames, content_type: &str, name: &str) -> Result<Option<String>, Malformed> {
    let joined = body.join();
    let Some(span) = find(&joined, content_type, name)? else { return Ok(None) };
    let value = &joined[span.start..span.end];
    if value.len() > LONGEST {
        return Err(Malformed::field(name, "is too long"));
    }
    std::str::from_utf8(value).map(|value| Some(value.to_owned())).map_err(|_| Malformed::field(name, "is not valid UTF-8"))
}

/// The bytes of the field of that name, such as a file; `None` where the form has none.
pub fn bytes(body: &Frames, content_type: &str, name: &str) -> Result<Option<bytes::Bytes>, Malformed> {
    let joined = body.join();
    Ok(find(&joined, content_type, name)?.map(|span| joined.slice(span.start..span.end)))
}

/// The form with the text field of that name replaced; unchanged where it has none.
pub fn replace(body: &Frames, content_type: &str, name: &str, value: &str) -> Result<Frames, Malformed> {
    let Some(span) = find(&body.join(), content_type, name)? else { return Ok(body.clone()) };
    let mut out = Frames::new();
    body.slice_into(0, span.start, &mut out);
    out.push(bytes::Bytes::copy_from_slice(value.as_bytes()));
    body.slice_into(span.end, body.len(), &mut out);
    Ok(out)
}

/// The form with a text field added before its first part.
pub fn insert(body: &Frames, content_type: &str, name: &str, value: &str) -> Result<Frames, Malformed> {
    let delimiter = format!("--{}", boundary(content_type).ok_or_else(|| Malformed::new("the form's content type names no boundary"))?);
    let first = memmem::find(&body.join(), delimiter.as_bytes()).ok_or_else(|| Malformed::new("the form has no part"))?;
    let mut out = Frames::new();
    body.slice_into(0, first, &mut out);
    let part = format!("{delimiter}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    out.push(bytes::Bytes::from(part));
    body.slice_into(first, body.len(), &mut out);
    Ok(out)
}

/// Whether the form has a part of that name.
pub fn has(body: &Frames, content_type: &str, name: &str) -> Result<bool, Malformed> {
    let mut found = false;
    parts(&body.join(), content_type, |part| found |= part.name == name)?;
    Ok(found)
}

/// A field of a form.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is, where it says so.
    pub content_type: Option<String>,
    /// Its value.
    pub value: bytes::Bytes,
}

/// Every field of the form, in their order.
pub fn each(body: &Frames, content_type: &str) -> Result<Vec<Field>, Malformed> {
    let joined = body.join();
    let mut fields = Vec::new();
    parts(&joined, content_type, |part| {
        fields.push(Field { name: part.name, content_type: part.content_type, value: joined.slice(part.value.start..part.value.end) });
    })?;
    Ok(fields)
}

/// The form without the parts of which `is_left_out` says so by their names.
pub fn without(body: &Frames, content_type: &str, is_left_out: impl Fn(&str) -> bool) -> Result<Frames, Malformed> {
    let mut left_out = Vec::new();
    parts(&body.join(), content_type, |part| {
        if is_left_out(&part.name) {
            left_out.push((part.start, part.end));
        }
    })?;
    if left_out.is_empty() {
        return Ok(body.clone());
    }
    let (mut out, mut at) = (Frames::new(), 0);
    for (start, end) in left_out {
        body.slice_into(at, start, &mut out);
        at = end;
    }
    body.slice_into(at, body.len(), &mut out);
    Ok(out)
}

/// A part of a form.
struct Part {
    name: String,
    content_type: Option<String>,
    /// Where its delimiter begins.
    start: usize,
    /// Where the next one does.
    end: usize,
    /// Where its value stands.
    value: Span,
}

/// Shows the parts of a form, one after the other.
fn parts(body: &[u8], content_type: &str, mut each: impl FnMut(Part)) -> Result<(), Malformed> {
    let delimiter = format!("--{}", boundary(content_type).ok_or_else(|| Malformed::new("the form's content type names no boundary"))?);
    let finder = memmem::Finder::new(&delimiter);
    let mut starts = finder.find_iter(body).peekable();
    let mut count = 0;
    while let Some(start) = starts.next() {
        let Some(&end) = starts.peek() else {
            let is_closed = body[start + delimiter.len()..].starts_with(b"--");
            return if is_closed { Ok(()) } else { Err(Malformed::new("the form does not end")) };
        };
        count += 1;
        if count > MOST_PARTS {
            return Err(Malformed::new("the form has too many parts"));
        }
        let part = &body[start + delimiter.len()..end];
        let unread = || Malformed::new("the form has a part whose head cannot be read");
        let head = memmem::find(part, b"\r\n\r\n").ok_or_else(unread)?;
        let (name, content_type) = part_head(&part[..head]).ok_or_else(unread)?;
        let from = start + delimiter.len() + head + 4;
        // The line end before the next delimiter belongs to the delimiter.
        let value = Span { start: from, end: end.saturating_sub(2).max(from) };
        each(Part { name, content_type, start, end, value });
    }
    Ok(())
}

/// Where the value of that field stands. A field that is there twice is refused: two readers could differ on which counts.
fn find(body: &[u8], content_type: &str, name: &str) -> Result<Option<Span>, Malformed> {
    let (mut found, mut twice) = (None, false);
    parts(body, content_type, |part| {
        if part.name == name {
            twice |= found.replace(part.value).is_some();
        }
    })?;
    if twice { Err(Malformed::field(name, "the form has the field twice")) } else { Ok(found) }
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameter = content_type.split(';').map(str::trim).find_map(|parameter| parameter.strip_prefix("boundary="))?;
    let boundary = parameter.trim_matches('"');
    (!boundary.is_empty() && boundary.len() <= 70).then_some(boundary)
}

/// The name of a part and what it is; none where another reader could take another name for it.
fn part_head(head: &[u8]) -> Option<(String, Option<String>)> {
    let head = String::from_utf8_lossy(head);
    let (mut disposition, mut content_type) = (None, None);
    for (header, value) in head.lines().filter_map(|line| line.split_once(':')) {
        match header.trim().to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_some() => return None,
            "content-disposition" => disposition = Some(value),
            "content-type" => content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let parameters = disposition?.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut names = parameters.filter(|(key, _)| key.trim().eq_ignore_ascii_case("name")).map(|(_, value)| value.trim().trim_matches('"'));
    let name = names.next().filter(|name| !name.contains('\\'))?;
    names.next().is_none().then(|| (name.to_owned(), content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=XyZ";
    const FORM: &str = "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF--Xy\r\n\r\n--XyZ\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XyZ--\r\n";

    /// What another reader could take for a field that counts, is not passed on.
    #[test]
    fn parts_that_could_be_read_otherwise_are_refused() {
        let model = "name=\"model\"";
        for (wrong, right) in [
            ("form-data; name=\"model\"\n\nother", "form-data; name=\"model\"\r\n\r\nwhisper-1"),
            ("name=\"n\"; name=\"model\"", model),
            ("name=\"mode\\l\"", model),
            ("title=\"model\"", model),
            ("name=\"n\"\r\nContent-Disposition: form-data; name=\"model\"", model),
            ("--XyZ\r\n", "--XyZ--\r\n"),
        ] {
            let form = FORM.replace(right, wrong);
            assert_ne!(form, FORM, "{right}");
            assert!(field(&Frames::from(form.into_bytes()), KIND, "language").is_err(), "{wrong}");
        }
        let other = FORM.replace("filename=\"a.wav\"", "filename=\"\u{e4}\\.wav\"; Name*=utf-8''b");
        assert!(field(&Frames::from(other.into_bytes()), KIND, "language").is_ok());
    }

    #[test]
    fn fields_are_read_and_replaced() {
        let body: Frames = FORM.as_bytes().chunks(9).map(bytes::Bytes::copy_from_slice).collect();
        assert_eq!(field(&body, KIND, "model").expect("a form").as_deref(), Some("whisper-1"));
        assert_eq!(field(&body, KIND, "language").expect("a form"), None);
        let replaced = replace(&body, KIND, "model", "other").expect("a form").join();
        assert_eq!(replaced, FORM.replace("whisper-1", "other").as_bytes());
        assert!(field(&body, "multipart/form-data", "model").is_err());
        let more = insert(&body, KIND, "language", "de").expect("a form");
        assert_eq!(field(&more, KIND, "language").expect("a form").as_deref(), Some("de"));
        assert_eq!(field(&more, KIND, "model").expect("a form").as_deref(), Some("whisper-1"));
        let left = without(&more, KIND, |name| name == "language").expect("a form");
        assert_eq!(left.join(), FORM.as_bytes());
        assert!(has(&more, KIND, "file").expect("a form") && !has(&left, KIND, "language").expect("a form"));
        let twice = FORM.replace("name=\"file\"; filename=\"a.wav\"", "name=\"model\"");
        assert!(field(&Frames::from(twice.into_bytes()), KIND, "model").is_err());
    }
}
