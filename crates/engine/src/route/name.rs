//! What a model's name may say beside the model: OpenRouter's variants, and dates.

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
}
