//! A lean HTTP/1.1 client: prepared request bytes out, one parsed head and the body's slice back.
//!
//! The load generator shares the machine with what it measures, so each request here costs two system calls and no
//! allocation.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept-alive connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Writes a request whose bytes can be sent again and again.
pub(super) fn request(target: &Target, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 256);
    write_request(&mut bytes, target, method, path, body);
    bytes
}

/// Writes a request into a buffer that is used again.
pub(super) fn write_request(bytes: &mut Vec<u8>, target: &Target, method: &str, path: &str, body: &[u8]) {
    bytes.clear();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        target.address,
        target.authorization,
        body.len()
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(body);
}

/// The server under load.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// A header line, or nothing.
    pub authorization: String,
}

impl Connection {
    pub(super) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(target.address).await.with_context(|| format!("cannot reach {}", target.address))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request; gives the status and the body.
    pub(super) async fn call(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await.context("the server closed the connection")?;
        self.buffer.clear();
        let (status, start, end) = loop {
            self.read_more().await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < end {
            self.read_more().await?;
        }
        ensure!(self.buffer.len() == end, "the server sent more than it announced");
        Ok((status, &self.buffer[start..end]))
    }

    /// Sends a request that must succeed.
    pub(super) async fn expect(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        let (status, body) = self.call(request).await?;
        if !(200..300).contains(&status) {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
        }
        Ok(body)
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.context("the server closed the connection")?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }
}

/// Status, start and end of the body, once the head is complete.
fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(bytes)? else {
        return Ok(None);
    };
    let mut length = 0;
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value)?.trim().parse::<usize>()?;
        }
        ensure!(!header.name.eq_ignore_ascii_case("transfer-encoding"), "an answer of unknown length");
    }
    Ok(Some((response.code.unwrap_or(0), start, start + length)))
}
