//! `mainspring queues`.

use crate::args::{Named, Queues};
use crate::exit::Outcome;
use crate::output::{self, line};
use crate::remote;

pub(crate) async fn run(command: Queues, quiet: bool) -> Outcome {
    match command {
        Queues::List(args) => {
            let client = remote::client(&args.remote)?;
            remote::watch(&client, args.watch, async || {
                let page = client.queues().await?;
                output::list(&page.items, &page, args.output.output)
            })
            .await
        }
        Queues::Pause(Named { name, remote }) => {
            remote::client(&remote)?.pause_queue(&name).await?;
            line(&format!("queue {name} paused"))?;
            remote::follow_up(quiet, &format!("mainspring queues resume {name}"));
            Ok(())
        }
        Queues::Resume(Named { name, remote }) => {
            remote::client(&remote)?.resume_queue(&name).await?;
            line(&format!("queue {name} resumed"))?;
            remote::follow_up(quiet, "mainspring queues list");
            Ok(())
        }
        Queues::Set(args) => super::limits::queue(args, quiet).await,
    }
}
