//! JSON pointers (RFC 6901), built while going down and only turned into text for a problem.

use std::fmt;

/// A place in a document: a path that lives on the stack of whoever goes down.
#[derive(Clone, Copy, Debug)]
pub struct Pointer<'a> {
    parent: Option<&'a Pointer<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root(&'a str),
    Member(&'a str),
    Index(usize),
}

impl<'a> Pointer<'a> {
    /// The whole document.
    pub const ROOT: Pointer<'static> = Pointer { parent: None, step: Step::Root("") };

    /// A place that is already text.
    pub const fn text(text: &'a str) -> Self {
        Self { parent: None, step: Step::Root(text) }
    }

    /// The member of this name below here.
    pub fn member<'b>(&'b self, name: &'b str) -> Pointer<'b> {
        Pointer { parent: Some(self), step: Step::Member(name) }
    }

    /// The element at this index below here.
    pub fn index(&self, index: usize) -> Pointer<'_> {
        Pointer { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root(text) => f.write_str(text),
            Step::Index(index) => write!(f, "/{index}"),
            Step::Member(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
        }
    }
}

impl From<Pointer<'_>> for String {
    fn from(pointer: Pointer<'_>) -> Self {
        pointer.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_rfc_6901_asks_for() {
        let tasks = Pointer::ROOT.member("tasks");
        let third = tasks.index(2);
        assert_eq!(third.member("a/b~c").to_string(), "/tasks/2/a~1b~0c");
        assert_eq!(Pointer::ROOT.to_string(), "");
    }
}
