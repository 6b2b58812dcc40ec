//! The closed list of problem codes. A code, once published, keeps its meaning.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $word:literal, $status:literal, $title:literal;)*) => {
        /// What kind of problem it is: stable words, one page each in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The word on the wire.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What it means, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Its page's text: the doc comment.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, "\n",)*),)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or not UTF-8.
    InvalidJson = "invalid_json", 400, "The body is not valid JSON";
    /// The body or file is not YAML, or uses what is refused: duplicate keys, alias bombs, YAML 1.1 booleans.
    InvalidYaml = "invalid_yaml", 400, "The body is not valid YAML";
    /// A field that nobody knows. The hint names the nearest known one.
    UnknownField = "unknown_field", 422, "A field is unknown";
    /// A value of the wrong type, form or range.
    InvalidValue = "invalid_value", 422, "A value is not valid";
    /// A value beyond a named limit. The detail names the value and the limit.
    LimitExceeded = "limit_exceeded", 422, "A limit is exceeded";
    /// A field that must be there is not.
    MissingField = "missing_field", 422, "A field is missing";
    /// Two members of one object have the same name.
    DuplicateKey = "duplicate_key", 422, "A key occurs twice";
    /// Two fields exclude each other.
    ConflictingFields = "conflicting_fields", 422, "Two fields exclude each other";
    /// A job names a task definition that does not exist.
    UnknownTask = "unknown_task", 422, "A task is not defined";
    /// A task names the definition of a sub-job that does not exist.
    UnknownDefinition = "unknown_definition", 422, "A sub-job is not defined";
    /// A task or job names a profile that does not exist.
    UnknownProfile = "unknown_profile", 422, "A profile is not defined";
    /// The dependencies form a ring. The detail shows its path.
    Cycle = "cycle", 422, "The dependencies form a cycle";
    /// A task depends on itself.
    SelfDependency = "self_dependency", 422, "A task depends on itself";
    /// Two tasks of a job have the same id.
    DuplicateTask = "duplicate_task", 422, "A task id is used twice";
    /// A task depends on one that its job does not have.
    UnknownDependency = "unknown_dependency", 422, "A dependency is not a task of the job";
    /// The field is understood, but this version cannot do it yet. It is never ignored silently.
    NotSupportedYet = "not_supported_yet", 422, "Not supported yet";
    /// An expression (`${{ … }}`, `if`, `forEach`, `until`) cannot be used. The detail says what, and at which byte of the
    /// text; the guide's page on expressions lists every mistake with its remedy.
    InvalidExpression = "invalid_expression", 422, "An expression is not valid";
    /// Several problems of different kinds; `errors` lists them.
    Invalid = "invalid", 422, "The request is not valid";
    /// No such task, job, definition, queue or worker.
    NotFound = "not_found", 404, "Not found";
    /// No such address.
    NoSuchRoute = "no_such_route", 404, "No such address";
    /// The address exists, but not for this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The id is taken by something with another body.
    IdTaken = "id_taken", 409, "The id is taken";
    /// The idempotency key was used with another body.
    IdempotencyKeyReused = "idempotency_key_reused", 409, "The idempotency key was used with another body";
    /// Another task holds the unique key; the detail names it.
    NotUnique = "not_unique", 409, "Another task holds the unique key";
    /// The order does not fit the state it met.
    WrongState = "wrong_state", 409, "Not possible in this state";
    /// A definition was changed meanwhile: its newest version is not the one that `If-Match` names.
    VersionMismatch = "version_mismatch", 412, "The version is another one";
    /// The task is not among the dead letters.
    NotDead = "not_dead", 409, "Not a dead letter";
    /// An earlier order is still being carried out; try again shortly.
    Busy = "busy", 409, "Still busy with an earlier order";
    /// The id exists in more than one tenant; add `?userId=`.
    AmbiguousId = "ambiguous_id", 409, "The id is ambiguous";
    /// A newer session of this worker has taken over.
    StaleSession = "stale_session", 409, "The session is stale";
    /// Two live processes use one `workerId`.
    WorkerIdInUse = "worker_id_in_use", 409, "The workerId is in use";
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", 413, "The body is too large";
    /// The media type is not one this address reads.
    UnsupportedMediaType = "unsupported_media_type", 415, "The media type is not supported";
    /// The header is missing, malformed or too long.
    InvalidHeader = "invalid_header", 400, "A header is not valid";
    /// A query parameter, or the query language in `q`, is not valid.
    InvalidQuery = "invalid_query", 400, "The query is not valid";
    /// The cursor or event id was not made by this server.
    InvalidCursor = "invalid_cursor", 400, "The cursor is not valid";
    /// The path is not valid: bad escapes or characters.
    InvalidPath = "invalid_path", 400, "The path is not valid";
    /// The configuration, or what reads it again, has something wrong in it. What was good before still holds.
    InvalidConfig = "invalid_config", 422, "The configuration is not valid";
    /// Not signed in, or not allowed.
    Forbidden = "forbidden", 403, "Not allowed";
    /// The caller's quota is used up; see `Retry-After`.
    QuotaExceeded = "quota_exceeded", 429, "The quota is used up";
    /// The server has more work than room; see `Retry-After`.
    Overloaded = "overloaded", 503, "The server is overloaded";
    /// The commit's fate is unknown. Repeat the request with the same id or idempotency key.
    OutcomeUnknown = "outcome_unknown", 503, "The outcome is unknown";
    /// The server is stopping.
    Stopping = "stopping", 503, "The server is stopping";
    /// The store does not answer, is full or read-only.
    StoreUnavailable = "store_unavailable", 503, "The store is unavailable";
    /// An address that a worker must not reach, or a request it must not make.
    Refused = "refused", 403, "Refused";
    /// A fault of the server. The log has the details.
    Internal = "internal", 500, "Internal error";
}

impl Code {
    /// The code with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }

    /// The `type` URI of a problem of this code.
    pub fn type_uri(self) -> Cow<'static, str> {
        Cow::Owned(format!("https://mainspring.dev/errors/{}", self.word()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
