//! Numbers that states give to people, by the rules of each.

use std::ops::Range;

use super::{is_day, luhn, numbers, spelled, weighted};
use crate::recognize::joint::{number_joins_after, number_joins_before};

/// American, and no piece of a longer number of goods: "555-12-9087-B".
pub(super) fn ssn(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let signs: Vec<u8> = text[met.clone()].bytes().filter(u8::is_ascii_digit).collect();
    let mut after = text[met.end..].chars();
    let goes_on = after.next() == Some('-') && after.next().is_some_and(|letter| letter.is_ascii_alphanumeric());
    let joined = number_joins_before(text, met.start) || number_joins_after(text, met.end);
    (!goes_on && !joined && is_ssn(&signs)).then_some(met)
}

/// American: no area 000, 666 or 9xx, no empty group, none that were printed in advertisements.
fn is_ssn(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    let [area, group, serial] = [0..3, 3..5, 5..9].map(|part| digits.get(part).map_or(0, spelled));
    let printed = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999));
    digits.len() == 9 && !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !printed
}

/// A passport's number where a word says so: letters and digits, digits the more.
pub(super) fn passport(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let written = &text[met.clone()];
    let count = written.bytes().filter(u8::is_ascii_digit).count();
    (count >= 5 && written.len() <= 9).then_some(met)
}

/// The second line of a passport's machine-readable zone: three of its check digits.
pub(super) fn mrz(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let line = text[met.clone()].split_whitespace().next_back()?.as_bytes();
    let value = |sign: u8| match sign {
        b'0'..=b'9' => u32::from(sign - b'0'),
        b'A'..=b'Z' => u32::from(sign - b'A') + 10,
        _ => 0,
    };
    let holds = |field: Range<usize>, check: usize| {
        let sum: u32 = line.get(field)?.iter().zip([7, 3, 1].into_iter().cycle()).map(|(sign, weight)| value(*sign) * weight).sum();
        Some(sum % 10 == value(*line.get(check)?))
    };
    let right = holds(0..9, 9)? && holds(13..19, 19)? && holds(21..27, 27)?;
    right.then_some(met)
}

/// A date of the calendar, in any order, or with the month as a word.
pub(super) fn date(text: &str, met: Range<usize>) -> Option<Range<usize>> {
    let parts: Vec<u64> = text[met.clone()].split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let fits = match parts[..] {
        [year @ 1890..=2030, month, day] => year > 0 && is_day(small(day), small(month)),
        [first, second, 0..=99 | 1890..=2030] => is_day(small(first), small(second)) || is_day(small(second), small(first)),
        [day, 1890..=2030] => (1..=31).contains(&day),
        _ => false,
    };
    fits.then_some(met)
}

/// Chinese: eighteen signs, a date, ISO 7064 modulo 11.
pub(super) fn is_china(signs: &[u8]) -> bool {
    let digits = numbers(&signs[..17.min(signs.len())]);
    let Some(last) = signs.get(17) else { return false };
    let sum = weighted(&digits, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let wanted = b"10X98765432"[(sum % 11) as usize];
    digits.len() == 17 && last.to_ascii_uppercase() == wanted && is_day(small(&digits[12..14]), small(&digits[10..12]))
}

fn small(digits: &[u32]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + digit)
}

/// Italian: the check letter of the fiscal code.
pub(super) fn is_italy(signs: &[u8]) -> bool {
    const ODD: [u32; 36] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    if signs.len() != 16 {
        return false;
    }
    let place = |sign: u8| match sign.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => usize::from(digit - b'0'),
        letter => usize::from(letter.saturating_sub(b'A')) + 10,
    };
    let even = |place: usize| u32::try_from(if place >= 10 { place - 10 } else { place }).unwrap_or(0);
    let sum: u32 = signs[..15]
        .iter()
        .enumerate()
        .map(|(at, sign)| if at % 2 == 0 { ODD.get(place(*sign)).copied().unwrap_or(0) } else { even(place(*sign)) })
        .sum();
    u32::from(signs[15].to_ascii_uppercase().saturating_sub(b'A')) == sum % 26
}

/// French: the key is 97 less the rest by 97; Corsica's letters stand for numbers.
pub(super) fn is_france(signs: &[u8]) -> bool {
    if signs.len() != 15 {
        return false;
    }
    let text: String = signs.iter().map(|sign| char::from(*sign)).collect();
    let (body, corsica) = match text.get(5..7) {
        Some("2A") => (text.replacen("2A", "20", 1), 1_000_000),
        Some("2B") => (text.replacen("2B", "20", 1), 2_000_000),
        _ => (text, 0),
    };
    let digits = numbers(body.as_bytes());
    digits.len() == 15 && 97 - (spelled(&digits[..13]) - corsica) % 97 == spelled(&digits[13..])
}

/// Spanish: the letter is the rest by 23.
pub(super) fn is_spain(signs: &[u8]) -> bool {
    let (Some(first), Some(last)) = (signs.first(), signs.last()) else { return false };
    let lead = match first {
        b'X' => Some(0),
        b'Y' => Some(1),
        b'Z' => Some(2),
        _ => None,
    };
    let digits = numbers(signs);
    let number = match lead {
        Some(lead) if digits.len() == 7 => lead * 10_000_000 + spelled(&digits),
        None if digits.len() == 8 => spelled(&digits),
        _ => return false,
    };
    b"TRWAGMYFPDXBNJZSQVHLCKE".get((number % 23) as usize) == Some(last)
}

