//! Limits between nodes.

use mainspring_core::permit::{LimitRow, LimitScope, LimitedBy, LimitsPatch, Rate};
use mainspring_store::record::{decode_limits, encode_limits};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::form::{As, Form, Text, formed, read_word};

impl Form for LimitScope {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_word(from, "scope of limits", Self::from_word)
    }
}

impl Form for LimitedBy {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_word(from, "kind of rate limit", Self::from_word)
    }
}

impl Form for LimitRow {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (As(&self.scope), &self.name, encode_limits(&self.limits)).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (As(scope), name, Text(limits)) = Deserialize::deserialize(from)?;
        Ok(Self { scope, name, limits: decode_limits(&limits).map_err(D::Error::custom)? })
    }
}

impl Form for Rate {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.limit, self.per_ms, self.burst).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (limit, per_ms, burst) = Deserialize::deserialize(from)?;
        Ok(Self { limit, per_ms, burst })
    }
}

/// A change of limits: what is left out stays, `[null]` is taken away.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LimitsPatch", rename_all = "camelCase")]
struct PatchForm {
    #[serde(with = "change", default, skip_serializing_if = "Option::is_none")]
    concurrency: Option<Option<u32>>,
    #[serde(with = "change_of", default, skip_serializing_if = "Option::is_none")]
    rate: Option<Option<Rate>>,
    #[serde(with = "change", default, skip_serializing_if = "Option::is_none")]
    weight: Option<Option<u32>>,
    #[serde(with = "change", default, skip_serializing_if = "Option::is_none")]
    max_backlog: Option<Option<u64>>,
    #[serde(with = "change_of", default, skip_serializing_if = "Option::is_none")]
    submit_rate: Option<Option<Rate>>,
}

formed! {
    LimitsPatch => PatchForm,
}

/// A change to a plain value, or to none.
mod change {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<Option<T>>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|value| [value]).serialize(to)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Ok(Option::<[Option<T>; 1]>::deserialize(from)?.map(|[value]| value))
    }
}

/// A change to a value of a core type, or to none.
mod change_of {
    use super::{As, Deserialize, Deserializer, Form, Serialize, Serializer};

    pub(super) fn serialize<T: Form, S: Serializer>(value: &Option<Option<T>>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|value| [value.as_ref().map(As)]).serialize(to)
    }

    pub(super) fn deserialize<'de, T: Form, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
        let changed = Option::<[Option<As<T>>; 1]>::deserialize(from)?;
        Ok(changed.map(|[value]| value.map(|As(value)| value)))
    }
}
