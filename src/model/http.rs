//! Makes HTTP clients: rustls with the ring provider, the platform's root certificates where there are any, else
//! those of webpki-roots, so that a client can be built on a bare machine too.

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::{ClientBuilder, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// The name under which every request introduces itself.
const USER_AGENT: &str = concat!("intercascade/", env!("CARGO_PKG_VERSION"));

/// A builder for a client that talks to the server of `url`; timeouts and redirects are the caller's.
///
/// A proxy of the environment is used, except for a server on this machine.
///
/// # Errors
/// Only where rustls and ring share no TLS version.
pub(crate) fn client_builder(url: &Url) -> Result<ClientBuilder, rustls::Error> {
    let builder = reqwest::Client::builder().user_agent(USER_AGENT).tls_backend_preconfigured(tls()?);
    Ok(if is_loopback(url) { builder.no_proxy() } else { builder })
}

/// The TLS settings. The provider is handed over, so no process-wide default has to be installed.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if let Ok(builder) = builder.clone().with_platform_verifier() {
        return Ok(builder.with_no_client_auth());
    }
    // The platform verifier fails where the machine has no certificate store at all.
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether `url` names this machine.
fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An error with everything that it came from, since reqwest's own message leaves the cause out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        for (url, expected) in [
            ("http://localhost:11434/v1", true),
            ("http://127.0.0.1:8000/v1", true),
            ("http://[::1]:8080/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://10.0.0.1/v1", false),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(is_loopback(&url), expected, "{url}");
        }
    }

    #[test]
    fn builds_without_a_default_provider() {
        let url = Url::parse("https://example.org").expect("a URL");
        assert!(client_builder(&url).expect("TLS").build().is_ok());
    }
}
