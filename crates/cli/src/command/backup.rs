//! `mainspring backup` and `mainspring restore`: copies of a SQLite store.

use mainspring_store::Error;
use mainspring_store_sqlite::{Copied, CopyError};

use crate::args::{Backup, Restore};
use crate::command::serve::not_started;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::line;
use crate::remote;

/// Copies the store, as of one commit.
pub(crate) fn backup(args: &Backup, quiet: bool) -> Outcome {
    let path = mainspring_server::sqlite_file(&args.of.store).map_err(not_started)?;
    let copied = mainspring_store_sqlite::backup(&path, &args.to).map_err(refused)?;
    line(&format!("{} holds {}", args.to.display(), in_words(&copied)))?;
    remote::follow_up(quiet, &format!("mainspring restore {} --store sqlite:PATH", args.to.display()));
    Ok(())
}

/// Puts a copy in the place of the store.
pub(crate) fn restore(args: &Restore, quiet: bool) -> Outcome {
    let path = mainspring_server::sqlite_file(&args.to.store).map_err(not_started)?;
    let copied = mainspring_store_sqlite::restore(&args.from, &path, args.yes).map_err(|error| match error {
        CopyError::Exists(_) => refused(error).hint("`--yes` replaces it"),
        CopyError::Store(_) => refused(error),
    })?;
    line(&format!("{} holds {}", path.display(), in_words(&copied)))?;
    remote::follow_up(quiet, &format!("mainspring serve --store {}", args.to.store));
    Ok(())
}

fn in_words(copied: &Copied) -> String {
    format!("{} tasks as of commit {}, {} bytes", copied.tasks, copied.commit, copied.bytes)
}

fn refused(error: CopyError) -> Failure {
    let exit = match &error {
        CopyError::Exists(_) | CopyError::Store(Error::Conflict(_)) => Exit::Conflict,
        CopyError::Store(_) => Exit::Failure,
    };
    Failure::new(exit, error.to_string())
}
