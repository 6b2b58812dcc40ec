//! A JSON object as its members, values unread. One pass over the text checks its syntax; a value is read when it is
//! asked for. This is both the fast path (a value that nobody asks for costs nothing) and what lets every problem of a
//! body be named at once.

use std::borrow::Cow;
use std::fmt;

use mainspring_core::limits::JOB_TASKS_MAX;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Entries of one object or array that are taken apart: as many as a job has tasks. More would cost eight times their
/// text in memory, and no field may have them.
const ENTRIES_MAX: usize = JOB_TASKS_MAX;

/// The members of a JSON object, in order, repeats included.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a str)>);

/// The elements of a JSON array.
#[derive(Debug, Default)]
pub(super) struct Elements<'a>(pub(super) Vec<&'a str>);

/// Text that borrows from the input unless it has escapes.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Borrowed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Borrowed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reads)
    }
}

/// The only error of reading that is about the data and not about its kind or syntax.
fn too_many<E: Error>(more: usize) -> E {
    E::custom(format_args!("{} entries exceed the limit of {ENTRIES_MAX}", ENTRIES_MAX + more))
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while members.len() < ENTRIES_MAX {
                    let Some((Borrowed(name), value)) = map.next_entry::<Borrowed<'de>, &'de RawValue>()? else {
                        return Ok(Members(members));
                    };
                    members.push((name, value.get()));
                }
                let mut more = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    more += 1;
                }
                if more > 0 { Err(too_many(more)) } else { Ok(Members(members)) }
            }
        }
        deserializer.deserialize_map(Reads)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl<'de> Visitor<'de> for Reads {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() < ENTRIES_MAX {
                    let Some(element) = seq.next_element::<&'de RawValue>()? else { return Ok(Elements(elements)) };
                    elements.push(element.get());
                }
                let mut more = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    more += 1;
                }
                if more > 0 { Err(too_many(more)) } else { Ok(Elements(elements)) }
            }
        }
        deserializer.deserialize_seq(Reads)
    }
}
