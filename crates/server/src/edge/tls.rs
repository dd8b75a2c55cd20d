//! The certificate, and the authorities of clients' certificates, replaceable while running.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, NoClientAuth, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::certificate_error::CertificateError;
use super::client_certificate::{Verifier, Verifying};
use super::settings::TlsFiles;

/// The certificate chain and key being served, and the files they come from.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    clients: Option<Arc<Verifier>>,
    read_at: Mutex<Stamps>,
}

/// When the files were last changed, as far as the system says.
type Stamps = [Option<SystemTime>; 3];

impl Certificates {
    /// Reads a chain, its key and the authorities.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or the key does not fit the certificate.
    pub fn load(files: &TlsFiles) -> Result<Arc<Self>, CertificateError> {
        let stamps = stamps(files);
        let current = ArcSwap::from_pointee(read(&files.certificate, &files.key)?);
        let clients = files.clients.as_ref().map(Verifier::load).transpose()?;
        Ok(Arc::new(Self { files: files.clone(), current, clients, read_at: Mutex::new(stamps) }))
    }

    /// Reads the files again. New connections get the new certificate, and are judged by the new authorities; on failure the old
    /// ones stay.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn reload(&self) -> Result<(), CertificateError> {
        let current = read(&self.files.certificate, &self.files.key)?;
        if let (Some(clients), Some(files)) = (&self.clients, &self.files.clients) {
            clients.reload(files)?;
        }
        self.current.store(Arc::new(current));
        Ok(())
    }

    /// Reloads if the files have changed since they were last looked at.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load). The same broken files are reported once.
    pub fn reload_if_changed(&self) -> Result<(), CertificateError> {
        let now = stamps(&self.files);
        let before = std::mem::replace(&mut *self.read_at.lock().unwrap_or_else(PoisonError::into_inner), now);
        if before == now { Ok(()) } else { self.reload() }
    }

    /// What a worker needs to accept connections.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, CertificateError> {
        let verifier: Arc<dyn rustls::server::danger::ClientCertVerifier> = match &self.clients {
            Some(clients) => Arc::new(Verifying(Arc::clone(clients))),
            None => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[derive(Debug)]
struct Resolver(Arc<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

fn stamps(files: &TlsFiles) -> Stamps {
    // a file that is gone has no stamp; reading it says why
    let clients = files.clients.as_ref().map(|clients| &clients.authorities);
    [Some(&files.certificate), Some(&files.key), clients]
        .map(|path| path.and_then(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok()))
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let cannot_read = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Read { path, source }
    };
    let chain =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(cannot_read(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(cannot_read(key))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| CertificateError::Unusable { path: certificate.to_owned(), source })
}
