//! `mainspring migrate-store`: everything of one store into another, empty one, of whatever kind and number of shards.
//!
//! Both stores belong to this process meanwhile, so no server can run on them. Rows are read with the readers that serve
//! people and written as the commits of a server would be; then both stores are read again and compared.

mod compare;
mod copy;
mod pieces;
mod side;

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mainspring_store::Error;

use self::copy::Copier;
use self::pieces::Pieces;
use self::side::Side;
use crate::args::MigrateStore;
use crate::command::serve::not_started;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{line, say, table};
use crate::remote;

/// How to mend that somebody else has a store.
const HELD: &str = "a server has it; stop the server first";

/// Copies, compares, and says what it found.
pub(crate) async fn run(args: &MigrateStore, quiet: bool) -> Outcome {
    refuse_what_makes_no_sense(args)?;
    let mut from = Side::open(&args.from).await?;
    let mut to = match Side::open(&args.to).await {
        Ok(to) => to,
        Err(failure) => {
            from.give_back().await;
            return Err(failure);
        }
    };
    let outcome = migrate(&mut from, &mut to, quiet).await;
    from.give_back().await;
    to.give_back().await;
    outcome?;
    remote::follow_up(quiet, &format!("mainspring serve --store {}", args.to));
    Ok(())
}

fn refuse_what_makes_no_sense(args: &MigrateStore) -> Outcome {
    if args.from == args.to {
        return Err(Failure::new(Exit::Usage, "FROM and TO are the same store"));
    }
    if [&args.from, &args.to].into_iter().any(|url| url.starts_with("memory:")) {
        return Err(Failure::new(
            Exit::Usage,
            "a store in memory ends with its process; nothing can be moved to or from it",
        ));
    }
    if args.from.starts_with("sqlite:") {
        let path = mainspring_server::sqlite_file(&args.from).map_err(not_started)?;
        if !Path::exists(&path) {
            return Err(Failure::new(Exit::NotFound, format!("there is no file {}", path.display())));
        }
    }
    Ok(())
}

async fn migrate(from: &mut Side, to: &mut Side, quiet: bool) -> Outcome {
    if !to.is_empty() {
        return Err(Failure::new(Exit::Conflict, "TO is not empty: something was written to it before")
            .hint("name a new file, schema or prefix; what a migration that was cut off left behind can be deleted"));
    }
    if from.is_empty() {
        return Err(Failure::new(Exit::NotFound, "FROM is empty: nothing was ever written to it"));
    }
    let bar = bar(quiet, from.tasks().await?);
    let mut copier = Copier::new(from, to);
    let mut pieces = Pieces::new(from);
    while let Some(some) = pieces.next().await? {
        bar.inc(pieces::tasks_in(&some));
        for piece in some {
            copier.take(piece).await?;
        }
    }
    copier.finish().await?;
    bar.finish_and_clear();
    to.load().await?;
    if !quiet {
        say("copied; reading both stores again to compare them");
    }
    let tallies = futures_util::future::try_join(compare::tally(from), compare::tally(to)).await?;
    let rows = compare::rows(&tallies.0, &tallies.1);
    line(&table(["ROWS", "FROM", "TO", "HASH FROM", "HASH TO", "RESULT"].into_iter(), rows.into_iter()))?;
    if tallies.0 != tallies.1 {
        return Err(Failure::new(Exit::Failure, "the copy differs from what was copied; do not use it"));
    }
    Ok(())
}

/// Progress on standard error, by tasks.
fn bar(quiet: bool, tasks: u64) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(tasks), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks  {per_sec}  {eta} left");
    bar.with_style(style.expect("the template is constant"))
}

/// What a store's refusal means to whoever typed the command.
fn refused(url: &str, error: Error) -> Failure {
    let scheme = url.split(':').next().unwrap_or_default();
    let failure = |exit| Failure::new(exit, format!("the {scheme} store: {error}"));
    match &error {
        Error::Conflict(_) => failure(Exit::Conflict).hint(HELD),
        Error::Unavailable(_) => failure(Exit::Unreachable),
        Error::Corrupt(_) | Error::Incompatible(_) => failure(Exit::Failure),
    }
}
