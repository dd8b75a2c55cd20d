//! Values of each kind in many forms, and sentences around them.

use std::ops::Range;

use fastrand::Rng;

type Make = fn(&mut Rng) -> String;

pub(super) const KINDS: [(&str, Make); 11] = [
    ("email", email),
    ("phone", phone),
    ("credit_card", card),
    ("iban", iban),
    ("ssn", ssn),
    ("secret", secret),
    ("ip_address", ip),
    ("national_id", national_id),
    ("routing_number", routing),
    ("date_of_birth", birth),
    ("bank_account", account),
];

/// Kinds that a text of one kind may rightly hold as well.
pub(super) fn goes_with(kind: &str, other: &str) -> bool {
    matches!((kind, other), ("routing_number" | "bank_account" | "iban" | "credit_card", "financial" | "bank_account"))
}

pub(super) fn digits(rng: &mut Rng, count: usize) -> String {
    (0..count).map(|_| rng.digit(10)).collect()
}

fn signs(rng: &mut Rng, from: &str, count: usize) -> String {
    let from: Vec<char> = from.chars().collect();
    (0..count).map(|_| from[rng.usize(..from.len())]).collect()
}

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// The value in a sentence, and where it stands.
pub(super) fn sentence(rng: &mut Rng, kind: &str, value: &str) -> (String, Range<usize>) {
    let own: &[&str] = match kind {
        "email" => &[
            "Please write to {} about this.",
            "{}",
            "Kontakt: {}",
            "From: Anna <{}>",
            "mailto:{}",
            "send it to {}, thanks",
            "メールは{}です",
            "邮箱：{}",
        ],
        "phone" => &[
            "Call me at {}.",
            "My phone number is {}",
            "Tel.: {}",
            "Telefon {}",
            "Reach me on {} after 5pm",
            "Mobile: {}, thanks",
            "电话：{}",
            "Téléphone : {}",
        ],
        "credit_card" => {
            &["My card number is {}.", "{}", "Charge {} exp 12/27 cvv 123", "card: {}", "Bitte {} belasten", "pay with {} please", "卡号{}"]
        }
        "iban" => &["IBAN: {}", "Please transfer to {} by Friday.", "{}", "Mein Konto ist {} bei der Sparkasse", "iban {} bic", "账户{}"],
        "ssn" => &["My SSN is {}.", "ssn: {}", "Social security number {} on file", "His social is {}"],
        "secret" => {
            &["Here is the key: {}", "{}", "export KEY={}", "use {} to log in", "curl -H 'x-api-key: {}'", "it fails with {} in the header"]
        }
        "ip_address" => &["The server at {} is down.", "ssh root@{}", "host {} port 22", "Client {} sent a request", "{}", "ping {}"],
        "national_id" => &["{}", "id number {}", "on file: {}."],
        "routing_number" => &["Routing number: {}", "ABA {}", "my routing no is {}"],
        "date_of_birth" => &[
            "DOB: {}",
            "Date of birth {}",
            "born on {}",
            "geboren am {}",
            "Geburtsdatum: {}",
            "né le {}",
            "fecha de nacimiento: {}",
            "Birthday: {}",
        ],
        _ => &["Account number: {}", "my account no. {}", "Kontonummer {}", "acct {}"],
    };
    let frame = pick(rng, own);
    let (before, after) = frame.split_once("{}").unwrap();
    let filler = pick(rng, &["", "Hello, ", "As discussed yesterday:\n", "2024 was a good year. "]);
    let tail = pick(rng, &["", " Thank you.", "\nBest regards", " (see above)"]);
    let start = filler.len() + before.len();
    (format!("{filler}{before}{value}{after}{tail}"), start..start + value.len())
}

fn email(rng: &mut Rng) -> String {
    let local = pick(rng, &["anna", "john.doe", "j_smith", "maria+news", "info", "o'brien", "x", "li.wei-88", "support.team", "müller"]);
    let host = pick(
        rng,
        &[
            "example.com",
            "mail.example.co.uk",
            "uni-bonn.de",
            "firma.io",
            "sub.domain.example.org",
            "beispiel.museum",
            "xn--bcher-kva.example",
            "corp.local.net",
        ],
    );
    let number = if rng.bool() { rng.u32(..999).to_string() } else { String::new() };
    format!("{local}{number}@{host}")
}

