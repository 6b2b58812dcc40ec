//! `mainspring why`: what keeps a task from running.

use crate::args::Why;
use crate::exit::Outcome;
use crate::output::{self, Listed as _};
use crate::remote;

pub(crate) async fn run(args: &Why) -> Outcome {
    let client = remote::client(&args.one.remote)?;
    let task = remote::task(&client, &args.one.id).await?;
    let why = client.why(&remote::reference(&task)).await?;
    let name = task.name();
    output::one(&why, &name, args.one.output.output, || {
        let gates = why.gates.iter().map(|gate| format!("  {:<14}  {}", gate.gate, gate.detail));
        let gates: Vec<_> = gates.collect();
        let gates = if gates.is_empty() { "  nothing keeps it from running".to_owned() } else { gates.join("\n") };
        format!("{name} is {}\n{gates}", task.status)
    })
}
