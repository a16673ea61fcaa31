//! The address of the live page: the loopback interface, and a port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::SETTING;
use crate::error::SetupError;

/// Parses `127.0.0.1:4400`, `[::1]:4400` or `localhost:4400`. Other interfaces are refused, because
/// the page is not encrypted and shows conversations.
pub(super) fn parse(address: &str) -> Result<SocketAddr, SetupError> {
    let localhost = address.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let parsed = localhost
        .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .or_else(|| address.parse().ok());
    parsed.filter(|address| address.ip().is_loopback()).ok_or_else(|| SetupError::InvalidValue {
        setting: SETTING.to_owned(),
        expected: "a loopback address with a port, such as 127.0.0.1:4400",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_valid() {
        for (address, expected) in [
            ("127.0.0.1:4400", Some("127.0.0.1:4400")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("[::1]:80", Some("[::1]:80")),
            ("127.9.9.9:1", Some("127.9.9.9:1")),
            ("0.0.0.0:4400", None),
            ("192.168.0.1:4400", None),
            ("[::]:4400", None),
            ("example.com:4400", None),
            ("localhost.example.com:4400", None),
            ("127.0.0.1", None),
            ("localhost:65536", None),
            ("4400", None),
            ("", None),
        ] {
            let parsed = parse(address).ok().map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), expected, "{address}");
        }
    }
}
