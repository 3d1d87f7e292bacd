//! TLS 1.2 and 1.3, by rustls.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{Accept, TlsAcceptor};

use super::super::error::ServerError;
use super::stream::TimedStream;

/// A certificate and its key.
#[derive(Clone)]
pub(in super::super) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the key of that, both PEM.
    ///
    /// # Errors
    /// When a file can't be read, is not PEM, or the two do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, ServerError> {
        let at = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| ServerError::Tls {
            path: path.to_owned(),
            source,
        };
        let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|e| at(certificate, e.into()))?;
        if chain.is_empty() {
            return Err(at(certificate, "the file holds no certificate".into()));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| at(key, e.into()))?;
        super::super::private::check(key)?;
        let mut config = ServerConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| at(certificate, e.into()))?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(|e| at(key, e.into()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) fn accept(&self, stream: TimedStream) -> Accept<TimedStream> {
        self.0.accept(stream)
    }
}
