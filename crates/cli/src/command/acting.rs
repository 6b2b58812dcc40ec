//! Orders about named things, or about everything a query finds: the same for tasks and for jobs.

use std::future::Future;

use mainspring_client::Error;
use mainspring_protocol::order::BulkRequest;
use mainspring_protocol::view::BulkView;

use crate::args::{Act, Format};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::line;
use crate::remote::confirm;

/// What is done to what, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// The order as the API calls it: `cancel`.
    pub action: &'static str,
    /// What became of it: `cancelled`.
    pub done: &'static str,
    /// `task` or `job`.
    pub noun: &'static str,
}

/// Says that something was done to one thing, or would be.
pub(crate) fn told(act: &Act, words: Words, id: &str) -> Outcome {
    match act.output.output {
        Format::Name => line(id),
        _ if act.dry_run => line(&format!("{} {id} would be {}", words.noun, words.done)),
        _ => line(&format!("{} {id} {}", words.noun, words.done)),
    }
}

/// Does something to everything that a query finds: counts first, asks, then repeats until nothing is left.
pub(crate) async fn by_query<F>(act: &Act, query: &str, words: Words, call: impl Fn(BulkRequest) -> F) -> Outcome
where
    F: Future<Output = Result<BulkView, Error>>,
{
    let request = |dry_run| BulkRequest { action: words.action.to_owned(), q: query.to_owned(), dry_run };
    let found = call(request(true)).await?;
    let many = counted(&found, words.noun);
    if act.dry_run {
        return line(&format!("{many} would be {}", words.done));
    }
    if found.count == 0 {
        return Err(Failure::new(Exit::NotFound, format!("no {} fits `{query}`", words.noun)));
    }
    if !act.yes {
        confirm(&format!("{many} will be {}. Go on?", words.done))?;
    }
    let mut total = 0;
    loop {
        let done = call(request(false)).await?;
        total += done.count;
        if !done.more || done.count == 0 {
            break;
        }
    }
    line(&format!("{total} {}s {}", words.noun, words.done))
}

/// How many, in words.
pub(crate) fn counted(found: &BulkView, noun: &str) -> String {
    match (found.count, found.more) {
        (1, false) => format!("1 {noun}"),
        (count, false) => format!("{count} {noun}s"),
        (count, true) => format!("more than {count} {noun}s"),
    }
}
