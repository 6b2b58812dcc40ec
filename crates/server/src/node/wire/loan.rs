//! What shards tell each other about the limits that they share.

use mainspring_core::id::Name;
use mainspring_core::loan::{LoanKind, LoanMessage, LoanName, LoanWord};
use mainspring_core::permit::LimitScope;
use mainspring_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::WireError;
use super::form::one;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoanForm {
    from: u16,
    to: u16,
    #[serde(with = "one")]
    scope: LimitScope,
    name: Name,
    rate: bool,
    given: u64,
    returned: u64,
    #[serde(with = "one")]
    at: Timestamp,
    word: WordForm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum WordForm {
    Asks {
        wants: u64,
        uses: u64,
    },
    Lends {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<u64>,
        taken: u64,
    },
}

/// Writes what one shard tells another.
pub(crate) fn write_loan(message: &LoanMessage) -> Vec<u8> {
    let LoanMessage { from, to, of, given, returned, at, word } = message.clone();
    let LoanName { scope, name, kind } = of;
    let word = match word {
        LoanWord::Asks { wants, uses } => WordForm::Asks { wants, uses },
        LoanWord::Lends { keep, taken } => WordForm::Lends { keep, taken },
    };
    super::write(&LoanForm { from, to, scope, name, rate: kind == LoanKind::Rate, given, returned, at, word }, 256)
}

/// Reads what [`write_loan`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub(crate) fn read_loan(bytes: &[u8]) -> Result<LoanMessage, WireError> {
    let form: LoanForm =
        serde_json::from_slice(bytes).map_err(|error| WireError(format!("what a shard says of a loan: {error}")))?;
    let LoanForm { from, to, scope, name, rate, given, returned, at, word } = form;
    let kind = if rate { LoanKind::Rate } else { LoanKind::Places };
    let word = match word {
        WordForm::Asks { wants, uses } => LoanWord::Asks { wants, uses },
        WordForm::Lends { keep, taken } => LoanWord::Lends { keep, taken },
    };
    Ok(LoanMessage { from, to, of: LoanName { scope, name, kind }, given, returned, at, word })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_equals_what_was_written() {
        let words = [
            LoanWord::Asks { wants: u64::MAX, uses: 0 },
            LoanWord::Lends { keep: None, taken: 7 },
            LoanWord::Lends { keep: Some(0), taken: u64::MAX },
        ];
        for (word, kind) in words.into_iter().zip([LoanKind::Places, LoanKind::Rate, LoanKind::Places]) {
            let of = LoanName { scope: LimitScope::Tenant, name: "naïve \"x\"".into(), kind };
            let at = Timestamp::from_millis(-7);
            let message = LoanMessage { from: 3, to: 65_535, of, given: u64::MAX, returned: 1, at, word };
            assert_eq!(read_loan(&write_loan(&message)).expect("it is one"), message);
        }
        assert!(read_loan(b"{}").is_err());
    }
}
