//! Parameters of a job: what its definition declares, and the values of one job.
//!
//! ```yaml
//! params:
//!   region: eu                                          # its default says its type
//!   limit: {type: integer, default: 10}
//!   day:   {type: string, required: true}               # whoever runs it must say it
//!   mode:  {enum: [full, delta], default: full, description: what is loaded}
//! ```

use serde_json::{Map, Value as Json};

use crate::nearest::did_you_mean;
use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::fields::refuse_unknown;
use crate::submit::read::{Findings, Rule, Value, check_name};

/// Parameters of one job.
const PARAMS_MAX: usize = 256;
/// Bytes of the values of all of them together, as JSON.
const VALUES_BYTES_MAX: usize = 256 << 10;
/// Values of one `enum`.
const ENUM_MAX: usize = 256;
/// Members of a declaration; an object of nothing else is one.
const DECLARATION: &[&str] = &["type", "default", "required", "enum", "description"];

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Any,
    Text,
    Integer,
    Number,
    Bool,
    List,
    Object,
}

const TYPES: &[(Type, &str)] = &[
    (Type::Text, "string"),
    (Type::Integer, "integer"),
    (Type::Number, "number"),
    (Type::Bool, "boolean"),
    (Type::List, "list"),
    (Type::Object, "object"),
    (Type::Any, "any"),
];

