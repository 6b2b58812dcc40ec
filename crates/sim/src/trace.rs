//! Short lines about what happens, for `--trace`.

use mainspring_core::effect::Effect;

/// An effect in one line.
pub fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Reply { to, answer } => {
            let mut text = format!("reply #{to} {answer:?}");
            text.truncate(160);
            text
        }
        Effect::Exchanged { to, accepted, stale, directive } => format!(
            "exchanged #{to} accepted {:?} stale {:?} {directive:?}",
            accepted.iter().map(|token| token.lease).collect::<Vec<_>>(),
            stale.iter().map(|token| token.lease).collect::<Vec<_>>()
        ),
        Effect::Grant(grant) => {
            format!(
                "grant {:?} lease {} attempt {} to {}",
                grant.token.task, grant.token.lease, grant.attempt, grant.session
            )
        }
        Effect::Revoke { session, token } => format!("revoke {:?} lease {} of {session}", token.task, token.lease),
        Effect::Evaluate(ask) => format!("evaluate {:?} generation {}", ask.task, ask.generation),
        Effect::Direct { session, directive } => format!("direct {session} {directive:?}"),
        Effect::Hook(row) => format!("hook {}", row.key.raw()),
        Effect::Announce(jobs) => format!("announce {:?}", jobs.iter().map(|(number, _)| number).collect::<Vec<_>>()),
        Effect::Install(id) => format!("install {}", id.name),
        Effect::Loan(message) => format!("loan {message:?}"),
        Effect::Plan(ask) => format!("plan {} {:?} after {:?}", ask.row.id.name, ask.want, ask.row.state.covered),
    }
}
