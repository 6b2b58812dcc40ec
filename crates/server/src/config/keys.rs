//! The keys of the configuration: one table from which the file, the environment, the schema and the guide are read.

use std::net::SocketAddr;

use mainspring_protocol::duration;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name, `table.key` inside a table.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What holds where nobody says anything, as it would be written; `None`: nothing.
    pub default: Option<&'static str>,
    /// Whether a reload changes it; otherwise it needs a restart.
    pub live: bool,
    /// What it does, for people.
    pub about: &'static str,
}

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `HOST:PORT`.
    Address,
    /// The URL of a store, which may have a password.
    Store,
    /// An `http://HOST:PORT`.
    Url,
    /// A folder.
    Path,
    /// A level of the log, or directives as in `info,mainspring_server=debug`.
    Level,
    /// A number from 1.
    Count,
    /// A number of bytes from 1, or a text with a unit: `64 MiB`.
    Bytes,
    /// A number of seconds, or a text with units: `1h30m`.
    Duration,
    /// The same, or `never`.
    DurationOrNever,
}

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Key {
    Key { name, kind, default, live: false, about }
}

const fn live(name: &'static str, kind: Kind, default: Option<&'static str>, about: &'static str) -> Key {
    Key { name, kind, default, live: true, about }
}

/// Every key, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key("listen", Kind::Address, Some("127.0.0.1:7070"), "Where the API listens; port 0 takes a free one."),
    key(
        "store",
        Kind::Store,
        Some("sqlite:mainspring.db"),
        "Where everything is kept: `sqlite:PATH`, `postgres://…`, `redis://…` or `memory:`.",
    ),
    key("advertise", Kind::Url, None, "Where other nodes of the cluster reach this one."),
    key("cluster_listen", Kind::Address, None, "Another address to listen on, for other nodes alone."),
    live("definitions_dir", Kind::Path, None, "A watched folder of job, task and profile files."),
    key("retention", Kind::DurationOrNever, Some("7d"), "How long ended tasks and jobs are kept."),
    live("log.level", Kind::Level, Some("info"), "What is logged; `RUST_LOG` overrules it."),
    key("http.connections_max", Kind::Count, Some("4096"), "Open connections."),
    key("http.streams_max", Kind::Count, Some("1024"), "Open event and log streams."),
    live("http.submit_bytes_max", Kind::Bytes, Some("64 MiB"), "A body that submits tasks or jobs."),
    live("http.body_bytes_max", Kind::Bytes, Some("1 MiB"), "Any other body."),
    key("http.bytes_in_flight_max", Kind::Bytes, Some("256 MiB"), "All bodies that are read or worked on."),
    key("http.head_timeout", Kind::Duration, Some("60s"), "Longest time for the head of a request."),
    live("http.body_timeout", Kind::Duration, Some("30s"), "Longest silence inside a body."),
    key("http.write_timeout", Kind::Duration, Some("60s"), "Longest time an answer is left unread."),
    live("http.keep_alive", Kind::Duration, Some("15s"), "Silence after which a stream shows that it lives."),
    key("node.mailbox_bytes_max", Kind::Bytes, Some("64 MiB"), "What may wait in each lane of a shard's mailbox."),
    key("node.wait_max", Kind::Duration, Some("30s"), "Longest wait of one exchange of a worker."),
];

impl Key {
    /// The key with this name.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('.', "__"))
    }
}

/// How variables of the environment begin.
pub const PREFIX: &str = "MAINSPRING_";

/// A value that fits its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, as it was given.
    Text(String),
    /// A number.
    Number(u64),
    /// Milliseconds; `None`: never.
    Duration(Option<u64>),
}

/// A value as a layer has it.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    Number(i64),
    /// Of a type that no key has.
    Other(&'static str),
}

/// Reads a value of this kind, or says what it should be.
pub(super) fn read(kind: Kind, raw: &Raw) -> Result<Value, String> {
    match kind {
        Kind::Count => number(raw).ok_or_else(|| wrong(raw, "a number from 1")),
        Kind::Bytes => {
            number(raw).or_else(|| bytes(raw)).ok_or_else(|| wrong(raw, "a number of bytes, as in `64 MiB`"))
        }
        Kind::Duration => span(raw).ok_or_else(|| wrong(raw, "a number of seconds or a text, as in `1h30m`")),
        Kind::DurationOrNever if matches!(raw, Raw::Text(text) if text == "never") => Ok(Value::Duration(None)),
        Kind::DurationOrNever => {
            span(raw).ok_or_else(|| wrong(raw, "`never`, a number of seconds, or a text, as in `7d`"))
        }
        Kind::Address | Kind::Store | Kind::Url | Kind::Path | Kind::Level => text(kind, raw),
    }
}

