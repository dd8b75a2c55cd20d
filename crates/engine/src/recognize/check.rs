//! What patterns cannot say: checksums, ranges, and how random a text is.

use std::ops::Range;

mod identity;
mod money;
mod network;
mod secret;

/// The kinds that rules may name.
pub(super) const KINDS: [&str; 13] = [
    "secret",
    "none",
    "iban",
    "credit_card",
    "routing_number",
    "bank_account",
    "ssn",
    "passport",
    "national_id",
    "email",
    "date_of_birth",
    "ip_address",
    "phone",
];

/// Looks closer at a span that a pattern met: the span to report, which may be shorter or longer, or `None`.
type Look = fn(&str, Range<usize>) -> Option<Range<usize>>;

/// A check by its name in the table.
#[derive(Clone, Copy)]
pub(super) struct Check {
    look: Look,
    trims: bool,
    judges_all: bool,
}

impl Check {
    /// Looks closer.
    pub(super) fn run(self, text: &str, met: Range<usize>) -> Option<Range<usize>> {
        (self.look)(text, met)
    }

    /// Whether it finds the true ends itself.
    pub(super) fn trims(self) -> bool {
        self.trims
    }

    /// Whether nothing within what it refuses can be one either.
    pub(super) fn judges_all(self) -> bool {
        self.judges_all
    }
}

/// A check that only says yes or no to the digits and letters of a span.
macro_rules! of_signs {
    ($judge:path) => {
        |text, met| {
            let signs: Vec<u8> = text[met.clone()].bytes().filter(u8::is_ascii_alphanumeric).collect();
            $judge(&signs).then_some(met)
        }
    };
}

/// The check of that name.
pub(super) fn named(name: &str) -> Option<Check> {
    let look: Look = match name {
        "jwt" => secret::is_jwt,
        "random" => secret::is_random,
        "value" => secret::is_value,
        "token" => secret::is_token,
        "password" => secret::is_password,
        "iban" => money::iban,
        "card" => money::card,
        "aba" => of_signs!(money::is_aba),
        "account" => money::account,
        "isbn" => of_signs!(money::is_isbn),
        "luhn" => of_signs!(luhn),
        "ssn" => identity::ssn,
        "mrz" => identity::mrz,
        "passport" => identity::passport,
        "date" => identity::date,
        "china" => of_signs!(identity::is_china),
        "italy" => of_signs!(identity::is_italy),
        "france" => of_signs!(identity::is_france),
        "spain" => of_signs!(identity::is_spain),
        "brazil" => of_signs!(identity::is_brazil),
        "nino" => of_signs!(identity::is_nino),
        "belgium" => of_signs!(identity::is_belgium),
        "sweden" => of_signs!(identity::is_sweden),
        "finland" => of_signs!(identity::is_finland),
        "korea" => of_signs!(identity::is_korea),
        "aadhaar" => of_signs!(identity::is_aadhaar),
        "mexico" => of_signs!(identity::is_mexico),
        "poland" => of_signs!(identity::is_poland),
        "germany" => of_signs!(identity::is_germany),
        "netherlands" => of_signs!(identity::is_netherlands),
        "nhs" => of_signs!(identity::is_nhs),
        "japan" => of_signs!(identity::is_japan),
        "turkey" => of_signs!(identity::is_turkey),
        "norway" => of_signs!(identity::is_norway),
        "tfn" => of_signs!(identity::is_tfn),
        "email" => network::email,
        "ipv4" => network::ipv4,
        "ipv6" => network::ipv6,
        "international" => network::international,
        "american" => network::american,
        "trunk" => network::trunk,
        "chinese" => of_signs!(network::is_chinese_mobile),
        "plausible" => network::plausible,
        "local" => network::local,
        _ => return None,
    };
    let trims = matches!(name, "card" | "email" | "ipv6" | "account" | "international" | "ssn");
    Some(Check { look, trims, judges_all: matches!(name, "random" | "token" | "jwt") })
}

/// The digits of a text, as numbers.
fn digits(text: &str) -> Vec<u32> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0')).collect()
}

fn numbers(signs: &[u8]) -> Vec<u32> {
    signs.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect()
}

/// The check of cards and of many other numbers.
fn luhn(signs: &[u8]) -> bool {
    let digits = numbers(signs);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => *digit,
            _ if *digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    digits.iter().any(|digit| *digit != 0) && sum.is_multiple_of(10)
}

/// The sum of digits, each times its weight.
fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The number that digits spell.
fn spelled(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

/// Whether there is such a day.
fn is_day(day: u32, month: u32) -> bool {
    let longest = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=longest).contains(&day)
}
