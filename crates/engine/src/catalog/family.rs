//! Families of models (`~author/family-latest`), and which of their members is the newest.
//!
//! A member's name is its family's with a version somewhere behind the first word: `claude-opus-4.8` and `claude-3-opus` are of the
//! family `claude-opus`, `gpt-5-mini` is of `gpt-mini` and not of `gpt`, and a number with a letter behind it is none (`gpt-4o`).

use super::lookup::without_date;

/// A family of models, by its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family<'a> {
    /// Who makes them.
    pub author: &'a str,
    name: &'a str,
}

/// How new a member of a family is: by its version, then one that is out before its preview, then a name that stands for the latest
/// edition before those of editions, the latest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Age {
    version: f64,
    out: bool,
    whole: bool,
    date: String,
}

impl<'a> Family<'a> {
    /// The family whose newest model that name means.
    pub fn of(name: &'a str) -> Option<Self> {
        let (author, name) = name.strip_prefix('~')?.strip_suffix("-latest")?.split_once('/')?;
        (!author.is_empty() && !name.is_empty()).then_some(Self { author, name })
    }

    /// How new that model of its author's is; `None`: it is none of the family's.
    pub fn age(&self, model: &str) -> Option<Age> {
        let undated = without_date(model);
        let base = undated.strip_suffix("-preview").unwrap_or(undated);
        let version = if base == self.name { f64::NEG_INFINITY } else { self.version(base)? };
        let date = model[undated.len()..].to_owned();
        Some(Age { version, out: base == undated, whole: date.is_empty(), date })
    }

    /// The version in a name that is the family's but for it.
    fn version(&self, name: &str) -> Option<f64> {
        let words: Vec<&str> = name.split('-').collect();
        let (at, letters, number) = words.iter().enumerate().find_map(|(at, word)| {
            let (letters, number) = numbered(word)?;
            // A letter alone is the version's own (`k2.5`), but for a whole name (`o3`).
            (at > 0 || letters.len() > 1).then_some((at, letters, number))
        })?;
        // Some write the dot of a version as they do what stands between words.
        let small = |word: &&&str| word.len() == 1 && number.len() == 1 && word.bytes().all(|byte| byte.is_ascii_digit());
        let minor = words.get(at + 1).filter(small);
        let rest = &words[at + 1 + usize::from(minor.is_some())..];
        let kept = Some(letters).filter(|letters| letters.len() > 1);
        let others = words[..at].iter().copied().chain(kept).chain(rest.iter().copied());
        let version = minor.map_or_else(|| number.to_owned(), |minor| format!("{number}.{minor}"));
        others.eq(self.name.split('-')).then(|| version.parse().ok()).flatten()
    }
}

impl Eq for Age {}

impl Ord for Age {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_version = self.version.total_cmp(&other.version);
        by_version.then_with(|| (self.out, self.whole, &self.date).cmp(&(other.out, other.whole, &other.date)))
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A word's letters and the number behind them, where it ends with one and has nothing else.
fn numbered(word: &str) -> Option<(&str, &str)> {
    let (letters, number) = word.split_at(word.find(|letter: char| letter.is_ascii_digit())?);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && number.parse::<f64>().is_ok();
    (is_number && letters.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some((letters, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest<'a>(family: &str, names: &[&'a str]) -> Option<&'a str> {
        let family = Family::of(family).expect("a family");
        names.iter().copied().filter(|name| family.age(name).is_some()).max_by_key(|name| family.age(name))
    }

    #[test]
    fn the_newest_of_a_family_has_the_highest_version() {
        let claude = [
            "claude-3-opus-20240229",
            "claude-opus-4-1",
            "claude-opus-4.5",
            "claude-opus-4-5-20251101",
            "claude-opus-4",
            "claude-sonnet-5",
        ];
        assert_eq!(newest("~anthropic/claude-opus-latest", &claude), Some("claude-opus-4.5"));
        assert_eq!(newest("~anthropic/claude-sonnet-latest", &claude), Some("claude-sonnet-5"));
        assert_eq!(newest("~anthropic/claude-haiku-latest", &claude), None);
        let gpt =
            ["gpt-4o", "gpt-oss-120b", "gpt-3.5-turbo-16k", "gpt-image-1", "gpt-5-mini", "gpt-4.1", "gpt-4-0613", "gpt-5.2-2025-12-11"];
        assert_eq!(newest("~openai/gpt-latest", &gpt), Some("gpt-5.2-2025-12-11"));
        assert_eq!(newest("~openai/gpt-mini-latest", &gpt), Some("gpt-5-mini"));
        let gemini =
            ["gemini-2.5-pro", "gemini-3.1-pro-preview", "gemini-pro-latest", "gemini-3.1-pro-preview-customtools", "gemini-3.5-flash"];
        assert_eq!(newest("~google/gemini-pro-latest", &gemini), Some("gemini-3.1-pro-preview"));
        assert_eq!(newest("~google/gemini-flash-latest", &gemini), Some("gemini-3.5-flash"));
        assert_eq!(newest("~x-ai/grok-latest", &["grok-4.20", "grok-4.7", "grok-code-fast-1"]), Some("grok-4.7"), "4.20 is 4.2");
        assert_eq!(newest("~moonshotai/kimi-latest", &["kimi-k2.6", "kimi-k3", "kimi-k2.7-code"]), Some("kimi-k3"));
        assert_eq!(newest("~deepseek/deepseek-v4-flash-latest", &["deepseek-v4-flash", "deepseek-v3.2"]), Some("deepseek-v4-flash"));
        assert_eq!(newest("~qwen/qwen-max-latest", &["qwen3-max", "qwen3.5-max", "qwen3-coder"]), Some("qwen3.5-max"));
        assert_eq!(newest("~x/m-latest", &["m-4-20250101", "m-4-20250514", "m-4.1-preview"]), Some("m-4.1-preview"));
        assert_eq!(newest("~x/m-latest", &["m-4-20250514", "m-4", "m-4-preview"]), Some("m-4"));
    }

    #[test]
    fn names_of_families_are_openrouters() {
        for name in ["~openai/gpt", "openai/gpt-latest", "~gpt-latest", "~/gpt-latest", "~openai/-latest", "~"] {
            assert_eq!(Family::of(name), None, "{name}");
        }
    }
}
