//! Headers put right once for all requests to one place.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, USER_AGENT};

use super::origin::{Credential, Origin, WrongOrigin};

/// What we call ourselves towards providers.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION")));

/// The headers that every request to one origin carries, its credential among them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Preset(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    origin: Origin,
    headers: HeaderMap,
}

impl Preset {
    /// Puts the headers right for that origin, the only one they may be sent to.
    pub fn new(origin: Origin, mut headers: HeaderMap, credential: Option<&Credential>) -> Result<Self, WrongOrigin> {
        put_right(&mut headers, &origin, credential)?;
        // Room for each request's own, for a copy has no more room than it needs.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        Ok(Self(Arc::new(Parts { origin, headers })))
    }
}

/// The headers of one request: its own win over those of every request.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    preset: Option<Preset>,
    own: HeaderMap,
}

impl Headers {
    /// The headers of a request to `origin`.
    pub(crate) fn new(
        origin: &Origin,
        preset: Option<Preset>,
        mut own: HeaderMap,
        credential: Option<&Credential>,
    ) -> Result<Self, WrongOrigin> {
        match &preset {
            None => put_right(&mut own, origin, credential)?,
            Some(preset) if preset.0.origin != *origin => return Err(WrongOrigin),
            Some(_) => {
                if let Some(credential) = credential {
                    credential.attach(origin, &mut own)?;
                }
                leave_framing(&mut own);
            }
        }
        Ok(Self { preset, own })
    }

    /// All of them, as they go out with a body of that length.
    pub(crate) fn all(&self, length: u64) -> HeaderMap {
        let mut all = match &self.preset {
            None => self.own.clone(),
            Some(preset) => preset.0.headers.clone(),
        };
        if self.preset.is_some() && !self.own.is_empty() {
            all.extend(self.own.clone());
        }
        // A request without a body does not say so, except by saying nothing.
        match HeaderValue::from_str(itoa::Buffer::new().format(length)) {
            Ok(length) if length != "0" => drop(all.insert(CONTENT_LENGTH, length)),
            Ok(_) | Err(_) => drop(all.remove(CONTENT_LENGTH)),
        }
        all
    }
}

fn put_right(headers: &mut HeaderMap, origin: &Origin, credential: Option<&Credential>) -> Result<(), WrongOrigin> {
    if let Some(credential) = credential {
        credential.attach(origin, headers)?;
    }
    leave_framing(headers);
    headers.insert(HOST, origin.host_header().clone());
    headers.entry(USER_AGENT).or_insert(AGENT);
    Ok(())
}

/// The message's framing is the connection's business.
fn leave_framing(headers: &mut HeaderMap) {
    if !headers.is_empty() {
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, ACCEPT_ENCODING] {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_requests_own_headers_win_over_the_preset_ones() {
        let origin = Origin::of("http://127.0.0.1:9").expect("an origin");
        let credential = Credential::new(origin.clone(), [("x-key".parse().expect("a name"), HeaderValue::from_static("k"))]);
        let constant = map(&[("content-type", "application/json"), ("accept-encoding", "gzip"), ("x-a", "1")]);
        let preset = Preset::new(origin.clone(), constant, Some(&credential)).expect("the right origin");
        let own = map(&[("content-type", "text/plain"), ("content-length", "7"), ("x-b", "2")]);
        let headers = Headers::new(&origin, Some(preset.clone()), own, None).expect("the right origin");
        let all = headers.all(12);
        assert_eq!(headers.all(0).get("content-length"), None);
        let host = ("host", "127.0.0.1:9");
        let agent = ("user-agent", concat!("switchboard/", env!("CARGO_PKG_VERSION")));
        assert_eq!(
            all,
            map(&[("content-type", "text/plain"), ("x-a", "1"), ("x-b", "2"), ("x-key", "k"), ("content-length", "12"), host, agent])
        );
        assert!(all.get("x-key").is_some_and(HeaderValue::is_sensitive));
        let elsewhere = Origin::of("http://127.0.0.1:10").expect("an origin");
        assert!(Headers::new(&elsewhere, Some(preset), HeaderMap::new(), None).is_err());
        assert!(Preset::new(elsewhere, HeaderMap::new(), Some(&credential)).is_err());
    }
}
