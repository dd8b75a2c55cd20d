//! Lists of addresses, and the one that a request comes from.

use std::net::IpAddr;

use http::HeaderMap;

use crate::config::resolved::Proxies;

/// The header in which a proxy writes who called it, behind what others wrote before.
const FORWARDED: &str = "x-forwarded-for";

/// Whether an entry (`10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`) has that address.
pub(crate) fn has(entry: &str, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let (network, bits) = entry.trim().split_once('/').map_or((entry.trim(), None), |(network, bits)| (network, Some(bits)));
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let network = network.to_canonical();
    let (left, right, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (u128::from(network.to_bits()), u128::from(address.to_bits()), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let Some(bits) = bits.map_or(Some(width), |bits| bits.parse::<u32>().ok().filter(|bits| *bits <= width)) else { return false };
    bits == 0 || (left ^ right) >> (width - bits) == 0
}

/// Whom a request comes from: its connection's other end, or, where that is a proxy that is believed, whom it names. Each proxy adds
/// whom it was called by at the end, so the last address that is no proxy's is the first that nobody can have made up. What stands at
/// the other end of a unix socket has no address; who may open the socket is believed.
pub(crate) fn asker(proxies: &Proxies, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let believed = |address: IpAddr| proxies.ranges.iter().any(|range| has(range, address));
    let mut nearest = match peer {
        Some(proxy) if proxies.are_asked && believed(proxy) => Some(proxy),
        None if proxies.are_asked => None,
        peer => return peer,
    };
    let named: Vec<&str> =
        headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).collect();
    for text in named.into_iter().rev() {
        let Some(address) = written(text) else { break };
        nearest = Some(address);
        if !believed(address) {
            break;
        }
    }
    nearest
}

/// An address as proxies write them: with a port, perhaps, and in brackets.
fn written(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses() {
        for (entry, address, inside) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/33", "10.0.0.1", false),
            ("nonsense", "10.0.0.1", false),
        ] {
            assert_eq!(has(entry, address.parse().expect("an address")), inside, "{entry} {address}");
        }
    }

    #[test]
    fn only_the_word_of_a_known_proxy_counts() {
        let proxies = Proxies { are_asked: true, ranges: vec!["10.0.0.0/8".to_owned()] };
        let caller = |proxies: &Proxies, peer: &str, forwarded: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED, http::HeaderValue::from_static(value));
            }
            asker(proxies, peer.parse().ok(), &headers).expect("an address").to_string()
        };
        for (peer, forwarded, who) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.2.3.4"], "198.51.100.7"),
            ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("unix", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(caller(&proxies, peer, forwarded), who, "{peer} {forwarded:?}");
        }
        assert_eq!(caller(&Proxies { are_asked: false, ..proxies.clone() }, "10.0.0.1", &["198.51.100.7"]), "10.0.0.1");
        assert_eq!(caller(&Proxies { are_asked: true, ranges: Vec::new() }, "10.0.0.1", &["198.51.100.7"]), "10.0.0.1");
    }
}
