//! Which addresses belong to the public network.
//!
//! After IANA's registries of special-purpose addresses. Of IPv6 only `2000::/3` is given out; what of it leads to IPv4 by way of a
//! relay, or is reserved, is left out, since a packet may come out anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address and length of the prefixes that are not public.
const V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Prefixes within `2000::/3` that are not public: protocol assignments with Teredo, documentation, 6to4.
const V6: [([u16; 2], u32); 4] = [([0x2001, 0], 23), ([0x2001, 0x0db8], 32), ([0x2002, 0], 16), ([0x3fff, 0], 20)];

/// Whether an address belongs to the public network.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether a host is a name, and no number in a form by which filters are fooled: other than four decimal ones.
pub(super) fn is_name(host: &str) -> bool {
    let letters = host.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._".contains(&letter));
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|digit| digit.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    letters && !numeric && !last.is_empty()
}

/// Whether a host is written as one of the public network's: a public address, or a name below another that is not known to be within.
pub fn may_be_public(host: &str) -> bool {
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return is_public(address);
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let within = ["local", "localhost", "internal"].iter().any(|last| host.rsplit('.').next() == Some(last));
    is_name(&host) && host.contains('.') && !within
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !V4.iter().any(|(prefix, length)| (bits ^ u32::from_be_bytes(*prefix)) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let bits = u32::from(first) << 16 | u32::from(second);
    let reserved = V6.iter().any(|([high, low], length)| (bits ^ (u32::from(*high) << 16 | u32::from(*low))) >> (32 - length) == 0);
    first & 0xe000 == 0x2000 && !reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_public_network_are_no_numbers() {
        for (host, public) in [
            ("api.example.com", true),
            ("api.example.com.", true),
            ("1.1.1.1", true),
            ("127.0.0.1", false),
            ("127.1", false),
            ("0x7f.1", false),
            ("0x7f000001", false),
            ("2130706433", false),
            ("::1", false),
            ("localhost", false),
            ("a.localhost", false),
            ("metadata.google.internal", false),
            ("METADATA.google.Internal.", false),
            ("printer.local", false),
            ("intranet", false),
            ("", false),
        ] {
            assert_eq!(may_be_public(host), public, "{host}");
        }
    }

    #[test]
    fn only_public_addresses_are() {
        let public =
            ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255"];
        let public_v6 = ["2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1", "3ffe::1"];
        for text in public.into_iter().chain(public_v6) {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        let within = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
        ];
        let within_v6 = [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:53aa:64c::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ];
        for text in within.into_iter().chain(within_v6) {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
