//! Whether a span is a piece of something longer.

/// Whether what begins there goes on to the left: a letter, a digit, or a sign that joins digits.
pub(super) fn joins_before(text: &str, start: usize) -> bool {
    let mut before = text[..start].chars().rev();
    match before.next() {
        Some(letter) if joins(letter) => true,
        Some('-' | '.' | '/' | '+') => before.next().is_some_and(|letter| letter.is_ascii_digit()),
        _ => false,
    }
}

/// Whether what ends there goes on to the right.
pub(super) fn joins_after(text: &str, end: usize) -> bool {
    let mut after = text[end..].chars();
    match after.next() {
        Some(letter) if joins(letter) => true,
        Some('-' | '.' | '/') => after.next().is_some_and(|letter| letter.is_ascii_digit()),
        _ => false,
    }
}

/// The same for a number, which a low line sets apart: `card_4111…`, `_536-22-8741_`.
pub(super) fn number_joins_before(text: &str, start: usize) -> bool {
    joins_before(text, start) && !text[..start].ends_with('_')
}

/// The same at its end.
pub(super) fn number_joins_after(text: &str, end: usize) -> bool {
    joins_after(text, end) && !text[end..].starts_with('_')
}

/// Whether a letter belongs to a word of a script that sets words apart.
pub(super) fn joins(letter: char) -> bool {
    letter == '_' || (letter.is_alphanumeric() && (letter as u32) < 0x2E80 && !('\u{0590}'..='\u{0DFF}').contains(&letter))
}