impl Type {
    fn word(self) -> &'static str {
        TYPES.iter().find(|(known, _)| *known == self).map_or("any", |(_, word)| word)
    }

    /// The type that a default says; whole numbers stand for all numbers.
    fn of(default: &Json) -> Self {
        match default {
            Json::Null => Self::Any,
            Json::Bool(_) => Self::Bool,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::Text,
            Json::Array(_) => Self::List,
            Json::Object(_) => Self::Object,
        }
    }

    fn admits(self, value: &Json) -> bool {
        match self {
            Self::Any => true,
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
            Self::Number => value.is_number(),
            Self::Bool => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// One parameter.
#[derive(Debug)]
struct Declared {
    kind: Type,
    allowed: Vec<Json>,
    required: bool,
    default: Option<Json>,
}

impl Declared {
    /// What is wrong with a value.
    fn complaint(&self, value: &Json) -> Option<String> {
        if !self.kind.admits(value) {
            let of = Value { raw: &value.to_string(), at: Pointer::ROOT }.shown();
            return Some(format!("expected {} {}, found `{of}`", article(self.kind), self.kind.word()));
        }
        if !self.allowed.is_empty() && !self.allowed.contains(value) {
            let known: Vec<String> = self.allowed.iter().take(20).map(ToString::to_string).collect();
            return Some(format!("`{value}` is none of `{}`", known.join("`, `")));
        }
        None
    }
}

fn article(kind: Type) -> &'static str {
    if matches!(kind, Type::Integer | Type::Object | Type::Any) { "an" } else { "a" }
}

/// The parameters of a job and their values.
#[derive(Debug, Default)]
pub(super) struct Params {
    pub(super) names: Vec<String>,
    pub(super) values: Map<String, Json>,
}

/// Reads `params` of a job. In a definition a required one may be without a value.
pub(super) fn read_params(value: &Value<'_, '_>, is_definition: bool, findings: &mut Findings) -> Params {
    let mut params = Params::default();
    let members = value.members(findings).unwrap_or_default().0;
    if members.len() > PARAMS_MAX {
        let detail = format!("{} parameters exceed the limit of {PARAMS_MAX}", members.len());
        findings.add(Code::LimitExceeded, &value.at, detail);
        return params;
    }
    for (name, raw) in &members {
        let at = value.at.member(name);
        if let Err((code, detail)) = check_name(name, Rule::Id) {
            findings.add(code, &at, detail);
        }
        if params.names.iter().any(|known| *known == **name) {
            findings.add(Code::DuplicateKey, &at, format!("`{name}` occurs twice"));
        }
        params.names.push(name.clone().into_owned());
        let Some(declared) = read_one(&Value { raw, at }, findings) else { continue };
        match declared.default {
            Some(default) => drop(params.values.insert(name.clone().into_owned(), default)),
            None if declared.required && !is_definition => {
                let hint = "give it a value: `params: {…}` in the request, `--param NAME=VALUE` on the command line";
                findings.add_with_hint(Code::MissingField, &at, format!("the parameter `{name}` is required"), hint);
            }
            None => drop(params.values.insert(name.clone().into_owned(), Json::Null)),
        }
    }
    let bytes = serde_json::to_string(&params.values).map_or(0, |text| text.len());
    if bytes > VALUES_BYTES_MAX {
        let detail = format!("the parameters have {bytes} bytes, the limit is {VALUES_BYTES_MAX}");
        findings.add_with_hint(Code::LimitExceeded, &value.at, detail, "pass where large data is");
    }
    params
}

/// A value, or a declaration.
fn read_one(value: &Value<'_, '_>, findings: &mut Findings) -> Option<Declared> {
    let json = read_json(value, findings)?;
    match &json {
        Json::Object(members) if is_declaration(members) => read_declaration(value, members, findings),
        _ => Some(Declared { kind: Type::of(&json), allowed: Vec::new(), required: false, default: Some(json) }),
    }
}

/// Whether an object declares a parameter rather than being its value.
fn is_declaration(members: &Map<String, Json>) -> bool {
    ["type", "default", "required", "enum"].iter().any(|name| members.contains_key(*name))
}

fn read_json(value: &Value<'_, '_>, findings: &mut Findings) -> Option<Json> {
    let json = serde_json::from_str(value.raw);
    if let Err(error) = &json {
        findings.add(Code::InvalidValue, &value.at, format!("it cannot be read: {error}"));
    }
    json.ok()
}

fn read_declaration(value: &Value<'_, '_>, members: &Map<String, Json>, findings: &mut Findings) -> Option<Declared> {
    let mut declared = Declared { kind: Type::Any, allowed: Vec::new(), required: false, default: None };
    let mut kind = None;
    for (name, raw) in value.members(findings)?.0 {
        let member = Value { raw, at: value.at.member(&name) };
        match &*name {
            "type" => kind = member.word(TYPES, findings),
            "required" if matches!(raw, "true" | "false") => declared.required = raw == "true",
            "required" => member.wrong(findings, "true or false"),
            "enum" => match members.get("enum") {
                Some(Json::Array(allowed)) if (1..=ENUM_MAX).contains(&allowed.len()) => {
                    declared.allowed.clone_from(allowed)
                }
                _ => member.wrong(findings, &format!("a list of 1 to {ENUM_MAX} values")),
            },
            "default" => declared.default = members.get("default").cloned(),
            "description" => {
                member.text(findings);
            }
            _ => refuse_unknown(&name, raw, &value.at, (DECLARATION, &[]), findings),
        }
    }
    declared.kind = kind.or_else(|| declared.default.as_ref().map(Type::of)).unwrap_or(Type::Any);
    if let Some(complaint) = declared.default.as_ref().and_then(|default| declared.complaint(default)) {
        findings.add(Code::InvalidValue, &value.at.member("default"), complaint);
    }
    Some(declared)
}

/// Values for the parameters of a job.
#[derive(Clone, Debug)]
pub enum Values {
    /// As JSON, from a request.
    Json(Map<String, Json>),
    /// As texts, from a command line: a parameter that is no string is read as JSON.
    Texts(Vec<(String, String)>),
}

/// A job or its definition, as JSON text, with values for its parameters.
///
/// # Errors
/// A parameter that the job does not declare, or a value that it does not admit, each at `/params/NAME`.
pub fn with_params(json: &str, values: Values) -> Result<String, Problem> {
    let given: Vec<(String, Result<Json, String>)> = match values {
        Values::Json(values) => values.into_iter().map(|(name, value)| (name, Ok(value))).collect(),
        Values::Texts(texts) => texts.into_iter().map(|(name, text)| (name, Err(text))).collect(),
    };
    if given.is_empty() {
        return Ok(json.to_owned());
    }
    let mut document: Map<String, Json> = serde_json::from_str(json)
        .map_err(|error| Problem::new(Code::InvalidJson, format!("the job is not an object: {error}")))?;
    let mut findings = Findings::default();
    let mut own = match document.remove("params") {
        Some(Json::Object(own)) => own,
        _ => Map::new(),
    };
    for (name, value) in given {
        give(&mut own, &name, value, &mut findings);
    }
    if !findings.is_empty() {
        return Err(findings.into_problem());
    }
    document.insert("params".to_owned(), Json::Object(own));
    Ok(Json::Object(document).to_string())
}

fn give(own: &mut Map<String, Json>, name: &str, value: Result<Json, String>, findings: &mut Findings) {
    let params = Pointer::text("/params");
    let at = params.member(name);
    let Some(slot) = own.get(name) else {
        let hint = did_you_mean(name, own.keys().map(String::as_str));
        let hint = hint.unwrap_or_else(|| match own.is_empty() {
            true => "it has no `params`".to_owned(),
            false => format!("its parameters: {}", own.keys().map(String::as_str).collect::<Vec<_>>().join(" ")),
        });
        findings.add_with_hint(Code::UnknownField, &at, format!("the job has no parameter `{name}`"), hint);
        return;
    };
    let written = slot.to_string();
    // What is wrong with the declaration itself is said when the job is read.
    let Some(declared) = read_one(&Value { raw: &written, at }, &mut Findings::default()) else { return };
    let value = value.unwrap_or_else(|text| match declared.kind {
        Type::Text => Json::String(text),
        _ => serde_json::from_str(&text).unwrap_or(Json::String(text)),
    });
    if let Some(complaint) = declared.complaint(&value) {
        findings.add(Code::InvalidValue, &at, complaint);
        return;
    }
    match own.get_mut(name) {
        Some(Json::Object(members)) if is_declaration(members) => drop(members.insert("default".to_owned(), value)),
        Some(slot) => *slot = value,
        None => {}
    }
}
