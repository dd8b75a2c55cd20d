//! What free text for a tool must be like: a grammar stands in an object of its own here, and beside its type in the Responses API and in
//! the meaning.

use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::json;

const KIND: &str = "grammar";

/// The format as the meaning has it.
pub(super) fn flat(format: &RawValue) -> String {
    let inner = fields(format).and_then(|mut fields| fields.take_raw(KIND));
    let Some(inner) = inner.and_then(|raw| Fields::nested(raw).ok()) else { return format.get().to_owned() };
    written(|out| out.extra(&inner.rest(Dialect::OpenAiChat), Dialect::OpenAiChat))
}

/// The format as it is written here.
pub(super) fn nested(format: &str) -> String {
    let Some(raw) = json::raw(format) else { return format.to_owned() };
    let Some(mut fields) = fields(&raw).filter(|fields| !fields.has(KIND)) else { return format.to_owned() };
    fields.take_raw("type");
    written(|out| out.object(KIND, |out| out.extra(&fields.rest(Dialect::OpenAiChat), Dialect::OpenAiChat)))
}

/// The fields of a grammar; `None` where it is none.
fn fields(format: &RawValue) -> Option<Fields<'_>> {
    let fields = Fields::nested(format).ok()?;
    let is_grammar = fields.peek_raw("type").is_some_and(|kind| kind.get() == "\"grammar\"");
    is_grammar.then_some(fields)
}

fn written(write: impl FnOnce(&mut json::Object<'_>)) -> String {
    let bytes = json::object(|out| {
        out.text("type", KIND);
        write(out);
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grammar_is_in_its_own_object_here_and_beside_its_type_elsewhere() {
        let (flatly, nestedly) = (
            r#"{"type":"grammar","syntax":"lark","definition":"a"}"#,
            r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"a"}}"#,
        );
        assert_eq!((nested(flatly), nested(nestedly)), (nestedly.to_owned(), nestedly.to_owned()));
        let read = |text: &str| flat(&json::raw(text).expect("JSON"));
        assert_eq!((read(nestedly), read(flatly)), (flatly.to_owned(), flatly.to_owned()));
        assert_eq!(
            (read(r#"{"type":"text"}"#), nested(r#"{"type":"text"}"#)),
            (r#"{"type":"text"}"#.to_owned(), r#"{"type":"text"}"#.to_owned())
        );
    }
}
