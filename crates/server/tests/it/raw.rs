//! A socket without a client's manners: sends any bytes, in any pieces, and reads whatever comes back.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Reply, Server};

/// A connection to a server.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(server.running.addr).await.unwrap())
    }

    /// Sends bytes. The other side may have hung up by then; what it said tells.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = tokio::time::timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await.expect("the server reads");
    }

    /// Says that no more will come.
    pub(crate) async fn end(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset ends it too.
        let _ = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the server hangs up");
        bytes
    }

    /// The one answer of a connection that ends after it; `None` if it ends without a word.
    pub(crate) async fn reply(self) -> Option<Reply> {
        let bytes = self.rest().await;
        if bytes.is_empty() { None } else { Some(parse(&bytes)) }
    }
}

/// One request as text, its connection closed after the answer.
pub(crate) async fn ask(server: &Server, head: &str, body: impl AsRef<[u8]>) -> Option<Reply> {
    let mut raw = Raw::open(server).await;
    raw.send(format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
    raw.send(body).await;
    raw.reply().await
}

fn parse(bytes: &[u8]) -> Reply {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    Reply { status, headers, body: Bytes::copy_from_slice(&bytes[end + 4..]) }
}
