//! TLS to the server: what a URL asks for with `sslmode` and its companions, as `psql` reads them, and the streams.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mainspring_store::Error;
use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// What of the server's certificate is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Disable,
    /// Encrypt if the server can; nothing is verified.
    Prefer,
    /// Encrypt. Without `sslrootcert` nothing is verified.
    Require,
    /// Whether a trusted CA signed it.
    VerifyCa,
    /// And whether it is of the host that was named.
    VerifyFull,
}

/// What a URL asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    mode: Mode,
    root: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Asked {
    /// Takes a parameter of the URL, if it is about TLS.
    ///
    /// # Errors
    /// `Incompatible` for a mode that is none.
    pub(crate) fn takes(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        let path = || Some(PathBuf::from(percent_decode_str(value).decode_utf8_lossy().into_owned()));
        match name {
            "sslmode" => self.mode = mode(value)?,
            "sslrootcert" => self.root = path(),
            "sslcert" => self.certificate = path(),
            "sslkey" => self.key = path(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the files that it names.
    ///
    /// # Errors
    /// `Incompatible`, with the file that will not do, or the parameter that is missing.
    pub(crate) fn build(self) -> Result<(SslMode, Option<Tls>), Error> {
        let refuse = |reason: &str| Err(Error::Incompatible(reason.to_owned()));
        let names_files = self.root.is_some() || self.certificate.is_some() || self.key.is_some();
        let ssl_mode = match self.mode {
            Mode::Disable if names_files => {
                return refuse(
                    "the URL names certificates, and no TLS: add `sslmode=verify-full`, or another `sslmode=`",
                );
            }
            Mode::Disable => return Ok((SslMode::Disable, None)),
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        };
        let system = self.root.as_deref() == Some(Path::new("system"));
        if system && self.mode != Mode::VerifyFull {
            return refuse("`sslrootcert=system` trusts everybody's CAs, so it needs `sslmode=verify-full`");
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(self.mode, self.root.as_deref().filter(|_| !system), &provider)?;
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Error::Incompatible(format!("TLS cannot be used: {error}")))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let config = match (self.certificate, self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let read = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, &error))?;
                let own = builder.with_client_auth_cert(certificates(&certificate)?, read);
                own.map_err(|error| {
                    Error::Incompatible(format!("{} does not fit {}: {error}", key.display(), certificate.display()))
                })?
            }
            _ => return refuse("a client's certificate needs both `sslcert=` and `sslkey=`"),
        };
        Ok((ssl_mode, Some(Tls(Arc::new(config)))))
    }
}

fn mode(value: &str) -> Result<Mode, Error> {
    Ok(match value {
        "disable" => Mode::Disable,
        "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => {
            return Err(Error::Incompatible(format!(
                "`sslmode={value}` is none: it takes `disable`, `prefer`, `require`, `verify-ca` or `verify-full`, which alone \
                 is safe against somebody in between"
            )));
        }
    })
}

fn unreadable(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Incompatible(format!("{} cannot be read as PEM: {error}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable(file, &error))?;
    if found.is_empty() { Err(unreadable(file, &"it has no certificate")) } else { Ok(found) }
}

/// Those of a file, or of the system.
fn roots(file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| unreadable(file, &error))?;
            }
        }
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if roots.is_empty() {
        let reason = "this system trusts no CA: name one with `sslrootcert=FILE`";
        return Err(Error::Incompatible(reason.to_owned()));
    }
    Ok(roots)
}

fn verifier(mode: Mode, root: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, Error> {
    let looks = matches!(mode, Mode::VerifyCa | Mode::VerifyFull) || root.is_some();
    let chain = if looks {
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), provider.clone()).build();
        Some(built.map_err(|error| Error::Incompatible(format!("the trusted certificates cannot be used: {error}")))?)
    } else {
        None
    };
    Ok(Arc::new(Verifier { chain, name: mode == Mode::VerifyFull, provider: provider.clone() }))
}

/// Looks at a server's certificate, as far as was asked for.
#[derive(Debug)]
struct Verifier {
    /// Looks who signed it.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Whether its name counts.
    name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, between, name, ocsp, now) {
            // The name is looked at last: everything else is right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes streams of TLS.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Makes one stream.
pub(crate) struct Handshake {
    config: Arc<ClientConfig>,
    /// `None` at a socket of the system.
    name: Option<ServerName<'static>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        let name =
            if host.is_empty() { None } else { Some(ServerName::try_from(host.to_owned()).map_err(io::Error::other)?) };
        Ok(Handshake { config: self.0.clone(), name })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = self.name.ok_or_else(|| io::Error::other("a socket of the system has no name to verify"))?;
            TlsConnector::from(self.config).connect(name, stream).await.map(Encrypted)
        })
    }
}

/// A stream of TLS.
pub(crate) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
