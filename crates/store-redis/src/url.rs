//! Reads the URL of a store: `redis://USER:PASSWORD@HOST:PORT/DB?prefix=ms&shards=16`, or `rediss:` for TLS. What is ours is taken out of it; the rest
//! belongs to the client library.

use mainspring_store::Error;
use percent_encoding::percent_decode_str;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

use crate::keys::{PREFIX, SHARDS_MAX};

/// What a URL says.
#[derive(Clone, Debug)]
pub(crate) struct StoreUrl {
    pub(crate) connection: ConnectionInfo,
    /// The prefix of all keys.
    pub(crate) prefix: String,
    /// How many shards a new database gets, and an old one must have.
    pub(crate) shards: Option<u16>,
    /// Whether a Redis that keeps nothing on disk will do.
    pub(crate) without_aof: bool,
}

impl StoreUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// `Incompatible`, with what is wrong.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Incompatible(format!("bad URL: {reason}"));
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut tls = Tls::default();
        let (mut prefix, mut shards, mut without_aof) = (PREFIX.to_owned(), None, false);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "prefix" => prefix = value.into_owned(),
                "shards" => {
                    let number = value.parse().ok().filter(|number| (1..=SHARDS_MAX).contains(number));
                    shards = Some(number.ok_or_else(|| bad(&format!("`shards` is 1 to {SHARDS_MAX}")))?);
                }
                "aof" if value == "required" => {}
                "aof" if value == "optional" => without_aof = true,
                "aof" => return Err(bad("`aof` is `required` or `optional`")),
                "cacert" => tls.authority = Some(value.into_owned()),
                "cert" => tls.certificate = Some(value.into_owned()),
                "key" => tls.key = Some(value.into_owned()),
                _ => {
                    return Err(bad(&format!(
                        "`{name}` is no option; the options are `prefix`, `shards` and `aof`, and with `rediss:` `cacert`, \
                         `cert` and `key`"
                    )));
                }
            }
        }
        let fits = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.chars().all(fits) {
            return Err(bad("a `prefix` is 1 to 64 letters, digits, `.`, `_` and `-`"));
        }
        let connection = address.into_connection_info();
        // The library's message may name the URL, and with it the password.
        let connection = connection.map_err(|_| bad("it should read `redis://USER:PASSWORD@HOST:PORT/DATABASE`"))?;
        let connection = tls.apply(connection)?;
        Ok(Self { connection, prefix, shards, without_aof })
    }

    /// Where it leads, without user and password.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.connection.addr(), self.connection.redis_settings().db())
    }
}

/// What a URL says of TLS: files as PEM.
#[derive(Default)]
struct Tls {
    /// Who may have signed the server's certificate; without it the authorities that the system trusts.
    authority: Option<String>,
    /// The client's own certificate, and its key.
    certificate: Option<String>,
    key: Option<String>,
}

impl Tls {
    /// Reads the files.
    fn apply(self, connection: ConnectionInfo) -> Result<ConnectionInfo, Error> {
        let bad = |reason: &str| Err(Error::Incompatible(format!("bad URL: {reason}")));
        match connection.addr() {
            ConnectionAddr::TcpTls { insecure: false, .. } => {}
            ConnectionAddr::TcpTls { .. } => {
                return bad("`#insecure` would trust anybody in between; name the authority with `cacert=`");
            }
            _ if self.authority.is_some() || self.certificate.is_some() || self.key.is_some() => {
                return bad("`cacert`, `cert` and `key` belong to TLS: write `rediss:`");
            }
            _ => return Ok(connection),
        }
        // Somebody else in the process may have been first, with the same.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client_tls = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
            }
            _ => return bad("a client's certificate needs both `cert=` and `key=`"),
        };
        let root_cert = self.authority.as_deref().map(read).transpose()?;
        let built = Client::build_with_tls(connection, TlsCertificates { client_tls, root_cert });
        let built = built.map_err(|error| Error::Incompatible(format!("the certificates cannot be used: {error}")))?;
        Ok(built.get_connection_info().clone())
    }
}

fn read(file: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| Error::Incompatible(format!("{file} cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = StoreUrl::parse("redis://me:secret@example.org:7000/3?prefix=blue&aof=optional&shards=4")
            .expect("it is good");
        assert_eq!((url.prefix.as_str(), url.shards, url.without_aof), ("blue", Some(4), true));
        assert_eq!(url.place(), "example.org:7000/3");
        let plain = StoreUrl::parse("redis://localhost").expect("it is good");
        assert_eq!((plain.prefix.as_str(), plain.shards, plain.without_aof), ("ms", None, false));
        assert_eq!(plain.place(), "localhost:6379/0");
    }

    #[test]
    fn a_bad_url_says_what_is_wrong_and_keeps_the_password() {
        for url in [
            "redis://h?cacert=a",
            "rediss://h#insecure",
            "redis://h?prefix=",
            "redis://h?prefix=a{b",
            "redis://h?aof=no",
            "redis://h?x=1",
        ] {
            assert!(StoreUrl::parse(url).is_err(), "{url}");
        }
        for shards in ["", "0", "257", "many"] {
            assert!(StoreUrl::parse(&format!("redis://h?shards={shards}")).is_err(), "{shards}");
        }
        let error = StoreUrl::parse("redis://me:secret@h:port/").expect_err("it has no port").to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
