//! What a plain scalar means to PyYAML (YAML 1.1).

use super::Value;

/// The value of an unquoted scalar without a tag.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        _ => {}
    }
    if let Some(flag) = boolean(text) {
        return Value::Bool(flag);
    }
    match number(text) {
        Some(number) => Value::Number(number),
        None => Value::Text(text.to_owned()),
    }
}

/// A YAML 1.1 boolean word.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A YAML 1.1 number as JSON number text. Dates, infinities and `1e5` (text to PyYAML) are not numbers.
pub(super) fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    if !digits.is_ascii() || !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let plain = integer(digits).or_else(|| float(digits))?;
    Some(if plain == "0" { plain } else { format!("{sign}{plain}") })
}

fn integer(digits: &str) -> Option<String> {
    let bare: String = digits.chars().filter(|digit| *digit != '_').collect();
    if let Some(rest) = bare.strip_prefix("0x") {
        return radix(rest, 16);
    }
    if let Some(rest) = bare.strip_prefix("0b") {
        return radix(rest, 2);
    }
    if bare.contains(':') {
        return sexagesimal(&bare);
    }
    if !bare.bytes().all(|digit| digit.is_ascii_digit()) || bare.is_empty() {
        return None;
    }
    match bare.as_bytes() {
        [b'0'] => Some("0".to_owned()),
        [b'0', ..] => radix(&bare, 8),
        _ => Some(bare),
    }
}

fn radix(digits: &str, base: u32) -> Option<String> {
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    u128::from_str_radix(digits, base).ok().map(|value| value.to_string())
}

/// `1:30` is ninety, as in times of day.
fn sexagesimal(digits: &str) -> Option<String> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if first.starts_with('0') || !first.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut total: u128 = first.parse().ok()?;
    for part in parts {
        let small = part.bytes().all(|digit| digit.is_ascii_digit()) && part.len() <= 2;
        let value: u128 = part.parse().ok().filter(|value| small && *value < 60)?;
        total = total.checked_mul(60)?.checked_add(value)?;
    }
    Some(total.to_string())
}

fn float(digits: &str) -> Option<String> {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let clean = |part: &str| part.chars().filter(|digit| *digit != '_').collect::<String>();
    let (whole, fraction) = (clean(whole), clean(fraction));
    if !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { &fraction };
    match exponent {
        None => Some(format!("{whole}.{fraction}")),
        Some(exponent) => {
            let signed = exponent.strip_prefix(['+', '-'])?;
            let valid = !signed.is_empty() && signed.len() <= 4 && signed.bytes().all(|digit| digit.is_ascii_digit());
            valid.then(|| format!("{whole}.{fraction}e{exponent}"))
        }
    }
}
