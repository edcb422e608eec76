//! TLS settings: rustls with the ring provider. The root certificates are those of the platform, or those of
//! webpki-roots on a machine without any. A user can add certificates from a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Certificates that are accepted in addition to the default ones: of authorities, and of single servers.
#[derive(Debug, Clone, Default)]
pub struct Trusted(Vec<CertificateDer<'static>>);

impl Trusted {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// Names a file that cannot be read or holds no certificate.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("ca_file: cannot read {}", path.display()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let found = found.map_err(|error| anyhow::anyhow!("ca_file: {} is not a PEM file: {error}", path.display()))?;
        if found.is_empty() {
            bail!(
                "ca_file: {} holds no certificate (-----BEGIN CERTIFICATE-----); convert DER to PEM with \
                 openssl x509 -inform der -in FILE",
                path.display()
            );
        }
        Ok(Self(found))
    }
}

/// Returns the settings of a client. The crypto provider is passed on, so no process-wide default must be
/// installed.
///
/// # Errors
/// Only if rustls and ring share no TLS version.
pub(crate) fn config(trusted: &Trusted) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let default_verifier = default_verifier(trusted, &provider)?;
    let verifier: Arc<dyn ServerCertVerifier> = match trusted.0.as_slice() {
        [] => default_verifier,
        pinned => Arc::new(PinnedCertificates { pinned: pinned.to_vec(), default_verifier }),
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Returns the verifier that uses the platform's authorities and the trusted ones.
fn default_verifier(
    trusted: &Trusted,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if let Ok(verifier) = Verifier::new_with_extra_roots(trusted.0.iter().cloned(), Arc::clone(provider)) {
        return Ok(Arc::new(verifier));
    }
    // The platform verifier fails if the machine has no certificate store, or if a certificate of the user is not
    // that of an authority.
    if let Ok(verifier) = Verifier::new(Arc::clone(provider)) {
        return Ok(Arc::new(verifier));
    }
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    roots.add_parsable_certificates(trusted.0.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
}

/// Verifier that accepts exactly the pinned certificates, whatever names and dates they contain, and everything
/// that the default verifier accepts. The server must still prove that it has the certificate's key.
#[derive(Debug)]
struct PinnedCertificates {
    pinned: Vec<CertificateDer<'static>>,
    default_verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for PinnedCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.default_verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.default_verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.default_verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.default_verifier.supported_verify_schemes()
    }
}

/// Explains in one line why a certificate is rejected, and the remedy.
pub(super) fn explain(error: &CertificateError) -> String {
    let trust = "if the server is your own, name its certificate, or the certificate of your authority, as a PEM file with ca_file";
    match error {
        CertificateError::UnknownIssuer => {
            format!("it is not signed by an authority that this machine trusts; {trust}")
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            format!("it is self-signed; {trust}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("it is expired; renew it, or {trust}")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is issued for another name than the one in base_url; use that name, or {trust}")
        }
        other => format!("{other}; {trust}"),
    }
}