/// Brazilian: two check digits by eleven.
pub(super) fn is_brazil(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 || digits.iter().all(|digit| *digit == digits[0]) {
        return false;
    }
    let check = |count: usize| {
        let weights: Vec<u32> = (2..=u32::try_from(count).unwrap_or(0) + 1).rev().collect();
        match weighted(&digits[..count], &weights) * 10 % 11 {
            10 => 0,
            rest => rest,
        }
    };
    check(9) == digits[9] && check(10) == digits[10]
}

/// British: no prefix that was never given.
pub(super) fn is_nino(signs: &[u8]) -> bool {
    let prefix = signs.get(..2);
    signs.len() == 9 && !prefix.is_some_and(|prefix| [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].iter().any(|never| *never == prefix))
}

/// Belgian: 97 less the rest, of the number as it is or with a two before it.
pub(super) fn is_belgium(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 {
        return false;
    }
    let (body, key) = (spelled(&digits[..9]), spelled(&digits[9..]));
    97 - body % 97 == key || 97 - (2_000_000_000 + body) % 97 == key
}

/// Swedish: the last ten digits by Luhn.
pub(super) fn is_sweden(signs: &[u8]) -> bool {
    let ten = signs.len().checked_sub(10).map(|from| &signs[from..]);
    ten.is_some_and(|ten| luhn(ten) && is_day(small(&numbers(&ten[4..6])), small(&numbers(&ten[2..4]))))
}

/// Finnish: the last sign is the rest by 31.
pub(super) fn is_finland(signs: &[u8]) -> bool {
    let digits: Vec<u8> = signs.iter().copied().filter(u8::is_ascii_digit).collect();
    let Some(last) = signs.last() else { return false };
    let mut nine = numbers(&digits);
    nine.truncate(9);
    nine.len() == 9 && b"0123456789ABCDEFHJKLMNPRSTUVWXY".get((spelled(&nine) % 31) as usize) == Some(last)
}

/// Korean: a date; the check digit of those given before 2020 is not told from the rest.
pub(super) fn is_korea(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 13 && is_day(small(&digits[4..6]), small(&digits[2..4]))
}

/// Indian: Verhoeff's check.
pub(super) fn is_aadhaar(signs: &[u8]) -> bool {
    const TIMES: [[usize; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURN: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let digits = numbers(signs);
    let mut state = 0;
    for (at, digit) in digits.iter().rev().enumerate() {
        let turned = (0..at % 8).fold(*digit as usize, |digit, _| TURN[digit]);
        state = TIMES[state][turned];
    }
    digits.len() == 12 && state == 0
}

/// Mexican: the last digit of the CURP.
pub(super) fn is_mexico(signs: &[u8]) -> bool {
    const ORDER: &[u8] = "0123456789ABCDEFGHIJKLMN*OPQRSTUVWXYZ".as_bytes();
    let value = |sign: u8| ORDER.iter().position(|other| *other == sign).unwrap_or(0);
    let sum: usize = signs.iter().take(17).enumerate().map(|(at, sign)| value(*sign) * (18 - at)).sum();
    signs.len() == 18 && (10 - sum % 10) % 10 == value(signs[17])
}

/// Polish: weights 1 3 7 9, and a date whose month tells the century.
pub(super) fn is_poland(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 {
        return false;
    }
    let check = (10 - weighted(&digits[..10], &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    check == digits[10] && is_day(small(&digits[4..6]), small(&digits[2..4]) % 20)
}

/// German tax number: ISO 7064 modulo 11, 10.
pub(super) fn is_germany(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 || digits[0] == 0 {
        return false;
    }
    let product = digits[..10].iter().fold(10, |product, digit| {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    (11 - product) % 10 == digits[10]
}

/// Dutch: the test of eleven.
pub(super) fn is_netherlands(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 9 && {
        let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
        sum % 11 == digits[8]
    }
}

/// British health service: modulo 11.
pub(super) fn is_nhs(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 10 && {
        let rest = 11 - weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        rest % 11 == digits[9] && rest != 10
    }
}

/// Japanese: weights 6 5 4 3 2 7 6 5 4 3 2.
pub(super) fn is_japan(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 12 && {
        let rest = weighted(&digits[..11], &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        (if rest <= 1 { 0 } else { 11 - rest }) == digits[11]
    }
}

/// Turkish: two check digits.
pub(super) fn is_turkey(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 || digits[0] == 0 {
        return false;
    }
    let odd: u32 = digits[..9].iter().step_by(2).sum();
    let even: u32 = digits[1..8].iter().step_by(2).sum();
    (odd * 7 + 100 - even) % 10 == digits[9] && digits[..10].iter().sum::<u32>() % 10 == digits[10]
}

/// Norwegian: two check digits by eleven.
pub(super) fn is_norway(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    if digits.len() != 11 {
        return false;
    }
    let check = |sum: u32| (11 - sum % 11) % 11;
    check(weighted(&digits[..9], &[3, 7, 6, 1, 8, 9, 4, 5, 2])) == digits[9]
        && check(weighted(&digits[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2])) == digits[10]
}

/// Australian tax file number: modulo 11.
pub(super) fn is_tfn(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    digits.len() == 9 && weighted(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}
