//! How connections to providers are carried, from the configuration: authorities to trust, and the proxy to go through.

use base64::Engine;
use http::HeaderValue;
use switchboard_engine::upstream::{Origin, Proxy, Transport, TransportSettings};

use crate::config::Config;

/// The settings of `switchboard.upstream` cannot be used. Names no value: a proxy's URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BadTransport {
    /// The authorities cannot be read.
    #[error("`switchboard.upstream.ca_file` cannot be read: {0}")]
    AuthorityFile(std::io::Error),
    /// The authorities, or the TLS settings as a whole, are refused.
    #[error("`switchboard.upstream` cannot be used: {0}")]
    Refused(#[from] switchboard_engine::upstream::TransportError),
    /// The proxy's URL is none.
    #[error("the proxy's URL cannot be used; write `http://host:port` or `http://user:password@host:port`")]
    Proxy,
}

/// The transport of every connection to a provider that has none of its own.
pub fn of(config: &Config) -> Result<Transport, BadTransport> {
    let own = &config.switchboard.upstream;
    let extra_roots = own.ca_file.as_deref().map(std::fs::read).transpose().map_err(BadTransport::AuthorityFile)?;
    let proxy = own.proxy_url.as_ref().map(|url| proxy(url.expose(), bypassed(config))).transpose()?;
    let check = extra_roots.is_some();
    let transport = Transport::new(TransportSettings { extra_roots, proxy, ..TransportSettings::default() });
    if check {
        transport.check()?;
    }
    Ok(transport)
}

/// Hosts reached directly: this machine, and what `NO_PROXY` says.
fn bypassed(config: &Config) -> Vec<String> {
    let named = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| config.environment.get_non_empty(name)).unwrap_or_default();
    let named = named.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned);
    ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).chain(named).collect()
}

fn proxy(url: &str, bypass: Vec<String>) -> Result<Proxy, BadTransport> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let (scheme, rest) = url.split_once("://").ok_or(BadTransport::Proxy)?;
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    let origin = Origin::of(&format!("{scheme}://{host}")).map_err(|_| BadTransport::Proxy)?;
    let authorization = login.map(|login| {
        let login = crate::query::decode(&login.replace('+', "%2B"));
        let encoded = base64::engine::general_purpose::STANDARD.encode(login);
        HeaderValue::try_from(format!("Basic {encoded}")).map(|mut value| {
            value.set_sensitive(true);
            value
        })
    });
    let authorization = authorization.transpose().map_err(|_| BadTransport::Proxy)?;
    Ok(Proxy { origin, authorization, bypass })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_may_want_a_login() {
        let read = proxy("http://me:p%40ss@proxy.internal:3128/", Vec::new()).expect("a proxy");
        assert_eq!(read.origin.to_string(), "http://proxy.internal:3128");
        let shown = read.authorization.expect("a login");
        assert_eq!(shown, "Basic bWU6cEBzcw==");
        assert!(shown.is_sensitive());
        assert_eq!(proxy("proxy:80", Vec::new()).expect("a proxy").authorization, None);
        let refused = proxy("ftp://me:secret@proxy", Vec::new()).expect_err("no proxy");
        assert!(!refused.to_string().contains("secret"));
    }
}
