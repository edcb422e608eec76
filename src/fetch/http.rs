//! HTTP clients and their errors: the proxy in front of a server, and the causes of an error.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, Url};

use super::tls::{self, Trusted};

/// User agent of every request.
const USER_AGENT: &str = concat!("intercascade/", env!("CARGO_PKG_VERSION"));

/// Returns a builder for a client of the server at `url`. Timeouts and redirects are left to the caller.
/// Certificates in `trusted` are accepted in addition to the default ones.
///
/// A proxy set in the environment is used, except for a server on this machine or in its own network.
///
/// # Errors
/// If rustls and ring share no TLS version.
pub(crate) fn client_builder(url: &Url, trusted: &Trusted) -> Result<ClientBuilder, rustls::Error> {
    let builder = reqwest::Client::builder().user_agent(USER_AGENT).tls_backend_preconfigured(tls::config(trusted)?);
    Ok(if is_near(url) { builder.no_proxy() } else { builder })
}

/// Returns the proxy for `url`, without user name and password; `None` if there is none.
pub(crate) fn proxy(url: &Url) -> Option<String> {
    if is_near(url) {
        return None;
    }
    let found = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
    let uri = found.uri();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default()))
}

/// Returns true if `url` is on this machine or at an address of a private network.
pub(crate) fn is_near(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_near_v4(address),
        Ok(IpAddr::V6(address)) => is_near_v6(address),
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host == "host.docker.internal",
    }
}

fn is_near_v4(address: Ipv4Addr) -> bool {
    // 100.64.0.0/10 is shared within a provider's or a virtual private network.
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0b1100_0000 == 64;
    address.is_loopback() || address.is_unspecified() || address.is_private() || address.is_link_local() || shared
}

fn is_near_v6(address: Ipv6Addr) -> bool {
    let mapped = address.to_ipv4_mapped().is_some_and(is_near_v4);
    let near = address.is_loopback() || address.is_unspecified();
    near || address.is_unique_local() || address.is_unicast_link_local() || mapped
}

/// Formats an error with all of its causes, because reqwest's own message leaves them out.
pub(crate) fn chain(error: &dyn Error) -> String {
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

/// Explains why the server's certificate was not accepted, and the remedy. `None` for other errors.
pub(crate) fn distrust(error: &(dyn Error + 'static)) -> Option<String> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(why) => Some(tls::explain(why)),
        _ => None,
    }
}

/// Returns true if the other side does not use TLS at all.
pub(crate) fn speaks_no_tls(error: &(dyn Error + 'static)) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

/// Returns the rustls error among the causes of an error.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // An I/O error does not return its inner error from `source`.
        if let Some(inner) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && let Some(found) = tls_error(inner)
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognised() {
        for (url, expected) in [
            ("http://localhost:11434/v1", true),
            ("http://127.0.0.1:8000/v1", true),
            ("http://0.0.0.0:8000/v1", true),
            ("http://[::1]:8080/v1", true),
            ("http://[::]:8080/v1", true),
            ("http://[::ffff:10.1.2.3]/v1", true),
            ("http://[fd00::1]/v1", true),
            ("http://[fe80::1]/v1", true),
            ("http://10.0.0.1/v1", true),
            ("http://172.31.0.1/v1", true),
            ("http://192.168.1.20:1234/v1", true),
            ("http://169.254.1.1/v1", true),
            ("http://100.100.1.1/v1", true),
            ("http://host.docker.internal:11434/v1", true),
            ("https://api.openai.com/v1", false),
            ("http://172.32.0.1/v1", false),
            ("http://100.128.0.1/v1", false),
            ("http://8.8.8.8/v1", false),
            ("http://[2001:db8::1]/v1", false),
            ("http://localhost.example.org/v1", false),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(is_near(&url), expected, "{url}");
        }
    }

    #[test]
    fn a_client_needs_no_default_crypto_provider() {
        let url = Url::parse("https://example.org").expect("a URL");
        assert!(client_builder(&url, &Trusted::default()).expect("TLS").build().is_ok());
    }
}
