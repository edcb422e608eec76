//! TLS settings: rustls with the ring provider, the platform's root certificates if there are any, else those of
//! webpki-roots, so that a client can be built on a bare machine too; and certificates that a user trusts by name of a file.

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

/// Certificates that are accepted besides the usual ones: of authorities, and of single servers.
#[derive(Debug, Clone, Default)]
pub struct Trusted(Vec<CertificateDer<'static>>);

impl Trusted {
    /// The certificates of a PEM file.
    ///
    /// # Errors
    /// Names a file that cannot be read or holds none.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("ca_file: cannot read {}", path.display()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let found = found.map_err(|error| anyhow::anyhow!("ca_file: {} is no PEM file: {error}", path.display()))?;
        if found.is_empty() {
            bail!(
                "ca_file: {} holds no certificate (-----BEGIN CERTIFICATE-----); one in DER becomes PEM by \
                 openssl x509 -inform der -in FILE",
                path.display()
            );
        }
        Ok(Self(found))
    }
}

/// The settings of a client. The provider is handed over, so no process-wide default has to be installed.
///
/// # Errors
/// Only if rustls and ring share no TLS version.
pub(super) fn config(trusted: &Trusted) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let usual = usual(trusted, &provider)?;
    let verifier: Arc<dyn ServerCertVerifier> = match trusted.0.as_slice() {
        [] => usual,
        named => Arc::new(PinnedCertificates { named: named.to_vec(), usual }),
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Checks certificates by the platform's authorities and the trusted ones.
fn usual(trusted: &Trusted, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    if let Ok(verifier) = Verifier::new_with_extra_roots(trusted.0.iter().cloned(), Arc::clone(provider)) {
        return Ok(Arc::new(verifier));
    }
    // The platform verifier fails if the machine has no certificate store at all, or if one of the named certificates is
    // no authority's.
    if let Ok(verifier) = Verifier::new(Arc::clone(provider)) {
        return Ok(Arc::new(verifier));
    }
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    roots.add_parsable_certificates(trusted.0.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
}

/// Accepts the very certificates that are named, whatever names and dates are in them, and all that the usual check accepts.
/// The server still proves that it has the certificate's key.
#[derive(Debug)]
struct PinnedCertificates {
    named: Vec<CertificateDer<'static>>,
    usual: Arc<dyn ServerCertVerifier>,
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
        if self.named.iter().any(|named| named == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// What is wrong with a certificate, and what to do about it, in one line.
pub(super) fn explained(error: &CertificateError) -> String {
    let trust =
        "if the server is your own, name its certificate, or that of your authority, as a PEM file with ca_file";
    match error {
        CertificateError::UnknownIssuer => format!("nobody whom this machine trusts has signed it; {trust}"),
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            format!("it is signed by itself; {trust}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("it is out of date; renew it, or {trust}")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is for another name than the one in base_url; use that name, or {trust}")
        }
        other => format!("{other}; {trust}"),
    }
}
