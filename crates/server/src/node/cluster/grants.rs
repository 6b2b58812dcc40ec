//! What an exchange brings back where several shards have their part in it.

use mainspring_core::id::Token;
use mainspring_core::row::Directive;
use mainspring_node::hub::{Held, Merged, Part};
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply};
use mainspring_protocol::token;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::node::CallError;
use crate::node::exchange::{ExchangeAnswer, write_tokens};

/// One shard's answer as its part.
pub(super) fn part_of(answer: &ExchangeAnswer) -> Part {
    let held = |(token, json): (Token, Vec<u8>)| Held { token, json: json.into() };
    Part {
        grants: answer.grants_as_json().into_iter().map(held).collect(),
        accepted: answer.accepted.clone(),
        stale: answer.stale.clone(),
        cancel: answer.cancel.clone(),
        directive: answer.directive,
        offered: answer.offered,
        outdated: answer.outdated,
    }
}

/// Reads what [`part_as_json`] wrote.
pub(super) fn part_from_json(bytes: &[u8]) -> Result<Part, CallError> {
    let unreadable = || CallError::Unavailable("another node answered what cannot be read".to_owned());
    let wire: Wire = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let tokens = |texts: Vec<String>| -> Result<Vec<Token>, CallError> {
        texts.iter().map(|text| token::decode(text).ok_or_else(unreadable)).collect()
    };
    let held = |json: Box<RawValue>| {
        let head: Head = serde_json::from_str(json.get()).map_err(|_| unreadable())?;
        let token = token::decode(&head.token).ok_or_else(unreadable)?;
        Ok(Held { token, json: json.get().as_bytes().into() })
    };
    Ok(Part {
        grants: wire.grants.into_iter().map(held).collect::<Result<_, CallError>>()?,
        accepted: tokens(wire.accepted)?,
        stale: tokens(wire.stale)?,
        cancel: tokens(wire.cancel)?,
        directive: match wire.directive {
            DirectiveName::Run => Directive::Run,
            DirectiveName::Pause => Directive::Pause,
            DirectiveName::Drain => Directive::Drain,
        },
        offered: wire.offered,
        outdated: wire.outdated,
    })
}

#[derive(Deserialize)]
struct Wire {
    grants: Vec<Box<RawValue>>,
    accepted: Vec<String>,
    stale: Vec<String>,
    cancel: Vec<String>,
    directive: DirectiveName,
    offered: u32,
    outdated: bool,
}

#[derive(Deserialize)]
struct Head {
    token: String,
}

/// One shard's answer for another node.
pub(super) fn part_as_json(answer: &ExchangeAnswer) -> Vec<u8> {
    let mut out = answer.to_json();
    out.pop();
    out.extend_from_slice(format!(",\"offered\":{},\"outdated\":{}}}", answer.offered, answer.outdated).as_bytes());
    out
}

/// The answers of all shards as the wire has them.
fn merged_as_json(merged: &Merged) -> Vec<u8> {
    let grants: usize = merged.grants.iter().map(|held| held.json.len() + 1).sum();
    let tokens = merged.accepted.len() + merged.stale.len() + merged.cancel.len();
    let mut out = Vec::with_capacity(128 + grants + 40 * tokens);
    out.extend_from_slice(format!("{{\"seq\":{},\"grants\":[", merged.seq).as_bytes());
    for (place, held) in merged.grants.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&held.json);
    }
    out.push(b']');
    write_tokens(&mut out, "accepted", &merged.accepted, &[]);
    write_tokens(&mut out, "stale", &merged.stale, &merged.unreadable);
    write_tokens(&mut out, "cancel", &merged.cancel, &[]);
    let directive = DirectiveName::from(merged.directive).word();
    out.extend_from_slice(format!(",\"directive\":\"{directive}\"}}").as_bytes());
    out
}

/// What an exchange brings back.
#[derive(Clone, Debug)]
pub enum Exchanged {
    /// Of the only shard.
    One(ExchangeAnswer),
    /// Of several shards.
    Many(Merged),
}

impl Exchanged {
    /// The answer as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            Self::One(answer) => answer.to_json(),
            Self::Many(merged) => merged_as_json(merged),
        }
    }

    /// The answer as the wire's type, for a worker in this process.
    pub fn to_reply(&self) -> ExchangeReply {
        serde_json::from_slice(&self.to_json()).expect("what was written as an exchange reply reads as one")
    }
}
