//! `mainspring`: one binary that is the server, the worker, and everything a person types at them.

mod args;
mod bench;
mod clock;
mod command;
mod embedded;
mod exit;
mod import;
mod output;
mod progress;
mod remote;
mod rows;

use std::pin::Pin;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::args::{Cli, Command};
use crate::exit::{Exit, Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse_from(args::naming_the_list(std::env::args_os().collect()));
    output::colours(!cli.no_color);
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::say(format_args!("{failure}"));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Outcome<ExitCode> {
    match cli.command {
        // In a process of its own, before any thread is started.
        Command::Supervise { args } => return Ok(mainspring_worker::supervise::main(args.into_iter())),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "mainspring", &mut std::io::stdout());
        }
        Command::RedisKey(args) => command::redis_key::run(&args),
        Command::Import(args) => command::import::run(&args, cli.quiet)?,
        Command::Validate(args) => command::validate::run(&args)?,
        Command::Plan(args) => command::plan::run(&args)?,
        Command::Backup(args) => command::backup::backup(&args, cli.quiet)?,
        Command::Restore(args) => command::backup::restore(&args, cli.quiet)?,
        command => runtime()?.block_on(dispatch(command, cli.quiet))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn dispatch(command: Command, quiet: bool) -> Outcome {
    // These end by themselves when they are told to; everything else may simply be left.
    let ends_itself = matches!(command, Command::Dev(_) | Command::Run(_) | Command::Serve(_) | Command::Worker(_));
    // Behind a pointer: or each place that polls it, here and in the runtime, would have its own copy of all commands.
    let mut outcome: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(carry_out(command, quiet));
    if ends_itself {
        return outcome.await;
    }
    tokio::select! {
        outcome = &mut outcome => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::said(Exit::Interrupted)),
    }
}

async fn carry_out(command: Command, quiet: bool) -> Outcome {
    match command {
        Command::Dev(args) => command::dev::run(args, quiet).await,
        Command::Run(args) => command::run::run(args, quiet).await,
        Command::Serve(args) => command::serve::run(args, quiet).await,
        Command::Worker(args) => command::worker::run(args, quiet).await,
        Command::Apply(args) => command::apply::run(args, quiet).await,
        Command::Definitions(args) => command::definitions::run(args, quiet).await,
        Command::Profiles(args) => command::profiles::run(args, quiet).await,
        Command::Submit(args) => command::submit::run(args, quiet).await,
        Command::Jobs(args) => command::jobs::run(args, quiet).await,
        Command::Tasks(args) => command::tasks::run(args, quiet).await,
        Command::Logs(args) => command::logs::run(&args).await,
        Command::Why(args) => command::why::run(&args).await,
        Command::Doctor(args) => command::doctor::run(&args).await,
        Command::Schedules(args) => command::schedules::run(args, quiet).await,
        Command::Queues(args) => command::queues::run(args, quiet).await,
        Command::Types(args) => command::limits::types(args, quiet).await,
        Command::Tenants(args) => command::limits::tenants(args, quiet).await,
        Command::Workers(args) => command::workers::run(args, quiet).await,
        Command::Dlq(args) => command::dlq::run(args, quiet).await,
        Command::Events(args) => command::events::run(&args).await,
        Command::MigrateStore(args) => command::migrate_store::run(&args, quiet).await,
        Command::Config(args) => command::config::run(args, quiet).await,
        Command::Bench(args) => bench::bench(args, quiet).await,
        Command::Completions { .. }
        | Command::Supervise { .. }
        | Command::RedisKey(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Import(_)
        | Command::Validate(_)
        | Command::Plan(_) => unreachable!("carried out without a runtime"),
    }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot start threads: {error}")))
}
