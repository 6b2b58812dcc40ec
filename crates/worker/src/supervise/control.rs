//! The supervisor's end of the socket to its worker.

use std::collections::VecDeque;
use std::io::{self, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

use super::order::{Order, Report};

/// An order that the worker gives while the tree runs; a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// `L<ms>`: the lease lasts until then.
    Lease(u64),
    /// `T<ms>`: SIGTERM now, SIGKILL after the grace.
    Terminate(u64),
    /// `K`: SIGKILL now.
    Kill,
    /// End-of-file: there is no worker any more.
    Gone,
}

/// The socket, which is standard input.
pub(super) struct Control {
    open: bool,
    buffer: Vec<u8>,
    messages: VecDeque<Message>,
}

impl Control {
    pub(super) fn on_stdin() -> io::Result<Self> {
        Ok(Self { open: true, buffer: Vec::new(), messages: VecDeque::new() })
    }

    /// The descriptor to poll; `None` after end-of-file.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'static>> {
        self.open.then(rustix::stdio::stdin)
    }

    /// Reads the order; `None` if the worker vanished before it had said it all.
    pub(super) fn read_order(&mut self) -> io::Result<Option<Order>> {
        // Unbuffered on purpose: nothing behind the frame may be swallowed.
        let mut length = [0_u8; 4];
        if !read_exact(&mut length)? {
            return Ok(None);
        }
        let mut frame = Vec::new();
        let length = u32::from_be_bytes(length) as usize;
        frame.resize(length, 0);
        if !read_exact(&mut frame)? {
            return Ok(None);
        }
        serde_json::from_slice(&frame).map(Some).map_err(io::Error::other)
    }

    /// The next message, without waiting.
    pub(super) fn next(&mut self) -> Option<Message> {
        while self.open && readable() {
            let mut piece = [0_u8; 256];
            match rustix::io::read(rustix::stdio::stdin(), &mut piece) {
                Ok(0) => self.close(),
                Ok(count) => self.take(&piece[..count]),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => break,
                Err(_) => self.close(),
            }
        }
        self.messages.pop_front()
    }

    /// Tells the worker. False if there is none any more.
    pub(super) fn report(&mut self, report: &Report) -> bool {
        let mut line = serde_json::to_vec(report).expect("a report is plain data");
        line.push(b'\n');
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match rustix::net::send(rustix::stdio::stdin(), rest, rustix::net::SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn close(&mut self) {
        self.open = false;
        self.messages.push_back(Message::Gone);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.messages.extend(parse(&line[..end]));
        }
    }
}

fn parse(line: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(line).ok()?;
    match text.split_at_checked(1)? {
        ("L", until) => until.parse().ok().map(Message::Lease),
        ("T", grace) => grace.parse().ok().map(Message::Terminate),
        ("K", "") => Some(Message::Kill),
        _ => None,
    }
}

fn readable() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut watched = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
    matches!(poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(count) if count > 0)
}

fn read_exact(mut into: &mut [u8]) -> io::Result<bool> {
    struct Stdin;
    impl Read for Stdin {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            Ok(rustix::io::read(rustix::stdio::stdin(), into)?)
        }
    }
    while !into.is_empty() {
        match Stdin.read(into) {
            Ok(0) => return Ok(false),
            Ok(count) => into = &mut into[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_rubbish_is_ignored() {
        assert_eq!(parse(b"L1234"), Some(Message::Lease(1234)));
        assert_eq!(parse(b"T0"), Some(Message::Terminate(0)));
        assert_eq!(parse(b"K"), Some(Message::Kill));
        for rubbish in [&b""[..], b"L", b"Lx", b"K9", b"\xff"] {
            assert_eq!(parse(rubbish), None);
        }
    }

    #[test]
    fn a_message_may_come_in_pieces() {
        let mut control = Control { open: false, buffer: Vec::new(), messages: VecDeque::new() };
        control.take(b"L1");
        assert!(control.messages.is_empty());
        control.take(b"7\nK\n");
        assert_eq!(control.messages, [Message::Lease(17), Message::Kill]);
    }
}
