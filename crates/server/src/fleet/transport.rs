//! How connections to providers are carried, from the configuration: authorities to trust, the certificate
//! to show, and the proxy to go through.

use std::path::{Path, PathBuf};

use base64::Engine;
use http::HeaderValue;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use switchboard_engine::upstream::{Identity, Origin, Proxy, Transport, TransportSettings, Verify};

use crate::config::Config;
use crate::config::resolved::{Deployment, SslVerify};

/// The settings of `switchboard.upstream` cannot be used. Names no value: a proxy's URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BadTransport {
    /// The authorities cannot be read.
    #[error("`switchboard.upstream.ca_file` cannot be read: {0}")]
    AuthorityFile(std::io::Error),
    /// A file of authorities cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The gateway's own certificate cannot be used.
    #[error("the certificate or the key in `{path}` cannot be used: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls_pki_types::pem::Error,
    },
    /// The authorities, or the TLS settings as a whole, are refused.
    #[error("`switchboard.upstream` cannot be used: {0}")]
    Refused(#[from] switchboard_engine::upstream::TransportError),
    /// The proxy's URL is none.
    #[error("the proxy's URL cannot be used; write `http://host:port` or `http://user:password@host:port`")]
    Proxy,
}

/// The transport of every connection to a provider that has none of its own.
pub fn of(config: &Config) -> Result<Transport, BadTransport> {
    let settings = settings(config, config.litellm.ssl_verify.clone().or_else(|| verify_of(config)).as_ref(), None)?;
    let check = settings.extra_roots.is_some() || settings.identity.is_some();
    let transport = Transport::new(settings);
    if check {
        transport.check()?;
    }
    Ok(transport)
}

/// The transport of a deployment; `None`: that of all others. What a team brought is reached as what callers bring, in the public
/// network alone, and nothing of the gateway's own is shown there.
pub fn of_deployment(config: &Config, deployment: &Deployment) -> Result<Option<Transport>, BadTransport> {
    if deployment.brought {
        return Ok(Some(super::detour::OUTSIDE.clone()));
    }
    let (verify, certificate) = (deployment.connection.ssl_verify.as_ref(), deployment.connection.ssl_certificate.as_deref());
    if verify.is_none() && certificate.is_none() {
        return Ok(None);
    }
    let transport = Transport::new(settings(config, verify, certificate)?);
    transport.check()?;
    Ok(Some(transport))
}

/// What is set for all, but for who is believed and who we say we are.
fn settings(config: &Config, verify: Option<&SslVerify>, certificate: Option<&Path>) -> Result<TransportSettings, BadTransport> {
    let own = &config.switchboard.upstream;
    let mut extra_roots = own.ca_file.as_deref().map(std::fs::read).transpose().map_err(BadTransport::AuthorityFile)?;
    if let Some(SslVerify::File(path)) = verify {
        let pem = std::fs::read(path).map_err(|source| BadTransport::Unreadable { path: path.into(), source })?;
        extra_roots.get_or_insert_default().extend(pem);
    }
    let general = config.litellm.ssl_certificate.clone();
    let general = general.or_else(|| config.environment.get_non_empty("SSL_CERTIFICATE").map(PathBuf::from));
    let identity = match (certificate, &own.client_certificate_file) {
        (Some(both), _) => Some(identity(both, both)?),
        (None, Some(chain)) => Some(identity(chain, own.client_key_file.as_ref().unwrap_or(chain))?),
        (None, None) => general.map(|both| identity(&both, &both)).transpose()?,
    };
    Ok(TransportSettings {
        verify: if verify == Some(&SslVerify::Off) { Verify::Nothing } else { Verify::Full },
        extra_roots,
        identity,
        proxy: own.proxy_url.as_ref().map(|url| proxy(url.expose(), bypassed(config))).transpose()?,
        ..TransportSettings::default()
    })
}

/// What `SSL_VERIFY` says.
fn verify_of(config: &Config) -> Option<SslVerify> {
    Some(match config.environment.get_non_empty("SSL_VERIFY")?.trim() {
        word if word.eq_ignore_ascii_case("false") => SslVerify::Off,
        word if word.eq_ignore_ascii_case("true") => SslVerify::System,
        path => SslVerify::File(path.to_owned()),
    })
}

/// Our own certificate: the chain and the key, which may stand in one file.
fn identity(chain: &Path, key: &Path) -> Result<Identity, BadTransport> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| BadTransport::Certificate { path, source }
    };
    let certificates = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unusable(chain))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
    Ok(Identity { chain: certificates, key })
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
