//! Patterns for names.

/// What stands before a name that is meant as it is written, stars included.
const AS_WRITTEN: char = '=';

/// A list's word for the entry of that name alone: not for what the entry's pattern fits, some of which other entries serve.
pub fn entry(name: &str) -> String {
    if name.contains('*') { format!("{AS_WRITTEN}{name}") } else { name.to_owned() }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    if let Some(entry) = pattern.strip_prefix(AS_WRITTEN) {
        return entry == name;
    }
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    while let Some((middle, after)) = rest.split_once('*') {
        let Some(at) = name.find(middle) else { return false };
        name = &name[at + middle.len()..];
        rest = after;
    }
    name.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_no_pattern() {
        assert!(matches(&entry("openai/*"), "openai/*") && matches(&entry("gpt-4o"), "gpt-4o"));
        assert!(!matches(&entry("openai/*"), "openai/gpt-4o"));
    }

    #[test]
    fn a_pattern_stands_for_the_names_it_fits() {
        for (pattern, name, fits) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "azure/gpt-4o", false),
            ("*", "anything", true),
            ("*-mini", "gpt-4o-mini", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