fn text(kind: Kind, raw: &Raw) -> Result<Value, String> {
    let Raw::Text(text) = raw else { return Err(wrong(raw, "a text")) };
    let expected = match kind {
        Kind::Address if text.parse::<SocketAddr>().is_err() => "an address, as in `127.0.0.1:7070`",
        Kind::Store if !text.contains(':') => "the URL of a store, as in `sqlite:mainspring.db`",
        Kind::Url if !text.starts_with("http://") => "`http://HOST:PORT`",
        Kind::Path | Kind::Level if text.is_empty() => "a text that is not empty",
        _ => return Ok(Value::Text(text.clone())),
    };
    Err(wrong(raw, expected))
}

fn number(raw: &Raw) -> Option<Value> {
    let number = match raw {
        Raw::Number(number) => u64::try_from(*number).ok()?,
        Raw::Text(text) => text.parse().ok()?,
        Raw::Other(_) => return None,
    };
    (1..=1 << 48).contains(&number).then_some(Value::Number(number))
}

fn bytes(raw: &Raw) -> Option<Value> {
    let Raw::Text(text) = raw else { return None };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    (1..=1 << 48).contains(&bytes).then_some(Value::Number(bytes))
}

fn span(raw: &Raw) -> Option<Value> {
    let ms = match raw {
        Raw::Number(seconds) => u64::try_from(*seconds).ok()?.checked_mul(1_000)?,
        Raw::Text(text) => duration::parse(text).ok()?.ms(),
        Raw::Other(_) => return None,
    };
    (ms > 0).then_some(Value::Duration(Some(ms)))
}

fn wrong(raw: &Raw, expected: &str) -> String {
    match raw {
        Raw::Text(text) => format!("`{}` is not {expected}", text.chars().take(100).collect::<String>()),
        Raw::Number(number) => format!("`{number}` is not {expected}"),
        Raw::Other(kind) => format!("{kind} is not {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_key_and_no_name_occurs_twice() {
        for key in KEYS {
            if let Some(default) = key.default {
                assert!(read(key.kind, &Raw::Text(default.to_owned())).is_ok(), "{}", key.name);
            }
            assert_eq!(KEYS.iter().filter(|other| other.name == key.name).count(), 1);
        }
        assert_eq!(
            Key::find("http.body_bytes_max").map(Key::variable).as_deref(),
            Some("MAINSPRING_HTTP__BODY_BYTES_MAX")
        );
    }

    #[test]
    fn values_are_read_with_their_units() {
        let text = |kind, text: &str| read(kind, &Raw::Text(text.to_owned())).ok();
        assert_eq!(text(Kind::Bytes, "64 MiB"), Some(Value::Number(64 << 20)));
        assert_eq!(text(Kind::Bytes, "1KiB"), Some(Value::Number(1024)));
        assert_eq!(text(Kind::Bytes, "100"), Some(Value::Number(100)));
        assert_eq!(text(Kind::Duration, "1h30m"), Some(Value::Duration(Some(5_400_000))));
        assert_eq!(text(Kind::DurationOrNever, "never"), Some(Value::Duration(None)));
        assert_eq!(read(Kind::Duration, &Raw::Number(5)), Ok(Value::Duration(Some(5_000))));
        for (kind, bad) in [
            (Kind::Bytes, "0"),
            (Kind::Bytes, "1 MB"),
            (Kind::Bytes, "99999999999 GiB"),
            (Kind::Count, "-1"),
            (Kind::Duration, "never"),
            (Kind::Duration, "0s"),
            (Kind::Address, "localhost"),
            (Kind::Store, "here"),
            (Kind::Url, "https://x"),
            (Kind::Path, ""),
        ] {
            assert_eq!(text(kind, bad), None, "{bad}");
        }
    }
}
