//! Texts that look as if they held something and do not.

use fastrand::Rng;

use super::generate::{card_digits, digits, grouped, iban_of};

type Make = fn(&mut Rng) -> String;

pub(super) const ALL: [Make; 21] = [
    |rng| format!("Your order number is {}-{}-{}.", digits(rng, 3), digits(rng, 7), digits(rng, 7)),
    |rng| format!("Order ORD-{}-{} has shipped.", rng.u32(2019..2026), digits(rng, 6)),
    |rng| format!("We run version {}.{}.{}.{} of the driver.", rng.u8(..), rng.u8(..), rng.u8(..), rng.u8(..)),
    |rng| format!("upgrade to v{}.{}.{}", rng.u8(..20), rng.u8(..20), rng.u8(..20)),
    |rng| {
        format!(
            "It happened at {}-{:02}-{:02}T{:02}:{:02}:{:02}Z.",
            rng.u32(2000..2026),
            rng.u32(1..13),
            rng.u32(1..29),
            rng.u32(..24),
            rng.u32(..60),
            rng.u32(..60)
        )
    },
    |rng| format!("The timestamp was {}.", rng.u64(1_500_000_000..1_800_000_000)),
    |rng| format!("The book is ISBN 978-{}-{}-{}-{}.", rng.u32(..10), digits(rng, 4), digits(rng, 4), rng.u32(..10)),
    // A card number with a wrong last digit.
    |rng| {
        let number = card_digits(rng);
        let (body, last) = number.split_at(number.len() - 1);
        let wrong = (last.parse::<u32>().unwrap() + rng.u32(1..10)) % 10;
        format!("My card number is {}.", grouped(&format!("{body}{wrong}"), if rng.bool() { " " } else { "" }))
    },
    // An IBAN with a wrong checksum.
    |rng| {
        let right = iban_of(rng, "DE", &"n".repeat(18));
        let check: u32 = right[2..4].parse().unwrap();
        format!("IBAN DE{:02}{}", (check + rng.u32(1..90)) % 97 + 2, &right[4..]).replace(&right, "none")
    },
    |rng| format!("Social security number {}-{}-{}", ["000", "666", "901", "987"][rng.usize(..4)], digits(rng, 2), digits(rng, 4)),
    |rng| format!("The number {}-00-{} is not valid", digits(rng, 3), digits(rng, 4)),
    |rng| format!("commit {:016x}{:016x}{:08x} fixes it", rng.u64(..), rng.u64(..), rng.u32(..)),
    |rng| format!("request id {:08x}-{:04x}-{:04x}-{:04x}-{:012x}", rng.u32(..), rng.u16(..), rng.u16(..), rng.u16(..), rng.u64(..1 << 48)),
    |_| "api_key = \"YOUR_API_KEY_HERE\" and password: <your password>".to_owned(),
    |_| "Set token: ${GITHUB_TOKEN} and secret = os.environ['SECRET_VALUE']".to_owned(),
    |_| "What makes a good password? The secret is to use a passphrase.".to_owned(),
    |rng| format!("Follow @user{} or see icon@2x.png and react@18.{}.0", rng.u32(..99), rng.u32(..20)),
    |rng| format!("It costs ${}.{:02} for {} pieces, {}% off.", rng.u32(1..9999), rng.u32(..100), rng.u32(1..500), rng.u32(1..90)),
    |rng| format!("Coordinates {}.{} and -{}.{}", rng.u32(1..90), digits(rng, 6), rng.u32(1..180), digits(rng, 6)),
    |rng| {
        format!(
            "Use std::vec::Vec and a::b at {:02}:{:02}:{:02}, ratio 16:9, MAC 00:1A:2B:3C:4D:{:02X}.",
            rng.u32(..24),
            rng.u32(..60),
            rng.u32(..60),
            rng.u8(..)
        )
    },
    |rng| {
        format!(
            "The meeting is on {:02}/{:02}/{} in room {}, page {} of {}.",
            rng.u32(1..13),
            rng.u32(1..29),
            rng.u32(2000..2030),
            rng.u32(100..999),
            rng.u32(1..99),
            rng.u32(100..999)
        )
    },
];
