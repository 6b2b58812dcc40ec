//! Parts of a world that are shared between worlds until one of them changes it, and told apart by a digest.

use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A value and, once somebody asked, the digest of everything in it. The digest is of its `Debug` text, which leaves
/// nothing out: two worlds that could behave differently never count as one. Some that could not may count as two.
#[derive(Debug)]
pub struct Hashed<T>(Arc<Inner<T>>);

#[derive(Clone, Debug)]
struct Inner<T> {
    value: T,
    digest: OnceLock<u64>,
}

struct Feed(DefaultHasher);

impl Write for Feed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl<T> Clone for Hashed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone + Debug> Hashed<T> {
    /// Of this value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { value, digest: OnceLock::new() }))
    }

    /// Changes it, for this world only.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let inner = Arc::make_mut(&mut self.0);
        inner.digest = OnceLock::new();
        change(&mut inner.value)
    }

    fn digest(&self) -> u64 {
        *self.0.digest.get_or_init(|| {
            let mut feed = Feed(DefaultHasher::new());
            write!(feed, "{:?}", self.0.value).expect("a hasher takes everything");
            feed.0.finish()
        })
    }
}

impl<T> Deref for Hashed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone + Debug> PartialEq for Hashed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl<T: Clone + Debug> Hash for Hashed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}
