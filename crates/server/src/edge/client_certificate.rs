//! Clients' certificates: whose are believed, replaceable while running.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::ring,
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};

use super::certificate_error::CertificateError;
use super::settings::ClientAuthorities;

/// The authorities in force.
#[derive(Debug)]
pub(super) struct Verifier {
    optional: bool,
    current: ArcSwap<Authorities>,
}

/// Behind a type of its own: what can be swapped must have a known size.
#[derive(Debug)]
struct Authorities(Arc<dyn ClientCertVerifier>);

/// What the handshake asks.
#[derive(Debug)]
pub(super) struct Verifying(pub(super) Arc<Verifier>);

impl Verifier {
    pub(super) fn load(files: &ClientAuthorities) -> Result<Arc<Self>, CertificateError> {
        Ok(Arc::new(Self { optional: files.optional, current: ArcSwap::from_pointee(read(files)?) }))
    }

    pub(super) fn reload(&self, files: &ClientAuthorities) -> Result<(), CertificateError> {
        self.current.store(Arc::new(read(files)?));
        Ok(())
    }
}

fn read(files: &ClientAuthorities) -> Result<Authorities, CertificateError> {
    let cannot_read = |source| CertificateError::Read { path: files.authorities.clone(), source };
    let unusable = |source| CertificateError::Authorities { path: files.authorities.clone(), source };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(&files.authorities).map_err(cannot_read)? {
        roots.add(root.map_err(cannot_read)?).map_err(|source| CertificateError::Unusable { path: files.authorities.clone(), source })?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let builder = if files.optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Authorities).map_err(unusable)
}

impl ClientCertVerifier for Verifying {
    fn client_auth_mandatory(&self) -> bool {
        !self.0.optional
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Names that outlive a change of the authorities there are none; a client is not helped to choose.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.current.load().0.verify_client_cert(leaf, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current.load().0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current.load().0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.current.load().0.supported_verify_schemes()
    }
}
