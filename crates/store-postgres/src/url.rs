//! Where the database is: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME&shards=NUMBER`, or a folder of a socket as the host.

use std::str::FromStr;
use std::time::Duration;

use mainspring_store::{Error, Part};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::tls::{self, Tls};

/// Longest time to wait for a connection, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which the system asks whether the other side still lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// Longest time that sent bytes may stay unacknowledged.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// Most shards of one schema.
const SHARDS_MAX: u16 = 256;

/// A database and the schema in it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// How to connect.
    pub(crate) config: Config,
    /// How to encrypt, if at all.
    pub(crate) tls: Option<Tls>,
    /// Whose tables are used; a plain name.
    pub(crate) schema: String,
    /// How many shards it has, or is to have; `None`: whatever it has.
    pub(crate) shards: Option<u16>,
    /// Which of them; no part of the URL.
    pub(crate) part: Part,
}

impl Target {
    /// Reads a URL. `schema` holds where the URL names none.
    ///
    /// # Errors
    /// `Incompatible` where it asks for what this program cannot do, with what to write instead.
    pub(crate) fn parse(url: &str, schema: &str) -> Result<Self, Error> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = schema.to_owned();
        let (mut shards, mut tls, mut kept) = (None, tls::Asked::default(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("schema", name)) => name.clone_into(&mut schema),
                Some(("shards", number)) => shards = Some(parse_shards(number)?),
                Some((name, value)) if tls.takes(name, value)? => {}
                _ => kept.push(pair),
            }
        }
        check_schema(&schema)?;
        let rest = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
        let mut config = Config::from_str(&format!("{base}{rest}")).map_err(|error| {
            Error::Incompatible(format!("the URL cannot be read: {}", crate::failure::text(&error)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(Error::Incompatible("the URL names no host: `postgres://USER@HOST:PORT/DATABASE`".to_owned()));
        }
        let (ssl_mode, tls) = tls.build()?;
        config.ssl_mode(ssl_mode).keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(UNACKNOWLEDGED_MAX);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("mainspring");
        }
        Ok(Self { config, tls, schema, shards, part: Part::default() })
    }

    /// `user@host:port/database`, without the password.
    pub(crate) fn shown(&self) -> String {
        let ports = self.config.get_ports();
        let places = self.config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        });
        format!("{}@{}/{}", self.user(), places.collect::<Vec<_>>().join(","), self.database())
    }

    /// The role, where the URL names one.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("(this system's user)")
    }

    /// The database; PostgreSQL takes the role's name where none is named.
    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }
}

fn parse_shards(text: &str) -> Result<u16, Error> {
    let number = text.parse().ok().filter(|number| (1..=SHARDS_MAX).contains(number));
    number.ok_or_else(|| {
        Error::Incompatible(format!(
            "`?shards={text}` is no number of shards: it takes a number from 1 to {SHARDS_MAX}"
        ))
    })
}

fn check_schema(name: &str) -> Result<(), Error> {
    let mut letters = name.bytes();
    let starts = letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_');
    let plain = letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if starts && plain && name.len() <= 63 && !name.starts_with("pg_") {
        return Ok(());
    }
    Err(Error::Incompatible(format!(
        "`{name}` cannot be the schema: it takes 1 to 63 of `a-z 0-9 _`, starts with no digit and not with `pg_`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Target::parse(url, "mainspring").expect_err("it must be refused").to_string()
    }

    #[test]
    fn a_url_names_the_database_and_the_schema() {
        let target = Target::parse("postgres://me:secret@127.0.0.1:6000/jobs?schema=other", "mainspring").unwrap();
        assert_eq!((target.schema.as_str(), target.shown().as_str()), ("other", "me@127.0.0.1:6000/jobs"));
        assert_eq!(target.shards, None);
        assert_eq!(Target::parse("postgres://h/d?shards=256", "mine").unwrap().shards, Some(256));
        let target = Target::parse("postgresql://me@%2Frun%2Fpostgresql/jobs?connect_timeout=2", "mine").unwrap();
        assert_eq!((target.schema.as_str(), target.shown().as_str()), ("mine", "me@/run/postgresql:5432/jobs"));
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_a_reason() {
        for mode in ["", "allow", "required", "verify_full"] {
            assert!(refusal(&format!("postgres://h/d?sslmode={mode}")).contains("`verify-full`"), "{mode}");
        }
        for (wrong, said) in [
            ("sslrootcert=/none/ca.crt", "`sslmode=`"),
            ("sslmode=disable&sslcert=/none/a.crt", "`sslmode=`"),
            ("sslmode=verify-ca&sslrootcert=/none/ca.crt", "/none/ca.crt"),
            ("sslmode=require&sslrootcert=system", "verify-full"),
            ("sslmode=require&sslcert=/none/a.crt", "`sslkey=`"),
        ] {
            let refused = refusal(&format!("postgres://u:s3cret@h/d?{wrong}"));
            assert!(refused.contains(said) && !refused.contains("s3cret"), "{wrong}: {refused}");
        }
        for mode in ["disable", "prefer", "require"] {
            let target = Target::parse(&format!("postgres://h/d?sslmode={mode}"), "mainspring");
            assert_eq!(target.expect("it is known").tls.is_some(), mode != "disable");
        }
        assert!(refusal("postgres://h/d?schema=a%22b").contains("schema"));
        assert!(refusal("postgres://h/d?schema=").contains("schema"));
        for shards in ["", "0", "257", "-1", "many"] {
            assert!(refusal(&format!("postgres://h/d?shards={shards}")).contains("1 to 256"), "{shards}");
        }
        assert!(refusal("postgres:///d").contains("host"));
        assert!(refusal("postgres://h/d?nonsense=1").contains("nonsense"));
    }
}
