//! How a command ends: the exit codes that scripts rely on, and the three lines a person gets to read.

use std::fmt;
use std::process::ExitCode;

use mainspring_protocol::problem::Problem;

/// The exit codes of `mainspring`. They never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong that has no code of its own.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No such task, job, queue, file.
    NotFound = 3,
    /// The work that was waited for has failed or was cancelled.
    WorkFailed = 4,
    /// It does not fit the present state, or an id is taken.
    Conflict = 5,
    /// Not allowed.
    NotAuthorised = 6,
    /// The server cannot be reached, or cannot take work now.
    Unreachable = 7,
    /// The work definition, or a value in it, is refused.
    Invalid = 8,
    /// What was waited for did not come in time.
    TimedOut = 124,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: what, where, and how to mend it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code to exit with.
    pub exit: Exit,
    /// What happened; empty if everything was said already.
    pub message: String,
    /// Places and details, one line each.
    pub details: Vec<String>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// What commands return.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), details: Vec::new(), hint: None }
    }

    /// A failure whose explanation was printed already.
    pub(crate) fn said(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for detail in &self.details {
            write!(f, "\n  {detail}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.status {
            401 | 403 => Exit::NotAuthorised,
            404 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            429 | 502..=504 => Exit::Unreachable,
            400 | 413 | 415 | 422 => Exit::Invalid,
            _ => Exit::Failure,
        };
        let details = problem
            .errors
            .iter()
            .map(|item| match &item.hint {
                Some(hint) => format!("{}: {} ({hint})", item.pointer, item.detail),
                None => format!("{}: {}", item.pointer, item.detail),
            })
            .collect();
        Self { exit, message: format!("{} [{}]", problem.detail, problem.code.word()), details, hint: problem.hint }
    }
}

impl From<mainspring_client::Error> for Failure {
    fn from(error: mainspring_client::Error) -> Self {
        use mainspring_client::Error;
        match error {
            Error::Problem(problem) => (*problem).into(),
            Error::Unreachable { .. } => Self::new(Exit::Unreachable, error.to_string())
                .hint("start one with `mainspring dev`, or name another with --server or MAINSPRING_URL"),
            Error::Address { .. } => Self::new(Exit::Usage, error.to_string()),
            Error::Decode { .. } => Self::new(Exit::Failure, error.to_string())
                .hint("is that a Mainspring server of this version? `mainspring --version` shows this one's"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // A reader that has seen enough, as in `mainspring jobs list | head`, is no failure worth a word.
        let quiet = error.kind() == std::io::ErrorKind::BrokenPipe;
        if quiet { Self::said(Exit::Failure) } else { Self::new(Exit::Failure, error.to_string()) }
    }
}
