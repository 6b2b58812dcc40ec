//! `mainspring queues set`, `mainspring types` and `mainspring tenants`.

use mainspring_core::permit::Rate;
use mainspring_protocol::rate::WireRate;
use mainspring_protocol::settings::{QueueSettings, TenantSettings, TypeSettings};

use crate::args::{SetLimits, SetTenant, Setting, Tenants, Types};
use crate::exit::Outcome;
use crate::output::{self, line};
use crate::remote;

pub(crate) async fn queue(args: SetLimits, quiet: bool) -> Outcome {
    let (concurrency, rate) = changes(&args);
    let settings = QueueSettings { concurrency, rate, ..QueueSettings::default() };
    let queue = remote::client(&args.remote)?.set_queue(&args.name, &settings).await?;
    line(&format!("queue {}: {}", queue.name, limits(queue.concurrency, queue.rate)))?;
    remote::follow_up(quiet, "mainspring queues list");
    Ok(())
}

pub(crate) async fn types(command: Types, quiet: bool) -> Outcome {
    match command {
        Types::List(args) => {
            let client = remote::client(&args.remote)?;
            remote::watch(&client, args.watch, async || {
                let page = client.types().await?;
                output::list(&page.items, &page, args.output.output)
            })
            .await
        }
        Types::Set(args) => {
            let (concurrency, rate) = changes(&args);
            let settings = TypeSettings { concurrency, rate };
            let set = remote::client(&args.remote)?.set_type(&args.name, &settings).await?;
            line(&format!("type {}: {}", set.kind, limits(set.concurrency, set.rate)))?;
            remote::follow_up(quiet, "mainspring types list");
            Ok(())
        }
    }
}

pub(crate) async fn tenants(command: Tenants, quiet: bool) -> Outcome {
    match command {
        Tenants::List(args) => {
            let client = remote::client(&args.remote)?;
            remote::watch(&client, args.watch, async || {
                let page = client.tenants().await?;
                output::list(&page.items, &page, args.output.output)
            })
            .await
        }
        Tenants::Set(SetTenant { name, weight, submit_rate, max_backlog, remote }) => {
            let (weight, submit_rate) = (weight.map(|Setting(weight)| weight), submit_rate.map(|Setting(rate)| rate));
            let max_backlog = max_backlog.map(|Setting(max)| max);
            let settings = TenantSettings { weight, submit_rate, max_backlog };
            let set = remote::client(&remote)?.set_tenant(&name, &settings).await?;
            let rate = set.submit_rate.map(|WireRate(rate)| mainspring_protocol::rate::text(&rate));
            let rate = rate.map_or_else(|| "submits at any rate".to_owned(), |rate| format!("submits {rate}"));
            let backlog = set.max_backlog.map(|max| format!(", at most {max} unfinished")).unwrap_or_default();
            line(&format!("tenant {}: weight {}, {rate}{backlog}", set.user_id, set.weight))?;
            remote::follow_up(quiet, "mainspring tenants list");
            Ok(())
        }
    }
}

/// A change to a value, or to none.
type Change<T> = Option<Option<T>>;

fn changes(args: &SetLimits) -> (Change<u32>, Change<WireRate>) {
    let concurrency = args.concurrency.map(|Setting(max)| max);
    let burst = |rate: Rate| Rate { burst: args.burst.unwrap_or(rate.burst), ..rate };
    let rate = args.rate.map(|Setting(rate)| rate.map(|WireRate(rate)| WireRate(burst(rate))));
    (concurrency, rate)
}

fn limits(concurrency: Option<u32>, rate: Option<WireRate>) -> String {
    let concurrency = concurrency.map_or_else(|| "any number runs".to_owned(), |max| format!("at most {max} run"));
    let rate = rate.map(|WireRate(rate)| format!("{} start", mainspring_protocol::rate::text(&rate)));
    format!("{concurrency}, {}", rate.unwrap_or_else(|| "at any rate".to_owned()))
}
