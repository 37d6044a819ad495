//! The connection to the server behind a tap: TCP, or TLS on top of it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::scenario::{self, Tls};

/// TLS that can't be spoken, whoever is there.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the authorities can't be used.
    #[error("ca = {} can't be used: write the path of a PEM file with certificates", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The machine trusts nobody.
    #[error(
        "this machine has no certificates of authorities: install them (ca-certificates), or name a PEM file by `ca`"
    )]
    NoAuthorities,
    /// What TLS itself refuses.
    #[error("TLS to {host}")]
    Refused {
        /// The server's name.
        host: String,
        /// Why.
        source: rustls::Error,
    },
    /// No name and no address.
    #[error("`{host}` is no name that a certificate can be for")]
    Host {
        /// The server's name.
        host: String,
    },
}

/// How to reach a tap's server.
pub(super) struct Upstream {
    pub(super) address: String,
    /// Whether it has been said that its certificate is not trusted.
    told: AtomicBool,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Upstream {
    pub(super) fn new(upstream: &scenario::Upstream) -> Result<Upstream, TlsError> {
        let tls = upstream.tls.as_ref().map(connector).transpose()?;
        Ok(Upstream { address: upstream.address.clone(), told: AtomicBool::new(false), tls })
    }

    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(&self.address).await?;
        // Small messages must not wait for one another; where this fails they only come later.
        tcp.set_nodelay(true).ok();
        Ok(match &self.tls {
            None => Stream::Tcp(tcp),
            Some((connector, name)) => Stream::Tls(Box::new(connector.connect(name.clone(), tcp).await?)),
        })
    }

    /// The problem of a server that answers and can't be trusted, the first time only.
    pub(super) fn untrusted(&self, error: &io::Error) -> Option<String> {
        let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let is_news = matches!(cause, rustls::Error::InvalidCertificate(_)) && !self.told.swap(true, Ordering::Relaxed);
        is_news.then(|| format!("{}: {cause}; name the PEM file of its authority by `ca` (--ca)", self.address))
    }
}

/// How many authorities are trusted for a server.
///
/// # Errors
/// [`TlsError`] where there are none.
pub fn authorities(tls: &Tls) -> Result<usize, TlsError> {
    trusted(tls).map(|roots| roots.len())
}

fn trusted(tls: &Tls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            let wrong = |source| TlsError::Ca { path: path.clone(), source };
            let content = fs::read(path).map_err(|error| wrong(pem::Error::Io(error)))?;
            for certificate in CertificateDer::pem_slice_iter(&content) {
                roots.add_parsable_certificates([certificate.map_err(wrong)?]);
            }
            if roots.is_empty() {
                return Err(wrong(pem::Error::NoItemsFound));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(TlsError::NoAuthorities);
            }
        }
    }
    Ok(roots)
}

fn connector(tls: &Tls) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let roots = trusted(tls)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let refused = |source| TlsError::Refused { host: tls.host.clone(), source };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(refused)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(tls.host.clone()).map_err(|_| TlsError::Host { host: tls.host.clone() })?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// A connection to a tap's server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_read(context, buffer),
            // Many servers close the connection without TLS's own goodbye: an end like any other.
            Stream::Tls(tls) => Pin::new(tls).poll_read(context, buffer).map(|read| match read {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                read => read,
            }),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_flush(context),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(tcp) => Pin::new(tcp).poll_shutdown(context),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
