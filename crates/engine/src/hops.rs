//! How often a request has been through gateways: one that goes in circles is stopped.
//!
//! A deployment may lead back to this gateway: by itself, by an alias, by way of another gateway. Each gateway adds its mark to
//! `x-switchboard-hops` of whatever it sends on to where a gateway may be. The mark is drawn when the process starts and nobody can guess it, so a request that
//! bears it has been here before; after [`MOST`] gateways in all it is refused with 508, and nobody on its way tries it again or
//! holds it against a deployment. Marks of others are not believed: with them a client could only have its own request refused, and
//! it takes [`LONGEST`] of them, more than any chain of gateways has.

use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::Provider;
use crate::error::Error;

/// What tells where a request has been.
pub(crate) const HOPS: HeaderName = HeaderName::from_static("x-switchboard-hops");

/// The most gateways a request may have been through that was here before.
const MOST: usize = 3;
/// The most gateways that any request may have been through.
const LONGEST: usize = 16;
/// Characters of a mark.
const LENGTH: usize = 32;

/// What this gateway marks requests with.
static OWN: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mark = format!("{:032x}", fastrand::u128(..));
    HeaderValue::try_from(mark).unwrap_or_else(|_| HeaderValue::from_static("00000000000000000000000000000000"))
});

/// This gateway's mark.
pub(crate) fn own() -> HeaderValue {
    OWN.clone()
}

/// Whether a provider may lead back to a gateway: one that is a gateway itself, that anybody may run, or that is where an operator says
/// (`elsewhere`), in a row of the operator's own or for a deployment. At its own address in the catalogue no provider does.
pub fn may_return(provider: &Provider, elsewhere: bool) -> bool {
    elsewhere || provider.gateway || provider.local || provider.is_own
}

/// Marks what is sent to where a gateway may be.
pub(crate) fn mark(headers: &mut HeaderMap, may_return: bool) {
    if may_return {
        headers.insert(HOPS, own());
    }
}

/// The marks on a request; what is none is left out.
fn marks(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(HOPS).into_iter().filter_map(|value| value.to_str().ok());
    let listed = texts.flat_map(|text| text.split(',').map(str::trim));
    listed.filter(|mark| mark.len() == LENGTH && mark.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a request with those headers has been here before.
pub(crate) fn was_here(headers: &HeaderMap) -> bool {
    headers.contains_key(HOPS) && marks(headers).any(|mark| mark.as_bytes() == OWN.as_bytes())
}

/// Refuses a request that goes in circles.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Error> {
    if !headers.contains_key(HOPS) {
        return Ok(());
    }
    let passed = marks(headers).count();
    if passed >= LONGEST || passed >= MOST && was_here(headers) { Err(Error::circles()) } else { Ok(()) }
}

/// Tells the next gateway where a request has been, where that is more than here.
pub(crate) fn pass_on(client: &HeaderMap, upstream: &mut HeaderMap) {
    if !client.contains_key(HOPS) {
        return;
    }
    let mut list: Vec<&str> = marks(client).take(LONGEST).collect();
    if let (false, Ok(own)) = (list.is_empty(), OWN.to_str()) {
        list.push(own);
        if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
            upstream.insert(HOPS, value);
        }
    }
}

/// What a question on behalf of a call has of its headers: where it has been.
pub(crate) fn carried(client: &HeaderMap) -> HeaderMap {
    client.get_all(HOPS).into_iter().map(|value| (HOPS, value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::error::Retry;

    fn of(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HOPS, HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn only_what_was_here_goes_in_circles() {
        let (own, other) = (own().to_str().expect("text").to_owned(), "0123456789abcdef0123456789abcdef");
        assert!(check(&HeaderMap::new()).is_ok());
        assert!(check(&of(&[&own])).is_ok() && check(&of(&[&format!("{own}, {other}")])).is_ok());
        let circle = check(&of(&[&format!("{own}, {other}"), &own])).expect_err("refused");
        assert_eq!((circle.problem.status(), circle.retry), (StatusCode::LOOP_DETECTED, Retry::Never));
        // What a client makes up stops nobody, short of more than any chain has.
        for made_up in ["3", "99999999", "-1", "x", "\u{e9}", &[other; 15].join(",")] {
            assert!(check(&of(&[made_up])).is_ok(), "{made_up}");
        }
        assert!(check(&of(&[&[other; 16].join(",")])).is_err());
    }

    #[test]
    fn only_where_a_gateway_may_be_is_told_where_a_request_has_been() {
        use crate::catalog::Catalog;
        let own = Provider::parse_rows("[mine]\nname = \"Mine\"\nbase = \"https://mine.example\"\nauth = \"none\"\n").expect("a row");
        let catalog = Catalog::embedded().clone().with_providers(own);
        for (provider, elsewhere, expected) in
            [("openai", false, false), ("openai", true, true), ("litellm_proxy", false, true), ("vllm", false, true), ("mine", false, true)]
        {
            assert_eq!(may_return(catalog.provider(provider).expect("a row"), elsewhere), expected, "{provider}");
        }
    }

    #[test]
    fn marks_are_passed_on_and_nothing_else() {
        let other = "0123456789abcdef0123456789abcdef";
        let mut sent = HeaderMap::new();
        pass_on(&HeaderMap::new(), &mut sent);
        pass_on(&of(&["3, junk\t", "x: y"]), &mut sent);
        assert!(sent.is_empty(), "the constant header says enough");
        sent.insert(HOPS, own());
        pass_on(&of(&[&format!("{other}, junk")]), &mut sent);
        let own = own();
        assert_eq!(sent.get_all(HOPS).iter().count(), 1);
        assert_eq!(sent[HOPS].to_str().expect("text"), format!("{other}, {}", own.to_str().expect("text")));
        assert!(!was_here(&of(&[other])) && was_here(&sent));
    }
}
