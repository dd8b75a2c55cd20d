//! What a model's name may say beside the model: OpenRouter's variants, families and dates.

/// What the text behind the last colon of a name asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Nothing.
    #[default]
    None,
    /// The highest throughput first; tiers that are paid for speed too.
    Nitro,
    /// The lowest price first; tiers that are slow and cheap too.
    Floor,
    /// Only what costs nothing.
    Free,
    /// The best at calling tools first.
    Exacto,
    /// With a search of the web.
    Online,
    /// The longest context first.
    Extended,
    /// Only what thinks before it answers.
    Thinking,
}

impl Variant {
    /// The variant of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "nitro" => Self::Nitro,
            "floor" => Self::Floor,
            "free" => Self::Free,
            "exacto" => Self::Exacto,
            "online" => Self::Online,
            "extended" => Self::Extended,
            "thinking" => Self::Thinking,
            _ => return None,
        })
    }
}

/// A name without its variant, where it has one.
pub(super) fn split_variant(name: &str) -> Option<(&str, Variant)> {
    let (base, last) = name.rsplit_once(':')?;
    let variant = Variant::from_name(last).filter(|_| !base.is_empty())?;
    Some((base, variant))
}

/// A name without the date at its end (`-20250514`, `-2025-05-14`), where it has one.
pub(super) fn without_date(name: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((base, last)) = name.rsplit_once('-')
        && last.len() == 8
        && digits(last)
        && last.starts_with("20")
    {
        return Some(base);
    }
    let at = name.len().checked_sub("-2025-05-14".len()).filter(|at| name.is_char_boundary(*at))?;
    let (base, date) = name.split_at(at);
    let mut parts = date.strip_prefix('-')?.split('-');
    let fits = [4, 2, 2].into_iter().all(|length| parts.next().is_some_and(|part| part.len() == length && digits(part)));
    (fits && !base.is_empty()).then_some(base)
}

/// The newest of those names that belong to a family (`author/family`): the highest version, then the latest date.
pub(super) fn latest<'a>(family: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let member = |name: &&str| {
        let rest = name.strip_prefix(family);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ' ']) || rest.starts_with(|c: char| c.is_ascii_digit()))
            && !name.contains(':')
    };
    names.filter(member).max_by(|a, b| compare(a, b))
}

/// By the numbers in them, else by the shorter, since what comes behind a version makes it smaller or special.
fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    numbers(a).cmp(&numbers(b)).then_with(|| b.len().cmp(&a.len())).then_with(|| a.cmp(b))
}

/// The numbers in a name; a date is one of them, the last.
fn numbers(name: &str) -> (Vec<u64>, u64) {
    let (name, date) = match without_date(name) {
        Some(base) => {
            (base, name[base.len()..].bytes().filter(u8::is_ascii_digit).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
        }
        None => (name, 0),
    };
    let parts = name.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty() && part.len() < 10);
    (parts.filter_map(|part| part.parse().ok()).collect(), date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_what_openrouter_knows_and_nothing_else() {
        assert_eq!(split_variant("a/b:nitro"), Some(("a/b", Variant::Nitro)));
        assert_eq!(split_variant("a/b:free"), Some(("a/b", Variant::Free)));
        assert_eq!(split_variant("ollama/llama3:latest"), None);
        assert_eq!(split_variant("a/b"), None);
        assert_eq!(split_variant(":free"), None);
    }

    #[test]
    fn dates_are_taken_off_and_nothing_else_is() {
        assert_eq!(without_date("anthropic/claude-sonnet-4-20250514"), Some("anthropic/claude-sonnet-4"));
        assert_eq!(without_date("openai/gpt-4o-2024-08-06"), Some("openai/gpt-4o"));
        assert_eq!(without_date("a/b-12345678"), None);
        assert_eq!(without_date("a/b-4"), None);
        assert_eq!(without_date("ü-2024"), None);
    }

    #[test]
    fn the_latest_of_a_family_has_the_highest_version() {
        let names = ["x/opus-3", "x/sonnet-4", "x/sonnet-3.7", "x/sonnet-4.5", "x/sonnet-4.5-mini", "x/sonnet-4.5:free", "x/sonnetto-9"];
        assert_eq!(latest("x/sonnet", names.into_iter()), Some("x/sonnet-4.5"));
        let dated = ["x/m-4-20250101", "x/m-4-20250514"];
        assert_eq!(latest("x/m", dated.into_iter()), Some("x/m-4-20250514"));
        assert_eq!(latest("x/none", names.into_iter()), None);
    }
}
