//! What a row may not say.

use switchboard_wire::Dialect;

use super::operation;

/// Keys of `paths` and `at` name a dialect or an operation, the former perhaps with `:stream`.
pub(super) fn check_places<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), String> {
    for key in keys {
        let name = key.strip_suffix(":stream").unwrap_or(key);
        if Dialect::from_name(name).is_none() && operation(name).is_none() {
            return Err(format!("`{key}` is neither a dialect nor an operation"));
        }
    }
    Ok(())
}

/// Placeholders may stand anywhere, but every `{` needs its `}`, and a URL needs a scheme we dial.
pub(super) fn check_template(template: &str) -> Result<(), String> {
    if !template.is_empty() && !["https://", "http://", "{"].iter().any(|start| template.starts_with(start)) {
        return Err(format!("base: `{template}` is no http or https URL"));
    }
    if template.matches('{').count() != template.matches('}').count() {
        return Err(format!("base: a placeholder of `{template}` is not closed"));
    }
    Ok(())
}
