//! The servers of one entry: their addresses, and the model that has a client for each.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use async_trait::async_trait;
use reqwest::Url;

use super::OpenAi;
use crate::backend::settings::EntryError;
use crate::types::chat::{Request, Response};
use crate::types::model::{Model, ModelError};

/// One server of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of its address in `base_url`.
    pub address: usize,
    /// IP address that is called in place of the host name's. `None` leaves the choice to the system.
    pub ip: Option<IpAddr>,
}

/// A model behind several servers that answer with equal right.
#[derive(Debug)]
pub struct Servers(Vec<OpenAi>);

impl Servers {
    /// Creates the model from a client for each server, at least one.
    ///
    /// # Errors
    /// [`EntryError::Value`] if there is no client.
    pub(super) fn new(clients: Vec<OpenAi>) -> Result<Self, EntryError> {
        if clients.is_empty() { Err(EntryError::Value(EMPTY.to_owned())) } else { Ok(Self(clients)) }
    }
}

#[async_trait]
impl Model for Servers {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        self.0[0].call(request).await
    }

    fn servers(&self) -> usize {
        self.0.len()
    }

    async fn call_at(&self, server: usize, request: &Request) -> Result<Response, ModelError> {
        self.0[server].call(request).await
    }
}

const EMPTY: &str = "base_url is an empty list: name at least one server";

/// Name of an address in messages: the key, with the entry's number if the key has a list.
pub(super) fn name(index: usize, is_list: bool) -> String {
    if is_list { format!("entry {} of base_url", index + 1) } else { "base_url".to_owned() }
}

/// Checks that a list of addresses is not empty and names no server twice.
///
/// # Errors
/// [`EntryError::Value`] with the numbers of equal addresses. The addresses are left out, as they could hold a key.
pub(super) fn check(addresses: &[String]) -> Result<(), EntryError> {
    if addresses.is_empty() {
        return Err(EntryError::Value(EMPTY.to_owned()));
    }
    let normal: Vec<String> = addresses.iter().map(|address| normal(address)).collect();
    for (index, address) in normal.iter().enumerate() {
        if let Some(first) = normal[..index].iter().position(|earlier| earlier == address) {
            return Err(EntryError::Value(format!(
                "entries {} and {} of base_url are the same server: remove one",
                first + 1,
                index + 1
            )));
        }
    }
    Ok(())
}

/// Address in the form in which equal addresses have equal texts.
fn normal(address: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = path.trim_end_matches('/');
    let path = Url::parse(path).map_or_else(|_| path.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
    format!("{path}?{query}")
}

/// Returns the servers at these addresses. If `resolve_all`, each IP address of a host name is a server.
///
/// # Errors
/// [`EntryError::Value`] with the host name that has no address.
pub(super) fn places(addresses: &[String], resolve_all: bool) -> Result<Vec<Place>, EntryError> {
    places_by(addresses, resolve_all, |host, port| Ok((host, port).to_socket_addrs()?.collect()))
}

/// Like [`places`], with a function that looks up a host name.
fn places_by(
    addresses: &[String],
    resolve_all: bool,
    look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
) -> Result<Vec<Place>, EntryError> {
    let mut places = Vec::new();
    for (address, text) in addresses.iter().enumerate() {
        let url = Url::parse(text).ok().filter(|_| resolve_all);
        let host = url.as_ref().and_then(|url| Some((url.domain()?, url.port_or_known_default()?)));
        let Some((host, port)) = host else {
            places.push(Place { address, ip: None });
            continue;
        };
        let unknown = |reason: String| {
            EntryError::Value(format!("resolve_all: the host name {host} has no address: {reason}. Check base_url"))
        };
        let found = look_up(host, port).map_err(|error| unknown(error.to_string()))?;
        let ips: BTreeSet<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        if ips.is_empty() {
            return Err(unknown("the answer is empty".to_owned()));
        }
        // A machine with addresses of both kinds is one server.
        let has_v4 = ips.iter().any(IpAddr::is_ipv4);
        let used = ips.into_iter().filter(|ip| ip.is_ipv4() == has_v4);
        places.extend(used.map(|ip| Place { address, ip: Some(ip) }));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(addresses: &[&str]) -> Vec<String> {
        addresses.iter().map(|&address| address.to_owned()).collect()
    }

    #[test]
    fn equal_addresses_are_refused_by_number() {
        let distinct =
            ["http://a:8000/v1", "http://b:8000/v1", "http://a:8001/v1", "http://a:8000/v2", "http://a/v1?x=1"];
        check(&texts(&distinct)).expect("all differ");
        for again in ["http://a:8000/v1", "http://a:8000/v1/", "HTTP://A:8000/v1"] {
            let error = check(&texts(&["http://b/v1", "http://a:8000/v1", again])).expect_err(again).to_string();
            assert_eq!(error, "entries 2 and 3 of base_url are the same server: remove one");
        }
        let error = check(&texts(&["https://a:443/v1", "https://a/v1"])).expect_err("the default port").to_string();
        assert!(error.contains("entries 1 and 2"), "{error}");
        assert_eq!(check(&[]).expect_err("empty").to_string(), EMPTY);
    }

    #[test]
    fn each_ip_address_of_a_host_name_is_a_server() {
        let look_up = |host: &str, port: u16| {
            let ips: &[&str] = match host {
                "models" => &["10.0.0.2", "10.0.0.1", "::1", "10.0.0.2"],
                "new" => &["fd00::2"],
                "nobody" => &[],
                _ => return Err(io::Error::other("unknown host")),
            };
            Ok(ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), port)).collect())
        };
        let found = |addresses: &[&str], all| places_by(&texts(addresses), all, look_up);
        let ips = |addresses: &[&str]| -> Vec<(usize, Option<String>)> {
            let places = found(addresses, true).expect("known hosts");
            places.into_iter().map(|place| (place.address, place.ip.map(|ip| ip.to_string()))).collect()
        };
        let some = |ip: &str| Some(ip.to_owned());
        assert_eq!(
            ips(&["http://models:8000/v1", "http://127.0.0.1:1/v1", "https://new/v1"]),
            [(0, some("10.0.0.1")), (0, some("10.0.0.2")), (1, None), (2, some("fd00::2"))]
        );
        assert_eq!(found(&["http://nowhere/v1"], false).expect("no look-up"), [Place { address: 0, ip: None }]);
        for (host, reason) in [("nobody", "the answer is empty"), ("nowhere", "unknown host")] {
            let error = found(&[&format!("http://{host}/v1")], true).expect_err(host).to_string();
            assert_eq!(error, format!("resolve_all: the host name {host} has no address: {reason}. Check base_url"));
        }
    }
}
