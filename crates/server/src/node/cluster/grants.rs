//! What an exchange brings back where several shards have their part in it.

use std::sync::Arc;

use mainspring_core::id::Token;
use mainspring_core::row::Directive;
use mainspring_protocol::exchange::{DirectiveName, ExchangeReply};
use mainspring_protocol::token;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::node::CallError;
use crate::node::exchange::{ExchangeAnswer, write_tokens};

/// A grant on its way to a worker, as the wire has it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) json: Arc<[u8]>,
}

/// What one shard answered.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) grants: Vec<Held>,
    pub(super) accepted: Vec<Token>,
    pub(super) stale: Vec<Token>,
    pub(super) cancel: Vec<Token>,
    pub(super) directive: Directive,
    /// How many grants may still come.
    pub(super) offered: u32,
}

impl Part {
    pub(super) fn of(answer: &ExchangeAnswer) -> Self {
        let held = |(token, json): (Token, Vec<u8>)| Held { token, json: json.into() };
        Self {
            grants: answer.grants_as_json().into_iter().map(held).collect(),
            accepted: answer.accepted.clone(),
            stale: answer.stale.clone(),
            cancel: answer.cancel.clone(),
            directive: answer.directive,
            offered: answer.offered,
        }
    }

    /// Reads what [`part_as_json`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, CallError> {
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
        Ok(Self {
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
        })
    }
}

#[derive(Deserialize)]
struct Wire {
    grants: Vec<Box<RawValue>>,
    accepted: Vec<String>,
    stale: Vec<String>,
    cancel: Vec<String>,
    directive: DirectiveName,
    offered: u32,
}

#[derive(Deserialize)]
struct Head {
    token: String,
}

/// One shard's answer for another node.
pub(super) fn part_as_json(answer: &ExchangeAnswer) -> Vec<u8> {
    let mut out = answer.to_json();
    out.pop();
    out.extend_from_slice(format!(",\"offered\":{}}}", answer.offered).as_bytes());
    out
}

/// The answers of all shards as one.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub(super) seq: u64,
    pub(super) grants: Vec<Held>,
    pub(super) accepted: Vec<Token>,
    pub(super) stale: Vec<Token>,
    pub(super) unreadable: Vec<String>,
    pub(super) cancel: Vec<Token>,
    pub(super) directive: Directive,
}

impl Merged {
    fn to_json(&self) -> Vec<u8> {
        let grants: usize = self.grants.iter().map(|held| held.json.len() + 1).sum();
        let tokens = self.accepted.len() + self.stale.len() + self.cancel.len();
        let mut out = Vec::with_capacity(128 + grants + 40 * tokens);
        out.extend_from_slice(format!("{{\"seq\":{},\"grants\":[", self.seq).as_bytes());
        for (place, held) in self.grants.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&held.json);
        }
        out.push(b']');
        write_tokens(&mut out, "accepted", &self.accepted, &[]);
        write_tokens(&mut out, "stale", &self.stale, &self.unreadable);
        write_tokens(&mut out, "cancel", &self.cancel, &[]);
        let directive = DirectiveName::from(self.directive).word();
        out.extend_from_slice(format!(",\"directive\":\"{directive}\"}}").as_bytes());
        out
    }
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
            Self::Many(merged) => merged.to_json(),
        }
    }

    /// The answer as the wire's type, for a worker in this process.
    pub fn to_reply(&self) -> ExchangeReply {
        serde_json::from_slice(&self.to_json()).expect("what was written as an exchange reply reads as one")
    }
}
