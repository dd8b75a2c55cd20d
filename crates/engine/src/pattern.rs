//! Patterns for names.

/// What stands before what a pattern does not take.
const BUT: char = '\u{1f}';

/// The pattern of an entry among others: without what those take of it that come before it, by the very name or a longer pattern.
pub fn among<'a>(pattern: &str, others: impl Iterator<Item = &'a str>) -> String {
    let comes_before = |other: &&str| if other.contains('*') { said(other) > said(pattern) } else { matches(pattern, other) };
    let mut all = pattern.to_owned();
    if pattern.contains('*') {
        others.filter(comes_before).for_each(|other| all.extend([&*BUT.to_string(), other]));
    }
    all
}

/// How much of a name a pattern says; of two that fit, the one that says more comes before.
pub(crate) fn said(pattern: &str) -> usize {
    pattern.len() - pattern.matches('*').count()
}

/// Whether a name fits a pattern, in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut patterns = pattern.split(BUT);
    patterns.next().is_some_and(|pattern| fits(pattern, name)) && !patterns.any(|other| fits(other, name))
}

fn fits(pattern: &str, name: &str) -> bool {
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
    fn a_pattern_among_others_takes_what_is_left() {
        let others = ["openai/*", "openai/o1-*", "openai/gpt-5", "azure/gpt-5", "*"];
        let left = among("openai/*", others.into_iter());
        let taken = ["openai/gpt-4o", "openai/o1-mini", "openai/gpt-5", "azure/gpt-5"].map(|name| matches(&left, name));
        assert_eq!(taken, [true, false, false, false]);
        let all = among("*", others.into_iter());
        assert_eq!(["x", "openai/x", "azure/gpt-5"].map(|name| matches(&all, name)), [true, false, false]);
        assert_eq!(among("gpt-4o", others.into_iter()), "gpt-4o");
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
            ("*", "", true),
            ("a*c", "ac", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
