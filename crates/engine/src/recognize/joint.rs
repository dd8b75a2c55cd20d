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

/// Whether a letter belongs to a word of a script that sets words apart.
pub(super) fn joins(letter: char) -> bool {
    letter == '_' || (letter.is_alphanumeric() && (letter as u32) < 0x2E80 && !('\u{0590}'..='\u{0DFF}').contains(&letter))
}
