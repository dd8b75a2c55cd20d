//! What the usual terms of service are called. Here they have the name that OpenAI gives them.

/// The terms of whoever asks for none.
const DEFAULT: &str = "default";

/// Terms that a vendor names who calls the usual ones otherwise.
pub(crate) fn read(name: String) -> String {
    if matches!(name.as_str(), "standard" | "standard_only" | "on_demand") { DEFAULT.to_owned() } else { name }
}

/// The same for vendors who call them `standard`.
pub(crate) fn standard(name: &str) -> &str {
    if name == DEFAULT { "standard" } else { name }
}

/// The same where they are among those that the vendor knows.
pub(crate) fn among<'a>(known: &[&str], name: &'a str) -> Option<&'a str> {
    Some(standard(name)).filter(|name| known.contains(name))
}