fn phone(rng: &mut Rng) -> String {
    let mut n = |count| digits(rng, count);
    let (a, b, c, d, e) = (n(2), n(3), n(4), n(2), n(7));
    let area = format!("{}{}", rng.u32(2..10), digits(rng, 2));
    let exchange = format!("{}{}", rng.u32(2..10), digits(rng, 2));
    match rng.u32(..22) {
        0 => format!("({area}) {exchange}-{c}"),
        1 => format!("{area}-{exchange}-{c}"),
        2 => format!("{area}.{exchange}.{c}"),
        3 => format!("+1 {area} {exchange} {c}"),
        4 => format!("+1-{area}-{exchange}-{c}"),
        5 => format!("1-800-{exchange}-{c}"),
        6 => format!("+44 20 7{b} {c}"),
        7 => format!("07{b} {}{}", rng.u32(1..10), digits(rng, 5)),
        8 => format!("020 7{b} {c}"),
        9 => format!("+49 30 {e}"),
        10 => format!("0171 {e}"),
        11 => format!("+33 6 {a} {d} {a} {d}"),
        12 => format!("06 {a} {d} {a} {d}"),
        13 => format!("+34 6{a} {b} {b}"),
        14 => format!("+86 138 {c} {c}"),
        15 => format!("138{c}{c}"),
        16 => format!("+81 90-{c}-{c}"),
        17 => format!("03-{c}-{c}"),
        18 => format!("(11) 9{c}-{c}"),
        19 => format!("+91 98{b} {}", digits(rng, 5)),
        20 => format!("010-{c}-{c}"),
        _ => format!("+4915{}{}", rng.u32(1..8), digits(rng, 8)),
    }
}

/// With the digit that makes it right by Luhn.
fn with_luhn(mut number: String) -> String {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    number.push_str(&((10 - sum % 10) % 10).to_string());
    number
}

pub(super) fn card_digits(rng: &mut Rng) -> String {
    let (prefix, length) = match rng.u32(..9) {
        0 | 1 => ("4".to_owned(), 16),
        2 => (rng.u32(51..56).to_string(), 16),
        3 => (rng.u32(2221..2721).to_string(), 16),
        4 => ("34".to_owned(), 15),
        5 => ("37".to_owned(), 15),
        6 => ("6011".to_owned(), 16),
        7 => (rng.u32(3528..3590).to_string(), 16),
        _ => ("36".to_owned(), 14),
    };
    let rest = digits(rng, length - 1 - prefix.len());
    with_luhn(prefix + &rest)
}

pub(super) fn grouped(number: &str, separator: &str) -> String {
    let cuts: &[usize] = match number.len() {
        15 => &[4, 10],
        14 => &[4, 10],
        _ => &[4, 8, 12],
    };
    let mut out = String::new();
    for (at, letter) in number.chars().enumerate() {
        if cuts.contains(&at) {
            out.push_str(separator);
        }
        out.push(letter);
    }
    out
}

fn card(rng: &mut Rng) -> String {
    let number = card_digits(rng);
    grouped(&number, pick(rng, &["", "", " ", "-"]))
}

/// An IBAN of that country around an account of that form (`n` digit, `a` letter, `c` either).
pub(super) fn iban_of(rng: &mut Rng, country: &str, form: &str) -> String {
    let body: String = form
        .chars()
        .map(|sign| match sign {
            'a' => signs(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1),
            'c' => signs(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 1),
            _ => digits(rng, 1),
        })
        .collect();
    let mut rest = 0_u32;
    for sign in body.chars().chain(country.chars()).chain("00".chars()) {
        let value = sign.to_digit(36).unwrap();
        rest = if value > 9 { (rest * 100 + value) % 97 } else { (rest * 10 + value) % 97 };
    }
    format!("{country}{:02}{body}", 98 - rest)
}

fn iban(rng: &mut Rng) -> String {
    let forms = [
        ("DE", "n".repeat(18)),
        ("GB", "aaaannnnnnnnnnnnnn".to_owned()),
        ("FR", "n".repeat(23)),
        ("NL", "aaaannnnnnnnnn".to_owned()),
        ("ES", "n".repeat(20)),
        ("CH", "n".repeat(17)),
        ("IT", format!("a{}", "n".repeat(22))),
        ("PL", "n".repeat(24)),
        ("NO", "n".repeat(11)),
        ("MT", format!("aaaa{}", "n".repeat(23))),
        ("BE", "n".repeat(12)),
    ];
    let (country, form) = &forms[rng.usize(..forms.len())];
    let number = iban_of(rng, country, form);
    match rng.u32(..3) {
        0 => number,
        1 => number.to_lowercase(),
        _ => number.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(" "),
    }
}

fn ssn(rng: &mut Rng) -> String {
    let area = loop {
        let area = rng.u32(1..900);
        if area != 666 {
            break area;
        }
    };
    let (group, serial) = (rng.u32(1..100), rng.u32(1..10_000));
    let separator = pick(rng, &["-", "-", " "]);
    format!("{area:03}{separator}{group:02}{separator}{serial:04}")
}

