//! `mainspring workers`.

use crate::args::{Named, Workers};
use crate::exit::Outcome;
use crate::output::{self, line};
use crate::remote;

pub(crate) async fn run(command: Workers, quiet: bool) -> Outcome {
    match command {
        Workers::List(args) => {
            let client = remote::client(&args.remote)?;
            remote::watch(&client, args.watch, async || {
                let page = client.workers().await?;
                output::list(&page.items, &page, args.output.output)
            })
            .await
        }
        Workers::Pause(Named { name, remote }) => {
            remote::client(&remote)?.pause_worker(&name).await?;
            line(&format!("worker {name} paused"))?;
            remote::follow_up(quiet, &format!("mainspring workers resume {name}"));
            Ok(())
        }
        Workers::Resume(Named { name, remote }) => {
            remote::client(&remote)?.resume_worker(&name).await?;
            line(&format!("worker {name} resumed"))?;
            remote::follow_up(quiet, "mainspring workers list");
            Ok(())
        }
        Workers::Drain(Named { name, remote }) => {
            remote::client(&remote)?.drain_worker(&name).await?;
            line(&format!("worker {name} is draining"))?;
            remote::follow_up(quiet, "mainspring workers list --watch");
            Ok(())
        }
    }
}
