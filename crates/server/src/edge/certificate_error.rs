//! Why a certificate, or who vouches for clients', cannot be used.

use std::path::PathBuf;

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read or holds no such item.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls_pki_types::pem::Error,
    },
    /// The key and certificate do not work, or not together.
    #[error("cannot use the certificate `{path}`: {source}")]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The authorities of clients' certificates cannot be used.
    #[error("cannot use the authorities of clients' certificates in `{path}`: {source}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::server::VerifierBuilderError,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(#[source] rustls::Error),
}
