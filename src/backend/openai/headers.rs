//! The headers of every request, with the key and further secrets.

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::Settings;

/// Error for a header that cannot be sent, with the header's name or the variable of the key.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("the key in {0} cannot be sent in a header: check it for line breaks and other control characters")]
    Key(String),
    #[error("{0:?} is not a valid header name: correct it")]
    Name(String),
    #[error("the value of header {0:?} cannot be sent: check it for line breaks and other control characters")]
    Value(String),
}

/// Returns the headers of every request.
pub(super) fn of(settings: &Settings) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let secret = |value: &str| {
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    if let Some(key) = &settings.api_key {
        let variable = settings.api_key_env.as_deref().unwrap_or("api_key_env");
        let value = secret(&format!("Bearer {}", key.expose_secret().trim()));
        let value = value.ok_or_else(|| HeaderError::Key(variable.to_owned()))?;
        headers.insert(AUTHORIZATION, value);
    }
    for (name, value) in &settings.headers {
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| HeaderError::Name(name.clone()))?;
        let value = secret(value.expose_secret());
        let value = value.ok_or_else(|| HeaderError::Value(name.clone()))?;
        headers.insert(key, value);
    }
    Ok(headers)
}
