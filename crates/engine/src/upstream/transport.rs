//! How connections are secured and through which proxy they go.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};

use super::origin::Origin;

/// Whether a server must prove its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Chain, name and validity are checked.
    #[default]
    Full,
    /// Nothing is checked: an operator's explicit choice for one target.
    Nothing,
}

/// The HTTP versions offered to a TLS server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 where the server takes it, else HTTP/1.1.
    #[default]
    Any,
    /// HTTP/1.1 alone.
    Http1,
}

/// Our own certificate, for servers that ask for one.
pub struct Identity {
    /// The chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// An HTTP proxy: TLS origins are reached by CONNECT, plain ones by absolute URLs.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where the proxy listens; plain http.
    pub origin: Origin,
    /// The `Proxy-Authorization` value, if it wants one.
    pub authorization: Option<HeaderValue>,
    /// Hosts reached directly: exact names, or `.suffix`.
    pub bypass: Vec<String>,
}

/// Says whether an address may be dialled; asked for every address, literals included.
pub type AddressCheck = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What a [`Transport`] is made of.
#[derive(Default)]
pub struct TransportSettings {
    /// Whether servers must prove their names.
    pub verify: Verify,
    /// The HTTP versions offered.
    pub versions: Versions,
    /// PEM text of further certificate authorities.
    pub extra_roots: Option<Vec<u8>>,
    /// Our own certificate.
    pub identity: Option<Identity>,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// Names with fixed addresses, in place of the resolver.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// A policy over addresses; `None` allows all.
    pub address_check: Option<AddressCheck>,
}

/// A way of carrying connections, cheap to clone; connections are only shared within one.
#[derive(Clone, Default)]
pub struct Transport(Arc<Shared>);

#[derive(Default)]
struct Shared {
    settings: TransportSettings,
    /// Built at the first TLS connection: reading the system's roots costs milliseconds and memory.
    tls: OnceLock<Result<Arc<ClientConfig>, TransportError>>,
}

/// The TLS settings cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// The extra roots hold no readable certificate.
    #[error("the extra certificate authorities hold no readable certificate")]
    ExtraRoots,
    /// rustls refused the settings.
    #[error("the TLS settings were refused: {0}")]
    Refused(#[from] rustls::Error),
}

// === impl Versions ===

impl Versions {
    /// Their names in TLS, the better first.
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Http1 => vec![b"http/1.1".to_vec()],
        }
    }
}

// === impl Transport ===

impl Transport {
    /// A transport with these settings; TLS is not set up before it is needed.
    pub fn new(settings: TransportSettings) -> Self {
        Self(Arc::new(Shared { settings, tls: OnceLock::new() }))
    }

    /// Sets TLS up now, so that wrong settings are found at start.
    pub fn check(&self) -> Result<(), TransportError> {
        self.tls(Versions::Any).map(drop)
    }

    pub(crate) fn settings(&self) -> &TransportSettings {
        &self.0.settings
    }

    /// The proxy for an origin, unless it is bypassed.
    pub(crate) fn proxy_for(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = self.0.settings.proxy.as_ref()?;
        let host = origin.host();
        let bypassed = proxy.bypass.iter().any(|entry| {
            entry == "*" || entry.eq_ignore_ascii_case(host) || (entry.starts_with('.') && host.ends_with(&entry.to_ascii_lowercase()))
        });
        (!bypassed).then_some(proxy)
    }

    /// What secures a connection that offers these versions, or the fewer that are ours.
    pub(crate) fn tls(&self, versions: Versions) -> Result<Arc<ClientConfig>, TransportError> {
        let usual = self.0.tls.get_or_init(|| client_config(&self.0.settings).map(Arc::new)).clone()?;
        Ok(match versions {
            Versions::Any => usual,
            Versions::Http1 => {
                let mut fewer = ClientConfig::clone(&usual);
                fewer.alpn_protocols = versions.protocols();
                Arc::new(fewer)
            }
        })
    }
}

/// Two transports are the same only if one is a clone of the other.
impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transport {}

impl Hash for Transport {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).addr().hash(state);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.0.settings;
        f.debug_struct("Transport")
            .field("verify", &settings.verify)
            .field("versions", &settings.versions)
            .field("identity", &settings.identity.is_some())
            .field("proxy", &settings.proxy.as_ref().map(|proxy| &proxy.origin))
            .finish_non_exhaustive()
    }
}

fn client_config(settings: &TransportSettings) -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match settings.verify {
        Verify::Full => {
            let known = KnownServer::new(roots(settings.extra_roots.as_deref())?, provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(known))
        }
        Verify::Nothing => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider))),
    };
    let mut config = match &settings.identity {
        Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = settings.versions.protocols();
    Ok(config)
}

/// The system's roots, or the built-in ones where the system has none, and the extra ones.
fn roots(extra: Option<&[u8]>) -> Result<Arc<RootCertStore>, TransportError> {
    static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let system = SYSTEM.get_or_init(|| {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(store)
    });
    let Some(pem) = extra else {
        return Ok(Arc::clone(system));
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| TransportError::ExtraRoots)?;
    let mut store = RootCertStore::clone(system);
    if store.add_parsable_certificates(certificates).0 == 0 {
        return Err(TransportError::ExtraRoots);
    }
    Ok(Arc::new(store))
}

/// Accepts what an authority has signed, and what is listed as one itself: a server's own certificate, as its operator makes it.
#[derive(Debug)]
struct KnownServer {
    usual: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl KnownServer {
    fn new(roots: Arc<RootCertStore>, provider: Arc<CryptoProvider>) -> Result<Self, TransportError> {
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider).build();
        let usual = usual.map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { usual, roots })
    }

    /// Whether the certificate has the name and the key of an authority: whoever holds that key may sign for any server.
    fn lists(&self, certificate: &CertificateDer<'_>) -> bool {
        webpki::anchor_from_trusted_cert(certificate).is_ok_and(|anchor| self.roots.roots.contains(&anchor))
    }
}

impl ServerCertVerifier for KnownServer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.usual.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(error) if is_about_the_issuer(&error) && self.lists(certificate) => {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether nothing is wrong but who signed: an unknown one, or an authority for itself. The dates have been looked at before that.
fn is_about_the_issuer(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            matches!(why.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// Accepts whatever certificate a server shows, but still checks that it holds the key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
