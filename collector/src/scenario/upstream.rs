//! Where a tap relays to.

use std::path::PathBuf;

/// The server behind a tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `host:port`.
    pub address: String,
    /// How to speak to it where its URL says `https`.
    pub tls: Option<Tls>,
}

/// TLS to a server, whose certificate is always verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name that its certificate must be for, and that it is told (SNI).
    pub host: String,
    /// A PEM file of the authorities to trust, instead of those that the machine trusts.
    pub ca: Option<PathBuf>,
}

impl Upstream {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(url: &str, ca: Option<PathBuf>) -> Result<Upstream, String> {
        let (is_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(format!("upstream = `{url}`: write http://HOST:PORT or https://HOST:PORT")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '@', '#']) {
            return Err(format!("upstream = `{url}`: give scheme, host and port only, as in http://127.0.0.1:3000"));
        }
        if ca.is_some() && !is_tls {
            return Err(format!("ca is for an upstream with https://, and `{url}` has http://"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) || host.is_empty() {
            return Err(format!("upstream = `{url}`: the port is a number, as in http://127.0.0.1:3000"));
        }
        let address = match port {
            Some(_) => authority.to_owned(),
            None => format!("{host}:{}", if is_tls { 443 } else { 80 }),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Upstream { address, tls: is_tls.then_some(Tls { host, ca }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, Option<String>), String> {
        Upstream::parse(url, None).map(|upstream| (upstream.address, upstream.tls.map(|tls| tls.host)))
    }

    #[test]
    fn a_url_is_an_address_and_perhaps_a_name() {
        let plain = |address: &str| Ok((address.to_owned(), None));
        let tls = |address: &str, host: &str| Ok((address.to_owned(), Some(host.to_owned())));
        assert_eq!(read("http://127.0.0.1:3000"), plain("127.0.0.1:3000"));
        assert_eq!(read("http://chat.test/"), plain("chat.test:80"));
        assert_eq!(read("http://[::1]:3000"), plain("[::1]:3000"));
        assert_eq!(read("https://chat.test"), tls("chat.test:443", "chat.test"));
        assert_eq!(read("https://[::1]"), tls("[::1]:443", "::1"));
        assert_eq!(read("https://chat.test:8443/"), tls("chat.test:8443", "chat.test"));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for wrong in ["127.0.0.1:3000", "ws://a:1", "http://", "http://a/b", "http://u:p@a", "http://a:b", "https://:1"]
        {
            let problem = read(wrong).unwrap_err();
            assert!(problem.contains(wrong) && problem.contains("http://"), "{problem}");
        }
        assert!(Upstream::parse("http://a:1", Some("ca.pem".into())).unwrap_err().contains("https://"));
    }
}
