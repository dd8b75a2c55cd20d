//! Cards, accounts, and numbers that are mistaken for them.

use std::ops::Range;

use super::{luhn, numbers, weighted};
use crate::recognize::joint::{joins_after, joins_before, number_joins_after, number_joins_before};

/// How long the IBANs of a country are.
#[rustfmt::skip]
const IBANS: [(&[u8; 2], usize); 89] = [
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16), (b"BG", 22), (b"BH", 22), (b"BI", 27),
    (b"BR", 29), (b"BY", 28), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24), (b"DE", 22), (b"DJ", 27), (b"DK", 18), (b"DO", 28),
    (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18), (b"FK", 18), (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23),
    (b"GL", 18), (b"GR", 27), (b"GT", 28), (b"HN", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IQ", 23), (b"IS", 26),
    (b"IT", 27), (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LC", 32), (b"LI", 21), (b"LT", 20), (b"LU", 20), (b"LV", 21),
    (b"LY", 25), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MN", 20), (b"MR", 27), (b"MT", 31), (b"MU", 30), (b"NI", 28),
    (b"NL", 18), (b"NO", 15), (b"OM", 23), (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25), (b"QA", 29), (b"RO", 24), (b"RS", 22),
    (b"RU", 33), (b"SA", 24), (b"SC", 31), (b"SD", 18), (b"SE", 24), (b"SI", 19), (b"SK", 24), (b"SM", 27), (b"SO", 23), (b"ST", 25),
    (b"SV", 28), (b"TL", 23), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20), (b"YE", 30),
];

/// An IBAN that begins there: as many signs as its country's have, single spaces or hyphens between them, and a right checksum.
pub(super) fn iban(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    if number_joins_before(text, met.start) {
        return None;
    }
    let country: [u8; 2] = text.as_bytes().get(met.start..met.start + 2)?.to_ascii_uppercase().try_into().ok()?;
    let length = IBANS.iter().find(|(code, _)| **code == country)?.1;
    let mut signs = Vec::with_capacity(length);
    let mut end = met.start;
    let mut spaced = false;
    for (at, letter) in text[met.start..].char_indices() {
        match letter {
            ' ' | '-' | '\u{a0}' if !spaced && !signs.is_empty() => spaced = true,
            letter if letter.is_ascii_alphanumeric() => {
                spaced = false;
                signs.push(letter.to_ascii_uppercase() as u8);
                end = met.start + at + 1;
            }
            _ => break,
        }
        if signs.len() == length {
            break;
        }
    }
    if signs.len() != length || text[end..].starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        return None;
    }
    let rotated = signs[4..].iter().chain(&signs[..4]);
    let rest = rotated.fold(0_u32, |rest, sign| match sign {
        b'0'..=b'9' => (rest * 10 + u32::from(sign - b'0')) % 97,
        _ => (rest * 100 + u32::from(sign - b'A') + 10) % 97,
    });
    (rest == 1).then_some(met.start..end)
}

/// A card number within a run of digits: whole groups, one kind of separator, an issuer's first digits, a right check digit.
pub(super) fn card(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if text[..met.start].ends_with('+') {
        return None;
    }
    let starts = std::iter::once(met.start)
        .chain((met.start + 1..met.end).filter(|at| !bytes[at - 1].is_ascii_digit() && bytes[*at].is_ascii_digit()));
    for start in starts {
        if start == met.start && number_joins_before(text, start) {
            continue;
        }
        // A group of a card, or all of one; a list of small numbers is passed over.
        let group = bytes[start..met.end].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(4..=6).contains(&group) && group < 12 {
            continue;
        }
        let ends =
            (start + 1..=met.end).rev().filter(|end| !bytes.get(*end).is_some_and(u8::is_ascii_digit) && bytes[end - 1].is_ascii_digit());
        for end in ends {
            if end == met.end && number_joins_after(text, end) {
                continue;
            }
            if is_card(&text[start..end]) {
                return Some(start..end);
            }
        }
    }
    None
}

fn is_card(written: &str) -> bool {
    let mut separators = written.chars().filter(|letter| !letter.is_ascii_digit());
    let first = separators.next();
    if separators.any(|other| Some(other) != first) {
        return false;
    }
    let groups: Vec<usize> = written.split(|letter: char| !letter.is_ascii_digit()).map(str::len).collect();
    // Cards are written in groups of four, or of four, six and four or five.
    if groups.len() > 1 && groups.iter().rev().skip(1).any(|length| !(4..=6).contains(length)) {
        return false;
    }
    let signs: Vec<u8> = written.bytes().filter(u8::is_ascii_digit).collect();
    is_issued(&signs) && luhn(&signs)
}

fn is_issued(signs: &[u8]) -> bool {
    let length = signs.len();
    let prefix = |width: usize| signs.iter().take(width).fold(0_u32, |number, sign| number * 10 + u32::from(sign - b'0'));
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    match length {
        16 if (51..=55).contains(&two) || (2221..=2720).contains(&four) => true,
        // Thirteen digits are as often the number of goods.
        13 if signs.first() == Some(&b'4') => !is_isbn(signs),
        16 | 19 if signs.first() == Some(&b'4') => true,
        15 if two == 34 || two == 37 => true,
        14..=19 if (300..=305).contains(&three) || two == 36 || two == 38 || two == 39 => true,
        16..=19 if four == 6011 || two == 65 || (644..=649).contains(&three) || (622_126..=622_925).contains(&six) => true,
        16..=19 if (3528..=3589).contains(&four) || two == 62 || two == 81 || (2200..=2204).contains(&four) => true,
        12..=19 if matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761 | 6762 | 6763) || two == 67 => true,
        16 if two == 60 || two == 50 || (6362..=6363).contains(&four) || (four == 6521 || four == 6522) || four == 9792 => true,
        _ => false,
    }
}

/// Whether nine digits are a routing number of an American bank.
pub(super) fn is_aba(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    let district = digits.first().zip(digits.get(1)).map(|(tens, ones)| tens * 10 + ones);
    let known = district.is_some_and(|district| matches!(district, 1..=12 | 21..=32 | 61..=72 | 80));
    digits.len() == 9 && known && weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// A number of an account: six to seventeen digits.
pub(super) fn account(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let count = text[met.clone()].bytes().filter(u8::is_ascii_digit).count();
    let bounded = !joins_before(text, met.start) && !joins_after(text, met.end);
    (bounded && (6..=17).contains(&count) && !text[..met.start].ends_with('+')).then_some(met)
}

/// Whether thirteen digits are a book's, or those of other goods.
pub(super) fn is_isbn(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 13 && weighted(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}
