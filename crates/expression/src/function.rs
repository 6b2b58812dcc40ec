//! The functions and macros: their names, and how each is called. The guide describes what they do.

/// A function of values. Each can be called as `f(x, y)` and as `x.f(y)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Int,
    Double,
    Text,
    Bool,
    Type,
    Join,
    Split,
    Lower,
    Upper,
    Json,
    ParseJson,
}

/// Name, function, fewest and most arguments, and how it is called.
const FUNCTIONS: [(&str, Function, usize, usize, &str); 16] = [
    ("size", Function::Size, 1, 1, "one argument: `size(x)`"),
    ("contains", Function::Contains, 2, 2, "`text.contains(part)`"),
    ("startsWith", Function::StartsWith, 2, 2, "`text.startsWith(part)`"),
    ("endsWith", Function::EndsWith, 2, 2, "`text.endsWith(part)`"),
    ("matches", Function::Matches, 2, 2, "`text.matches(pattern)`"),
    ("int", Function::Int, 1, 1, "one argument: `int(x)`"),
    ("double", Function::Double, 1, 1, "one argument: `double(x)`"),
    ("string", Function::Text, 1, 1, "one argument: `string(x)`"),
    ("bool", Function::Bool, 1, 1, "one argument: `bool(x)`"),
    ("type", Function::Type, 1, 1, "one argument: `type(x)`"),
    ("join", Function::Join, 1, 2, "`list.join(separator)` or `list.join()`"),
    ("split", Function::Split, 2, 2, "`text.split(separator)`"),
    ("lower", Function::Lower, 1, 1, "one argument: `text.lower()`"),
    ("upper", Function::Upper, 1, 1, "one argument: `text.upper()`"),
    ("json", Function::Json, 1, 1, "one argument: `json(x)`"),
    ("parseJson", Function::ParseJson, 1, 1, "one argument: `parseJson(text)`"),
];

/// A macro over the items of a list or the keys of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

const MACROS: [(&str, Macro, &str); 5] = [
    ("all", Macro::All, "`list.all(x, condition)`"),
    ("exists", Macro::Exists, "`list.exists(x, condition)`"),
    ("exists_one", Macro::ExistsOne, "`list.exists_one(x, condition)`"),
    ("map", Macro::Map, "`list.map(x, result)` or `list.map(x, condition, result)`"),
    ("filter", Macro::Filter, "`list.filter(x, condition)`"),
];

/// How a function is called.
#[derive(Clone, Copy)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    pub(crate) fewest: usize,
    pub(crate) most: usize,
    pub(crate) form: &'static str,
}

pub(crate) fn function(name: &str) -> Option<Signature> {
    FUNCTIONS.into_iter().find(|(of, ..)| *of == name).map(|(name, function, fewest, most, form)| Signature {
        name,
        function,
        fewest,
        most,
        form,
    })
}

/// The macro of that name, its name and how it is called.
pub(crate) fn each(name: &str) -> Option<(Macro, &'static str, &'static str)> {
    MACROS.into_iter().find(|(of, ..)| *of == name).map(|(name, which, form)| (which, name, form))
}

/// All names that can be called.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    FUNCTIONS.into_iter().map(|row| row.0).chain(MACROS.into_iter().map(|row| row.0)).chain(["has", "default"])
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        FUNCTIONS.into_iter().find(|row| row.1 == self).map_or("function", |row| row.0)
    }
}
