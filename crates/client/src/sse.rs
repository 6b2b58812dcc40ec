//! Reads `text/event-stream` as the WHATWG HTML standard defines it, without I/O.

/// One dispatched message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The last id the stream has given, if it gave one.
    pub id: Option<String>,
    /// The event's name; `message` if the stream named none.
    pub event: String,
    /// The data lines, joined by line feeds.
    pub data: String,
}

/// A parser that takes the stream in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_carriage_return: bool,
    started: bool,
    id: Option<String>,
    event: String,
    data: Option<String>,
}

impl Parser {
    /// Takes the next piece; gives the messages that it completes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let skip = byte == b'\n' && self.after_carriage_return;
            self.after_carriage_return = byte == b'\r';
            match byte {
                _ if skip => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.take_line(&line));
                }
                _ => self.line.push(byte),
            }
        }
        messages
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(line);
        let text = if self.started { &*text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
        self.started = true;
        if text.is_empty() {
            return self.dispatch();
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take()?;
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(Message { id: self.id.clone(), event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, event: &str, data: &str) -> Message {
        Message { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn a_stream_reads_the_same_in_whatever_pieces_it_comes() {
        let stream =
            "\u{feff}: hello\nid: 7\nevent: log\ndata: one\ndata:two\r\n\r\ndata\n\nid\rdata: ünï\r\r".as_bytes();
        let expected = [
            message(Some("7"), "log", "one\ntwo"),
            message(Some("7"), "message", ""),
            message(Some(""), "message", "ünï"),
        ];
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let messages: Vec<_> = stream.chunks(size).flat_map(|piece| parser.push(piece)).collect();
            assert_eq!(messages, expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_message_is_not_dispatched() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"event: log\ndata: cut\n"), []);
        assert_eq!(parser.push(b"\n"), [message(None, "log", "cut")]);
    }

    #[test]
    fn an_event_without_data_is_dropped_with_its_name() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"event: ping\n\ndata: x\n\n"), [message(None, "message", "x")]);
    }
}
