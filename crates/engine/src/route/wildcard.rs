//! Names in which each `*` stands for any text.

use crate::pattern;

/// A name in which each `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    written: String,
}

impl Wildcard {
    /// The one that is written so.
    pub fn of(written: &str) -> Self {
        Self { written: written.to_owned() }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// How many it has.
    pub fn stars(&self) -> usize {
        self.written.matches('*').count()
    }

    /// How much of a name it says.
    pub(super) fn said(&self) -> usize {
        pattern::said(&self.written)
    }

    /// What each `*` stands for in that name; the first takes as much as it can, then the next.
    pub fn captured<'a>(&self, name: &'a str) -> Option<Vec<&'a str>> {
        let Some((first, rest)) = self.written.split_once('*') else { return (self.written == name).then(Vec::new) };
        let mut left = name.strip_prefix(first)?;
        let mut captured = Vec::new();
        for piece in rest.rsplit('*') {
            // The last piece ends the name; those before it stand as far to the right as they can.
            let at = if captured.is_empty() { left.strip_suffix(piece)?.len() } else { left.rfind(piece)? };
            captured.push((at, piece.len()));
            left = &left[..at];
        }
        captured.reverse();
        let mut from = first.len();
        let texts = captured.into_iter().map(|(at, piece)| {
            let to = first.len() + at;
            let text = &name[from..to];
            from = to + piece;
            text
        });
        Some(texts.collect())
    }

    /// The name with those texts in the place of its stars, in their order.
    pub fn filled(&self, texts: &[&str]) -> String {
        let mut pieces = self.written.split('*');
        let mut name = pieces.next().unwrap_or_default().to_owned();
        let mut texts = texts.iter();
        for piece in pieces {
            name.extend([texts.next().copied().unwrap_or("*"), piece]);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_star_stands_for_a_text() {
        for (written, name, texts) in [
            ("openai/*", "openai/gpt-4o", Some(vec!["gpt-4o"])),
            ("openai/*", "azure/gpt-4o", None),
            ("*", "", Some(vec![""])),
            ("ab*ba", "aba", None),
            ("fo::*:static::*", "fo::hi::static::hi", Some(vec!["hi:", "hi"])),
            ("a-*-b-*", "a-1-b-2-b-3", Some(vec!["1-b-2", "3"])),
            ("a-*-b-*", "a-1-c-2", None),
            ("bedrock/*.claude-*", "bedrock/eu.anthropic.claude-x", Some(vec!["eu.anthropic", "x"])),
            ("*a*a*", "aa", Some(vec!["", "", ""])),
            ("*a*a*", "a", None),
            ("**", "äö", Some(vec!["äö", ""])),
            ("plain", "plain", Some(vec![])),
        ] {
            let wildcard = Wildcard::of(written);
            assert_eq!(wildcard.captured(name), texts, "{written} {name}");
            if let Some(texts) = texts {
                assert_eq!(wildcard.filled(&texts), name, "{written}");
            }
        }
        assert_eq!(Wildcard::of("x-*-*").filled(&["1"]), "x-1-*");
    }
}
