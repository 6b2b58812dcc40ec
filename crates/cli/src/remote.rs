//! Talking to a server: the client, ids given by their beginnings, questions before large changes, waiting.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use mainspring_client::{Client, Error, ListQuery, TaskRef};
use mainspring_protocol::problem::Code;
use mainspring_protocol::view::{JobView, TaskView};

use crate::args::{Listing, Remote};
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};

/// How long one waiting call is held; the server's own bound is higher.
const WAIT_STEP: Duration = Duration::from_secs(30);
/// How long changes may gather before a watched list is shown again.
const WATCH_PAUSE: Duration = Duration::from_millis(250);

/// A client of the server that the flags name.
pub(crate) fn client(remote: &Remote) -> Outcome<Client> {
    Ok(Client::new(&remote.server, remote.token.clone())?.for_tenant(remote.user_id.clone()))
}

/// The filters of a listing, as the API takes them.
pub(crate) fn list_query(listing: &Listing) -> ListQuery {
    ListQuery {
        q: listing.query.clone(),
        status: (!listing.status.is_empty()).then(|| listing.status.join(",")),
        limit: Some(listing.limit),
        cursor: listing.cursor.clone(),
        ..ListQuery::default()
    }
}

/// The task with this id or `job/task`, or the only one whose id begins so.
pub(crate) async fn task(client: &Client, id: &str) -> Outcome<TaskView> {
    let wanted = TaskRef::from(id);
    let missing = match client.task(&wanted).await {
        Err(error) if is_missing(&error) => error,
        found => return Ok(found?),
    };
    match &wanted.job {
        Some(job) => {
            let job = self::job(client, job).await?;
            Ok(client.task(&TaskRef::of_job(job.job_id, &wanted.task)).await?)
        }
        None => {
            let Some(query) = beginning(id) else { return Err(missing.into()) };
            let mut found = client.tasks(&query).await?.items;
            found.retain(|task| task.job_id.is_none());
            only(found, id, |task| task.task_id.clone(), missing)
        }
    }
}

/// The job with this id, or the only one whose id begins so.
pub(crate) async fn job(client: &Client, id: &str) -> Outcome<JobView> {
    let missing = match client.job(id).await {
        Err(error) if is_missing(&error) => error,
        found => return Ok(found?),
    };
    let Some(query) = beginning(id) else { return Err(missing.into()) };
    let found = client.jobs(&query).await?.items;
    only(found, id, |job| job.job_id.clone(), missing)
}

/// How calls name this task.
pub(crate) fn reference(task: &TaskView) -> TaskRef {
    TaskRef { job: task.job_id.clone(), task: task.task_id.clone() }
}

pub(crate) fn is_missing(error: &Error) -> bool {
    error.problem().is_some_and(|problem| problem.code == Code::NotFound)
}

fn beginning(id: &str) -> Option<ListQuery> {
    let plain = id.len() >= 2 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    plain.then(|| ListQuery { q: Some(format!("id:{id}*")), limit: Some(10), ..ListQuery::default() })
}

fn only<T>(mut found: Vec<T>, id: &str, name: impl Fn(&T) -> String, missing: Error) -> Outcome<T> {
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one),
        (None, _) => Err(missing.into()),
        (Some(last), more) => {
            let names: Vec<_> = more.iter().chain([&last]).map(name).collect();
            let message = format!("`{id}` is the beginning of {} ids", names.len());
            Err(Failure { details: names, ..Failure::new(Exit::Usage, message) }.hint("write more of the id"))
        }
    }
}

/// Asks whether to go on. Without a terminal nobody can answer, so `--yes` is needed.
pub(crate) fn confirm(question: &str) -> Outcome {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, format!("{question} Nobody is there to answer")).hint("add --yes"));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failure, "nothing was done"))
    }
}

/// Calls `look` until it finds an end, at most for `limit`. `look` is given how long its call may wait.
pub(crate) async fn until_ended<T>(
    limit: Option<Duration>,
    what: &str,
    mut look: impl AsyncFnMut(Duration) -> Result<Option<T>, Error>,
) -> Outcome<T> {
    let started = clock::instant();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
        if let Some(ended) = look(left.unwrap_or(WAIT_STEP).min(WAIT_STEP)).await? {
            return Ok(ended);
        }
        if left == Some(Duration::ZERO) {
            let limit = limit.unwrap_or_default();
            return Err(Failure::new(Exit::TimedOut, format!("{what} did not end within {limit:?}")));
        }
    }
}

/// Shows something, and shows it again whenever something happens on the server.
pub(crate) async fn watch(client: &Client, again: bool, mut show: impl AsyncFnMut() -> Outcome) -> Outcome {
    if !again {
        return show().await;
    }
    let mut events = client.events(None).await?;
    loop {
        if std::io::stdout().is_terminal() {
            print!("\u{1b}[H\u{1b}[2J");
        }
        show().await?;
        if events.next().await?.is_none() {
            return Ok(());
        }
        // What happens in quick succession is shown at once.
        let pause = tokio::time::sleep(WATCH_PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                event = events.next() => if event?.is_none() { return Ok(()) },
            }
        }
    }
}

/// Names the command that comes next.
pub(crate) fn follow_up(quiet: bool, command: &str) {
    if !quiet {
        eprintln!("next: {command}");
    }
}

/// Says how to see what did not fit on a page.
pub(crate) fn more(next_cursor: &Option<String>, quiet: bool) {
    if let Some(cursor) = next_cursor.as_ref().filter(|_| !quiet) {
        eprintln!("there are more: add --cursor {cursor}");
    }
}
