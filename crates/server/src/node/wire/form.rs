//! How a core type that serde knows nothing of is written and read, and the forms of the smallest ones.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use mainspring_core::id::{Bucket, Key, Name};
use mainspring_core::job::JobStatus;
use mainspring_core::task::{Outcome, TaskStatus};
use mainspring_core::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A core type with a form on the wire.
pub(super) trait Form: Sized {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// Lets serde see a core type, or a borrow of it, by its form.
pub(super) struct As<T>(pub(super) T);

impl<T: Form> Serialize for As<&T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

impl<'de, T: Form> Deserialize<'de> for As<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(As)
    }
}

/// For `#[serde(with = "one")]`: a field of a core type.
pub(super) mod one {
    use super::{Deserializer, Form, Serializer};

    pub(in super::super) fn serialize<T: Form, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        value.write(to)
    }

    pub(in super::super) fn deserialize<'de, T: Form, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        T::read(from)
    }
}

/// For `#[serde(with = "list")]`: a field of many of a core type.
pub(super) mod list {
    use super::{As, Deserialize, Deserializer, Form, Serializer};

    pub(in super::super) fn serialize<T: Form, S: Serializer>(items: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(items.iter().map(As))
    }

    pub(in super::super) fn deserialize<'de, T: Form, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<As<T>>::deserialize(from)?.into_iter().map(|As(item)| item).collect())
    }
}

/// For `#[serde(with = "maybe")]`: a field of a core type that may be absent.
pub(super) mod maybe {
    use super::{As, Deserialize, Deserializer, Form, Serialize, Serializer};

    pub(in super::super) fn serialize<T: Form, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(As).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, T: Form, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<As<T>>::deserialize(from)?.map(|As(value)| value))
    }
}

/// For `#[serde(with = "hash")]`: 128 bits as 32 hex digits, since JSON's numbers end at 64.
pub(super) mod hash {
    use super::{Deserialize, Deserializer, Serializer, Text};
    use serde::de::Error as _;

    pub(in super::super) fn serialize<S: Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:032x}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let Text(digits) = Text::deserialize(from)?;
        let value = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
        value.ok_or_else(|| D::Error::custom(format_args!("`{digits}` is no hash of 32 hex digits")))
    }
}

/// Text that is borrowed from what is written, and from the bytes read where nothing in it is escaped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'a> Text<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(super) fn all(texts: &'a [Name]) -> Vec<Self> {
        texts.iter().map(|text| Self::of(text)).collect()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Text<'_>> for Name {
    fn from(text: Text<'_>) -> Self {
        text.0.into()
    }
}

impl<T: Form> Form for Arc<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::write(self, to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(Self::new)
    }
}

impl Form for Key {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.raw())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = u64::deserialize(from)?;
        if raw >= 1 << 63 {
            return Err(D::Error::custom(format_args!("{raw} is no key: keys are below 2^63")));
        }
        Ok(Self::from_raw(raw))
    }
}

impl Form for Bucket {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(self.number())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u16::deserialize(from).map(Self::new)
    }
}

impl Form for Timestamp {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(self.as_millis())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        i64::deserialize(from).map(Self::from_millis)
    }
}

impl Form for TaskStatus {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_word(from, "status of a task", Self::from_word)
    }
}

impl Form for JobStatus {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_word(from, "status of a job", Self::from_word)
    }
}

impl Form for Outcome {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        read_word(from, "outcome of an attempt", Self::from_word)
    }
}

pub(super) fn read_word<'de, D: Deserializer<'de>, T>(
    from: D,
    what: &str,
    known: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let Text(word) = Text::deserialize(from)?;
    known(&word).ok_or_else(|| D::Error::custom(format_args!("`{word}` is no {what}")))
}

/// Gives core types the forms that serde derived for their likes.
macro_rules! formed {
    ($($type:ty => $form:ident),+ $(,)?) => {$(
        impl $crate::node::wire::form::Form for $type {
            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $form::serialize(self, to)
            }

            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $form::deserialize(from)
            }
        }
    )+};
}
pub(super) use formed;