fn secret(rng: &mut Rng) -> String {
    let mut s = |from, count| signs(rng, from, count);
    let (a20, a36, a40, h32) = (s(ALPHANUMERIC, 20), s(ALPHANUMERIC, 36), s(ALPHANUMERIC, 40), s(HEX, 32));
    let caps = s("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
    let password = format!("{}!{}", s(ALPHANUMERIC, 7), s("0123456789", 3));
    match rng.u32(..20) {
        0 => format!("sk-{a40}"),
        1 => format!("sk-proj-{a40}_{a20}"),
        2 => format!("sk-ant-api03-{a40}-{a36}"),
        3 => format!("AKIA{caps}"),
        4 => format!("ghp_{a36}"),
        5 => format!("github_pat_{a20}_{a40}"),
        6 => format!("glpat-{a20}"),
        7 => format!("xoxb-{}-{}-{a20}", digits(rng, 11), digits(rng, 12)),
        8 => format!("AIza{}", &a40[..35]),
        9 => format!("sk_live_{a20}"),
        10 => format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{a20}.{a40}"),
        11 => "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA".to_owned(),
        12 => format!("npm_{a36}"),
        13 => format!("SG.{a20}.{a40}"),
        14 => format!("hf_{a36}"),
        15 => format!("api_key = \"{a36}\""),
        16 => format!("AWS_SECRET_ACCESS_KEY={a40}"),
        17 => format!("password: {password}"),
        18 => format!("postgres://admin:{password}@db.internal:5432/app"),
        _ => format!("client_secret: '{h32}'"),
    }
}

fn ip(rng: &mut Rng) -> String {
    match rng.u32(..4) {
        0 => format!("2001:db8:{:x}::{:x}", rng.u16(1..), rng.u16(1..)),
        1 => format!("fe80::{:x}:{:x}:{:x}:{:x}", rng.u16(256..), rng.u16(256..), rng.u16(256..), rng.u16(256..)),
        _ => format!("{}.{}.{}.{}", rng.u8(1..224), rng.u8(..), rng.u8(..), rng.u8(..)),
    }
}

fn national_id(rng: &mut Rng) -> String {
    match rng.u32(..4) {
        0 => {
            let number = rng.u32(10_000_000..99_999_999);
            format!("{number}{}", "TRWAGMYFPDXBNJZSQVHLCKE".as_bytes()[(number % 23) as usize] as char)
        }
        1 => {
            let mut all: Vec<u32> = (0..9).map(|_| rng.u32(..10)).collect();
            for count in [9_u32, 10] {
                let sum: u32 = all.iter().zip((2..=count + 1).rev()).map(|(digit, weight)| digit * weight).sum();
                all.push(sum * 10 % 11 % 10);
            }
            let text: String = all.iter().map(u32::to_string).collect();
            format!("{}.{}.{}-{}", &text[..3], &text[3..6], &text[6..9], &text[9..])
        }
        2 => {
            let body =
                format!("{}{}{:02}{:02}{}", rng.u32(110_000..660_000), rng.u32(1950..2010), rng.u32(1..13), rng.u32(1..29), digits(rng, 3));
            let sum: u32 = body
                .bytes()
                .zip([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
                .map(|(byte, weight)| u32::from(byte - b'0') * weight)
                .sum();
            format!("{body}{}", "10X98765432".as_bytes()[(sum % 11) as usize] as char)
        }
        _ => {
            let body = format!(
                "{}{:02}{:02}{:02}{}{}",
                rng.u32(1..3),
                rng.u32(30..99),
                rng.u32(1..13),
                rng.u32(1..96),
                digits(rng, 3),
                digits(rng, 3)
            );
            let key = 97 - body.parse::<u64>().unwrap() % 97;
            format!("{body}{key:02}")
        }
    }
}

fn routing(rng: &mut Rng) -> String {
    loop {
        let number = format!("{:02}{}", [1, 2, 11, 12, 21, 26, 32, 61, 72][rng.usize(..9)], digits(rng, 7));
        let sum: u32 = number.bytes().zip([3, 7, 1, 3, 7, 1, 3, 7, 1]).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
        if sum.is_multiple_of(10) {
            return number;
        }
    }
}

fn birth(rng: &mut Rng) -> String {
    let (day, month, year) = (rng.u32(1..29), rng.u32(1..13), rng.u32(1930..2015));
    let name = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
        [month as usize - 1];
    match rng.u32(..6) {
        0 => format!("{year}-{month:02}-{day:02}"),
        1 => format!("{month:02}/{day:02}/{year}"),
        2 => format!("{day}.{month}.{year}"),
        3 => format!("{name} {day}, {year}"),
        4 => format!("{day} {name} {year}"),
        _ => format!("{day:02}-{month:02}-{year}"),
    }
}

fn account(rng: &mut Rng) -> String {
    let count = rng.usize(8..13);
    format!("{}{}", rng.u32(1..10), digits(rng, count - 1))
}
