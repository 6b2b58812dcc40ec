//! Writes a task's body: the JSON object that its worker gets, checked once so that nobody has to check it again.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use mainspring_core::limits::PAYLOAD_BYTES_MAX;
use mainspring_core::spec::Body;
use serde_json::{Map, Value as Json};

use crate::flow::as_texts;
use crate::pointer::Pointer;
use crate::problem::{Code, Problem};
use crate::submit::fields::{Field, Fields, Origin, has_expression};
use crate::submit::hash::{compact, has_lone_surrogate};
use crate::submit::http;
use crate::submit::members::Members;
use crate::submit::read::{Findings, Rule, Value};
use crate::submit::repeats::first_repeat;
use crate::submit::sensor;
use crate::submit::task::{Source, object};

/// Bytes of a body beside its payload.
const REST_BYTES_MAX: usize = 256 << 10;
/// The variable with the instant of the schedule's occurrence.
pub(super) const SCHEDULED_AT: &str = "MAINSPRING_SCHEDULED_AT";
/// Environment variables of a task.
const ENV_MAX: usize = 256;
/// Exit codes of a list.
const EXIT_CODES_MAX: usize = 256;

/// What a body is built into: `{"name":value,…}`.
pub(super) struct Writer {
    text: String,
}

impl Writer {
    fn new(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push('{');
        Self { text }
    }

    pub(super) fn key(&mut self, name: &str) -> &mut String {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        &mut self.text
    }

    pub(super) fn json(&mut self, name: &str, value: &impl serde::Serialize) {
        let text = serde_json::to_string(value).expect("texts and numbers serialize");
        self.key(name).push_str(&text);
    }

    fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// A body in two parts: members that are what they are, and members with expressions.
struct Parts {
    body: Writer,
    with: Writer,
    /// Whether expressions may stand in it.
    templates: bool,
}

impl Parts {
    /// Where a member with this value belongs.
    fn of(&mut self, raw: &str) -> &mut Writer {
        if self.templates && has_expression(raw) { &mut self.with } else { &mut self.body }
    }
}

/// Reads the fields that only the worker needs. Gives the body, and as a second object the members of it that have
/// expressions, where such may stand in it (`templates`).
pub(super) fn read_body(source: &Source<'_, '_>, templates: bool, findings: &mut Findings) -> (Body, Option<String>) {
    let payload = source.fields.get(Field::Payload).map_or(0, |(raw, _)| raw.len());
    let mut parts = Parts { body: Writer::new(payload + 64), with: Writer::new(0), templates };
    source.read(Field::Payload, |value| copy_json(&value, "payload", parts.of(value.raw), findings));
    source.read(Field::Command, |value| {
        if let Some(argv) = read_command(&value, findings) {
            parts.of(value.raw).json("command", &argv);
        }
    });
    source.read(Field::Run, |value| {
        if let Some(script) = read_script(&value, findings) {
            parts.body.json("run", &script);
        }
    });
    source.read(Field::Http, |value| http::read_http(&value, parts.of(value.raw), findings));
    let env = read_env(source, findings);
    if !env.is_empty() {
        let layers = [source.fields.get(Field::Env), source.fields.base_env].into_iter().flatten();
        let raw = layers.map(|(raw, _)| raw).find(|raw| has_expression(raw)).unwrap_or_default();
        parts.of(raw).json("env", &env);
    }
    source.read(Field::WorkingDir, |value| match value.program_text(findings) {
        Some(path) if path.is_empty() => {
            findings.add(Code::InvalidValue, &value.at, "it must not be empty");
        }
        Some(path) => parts.of(value.raw).json("workingDir", &path),
        None => {}
    });
    read_rest(source, &mut parts.body, findings);
    let text = parts.body.finish();
    let rest = text.len() - payload.min(text.len());
    if rest > REST_BYTES_MAX {
        let detail = format!("command, run, http, env and the like have {rest} bytes, the limit is {REST_BYTES_MAX}");
        findings.add_with_hint(Code::LimitExceeded, &source.at, detail, "put large data in a file or in `payload`");
    }
    let with = parts.with.finish();
    (text.into(), (with != "{}").then_some(with))
}

fn read_rest(source: &Source<'_, '_>, body: &mut Writer, findings: &mut Findings) {
    for (field, name) in [(Field::SuccessExitCodes, "successExitCodes"), (Field::SkipExitCodes, "skipExitCodes")] {
        source.read(field, |value| body.json(name, &read_exit_codes(&value, findings)));
    }
    source.read(Field::Group, |value| {
        if let Some(group) = value.name(Rule::Name, findings) {
            body.json("group", &group);
        }
    });
    sensor::read(source, body, findings);
}

/// A body whose members with expressions were evaluated: they are checked like what was written, and take the place of
/// those of the same name.
///
/// # Errors
/// What is wrong with a value, with its JSON pointer in the task.
pub(crate) fn rendered_body(own: &str, members: Map<String, Json>) -> Result<Body, Problem> {
    let text = Json::Object(as_texts(members)).to_string();
    let members = object(&text, &Pointer::ROOT)?;
    let mut findings = Findings::default();
    let fields = Fields::sort(&members, &Pointer::ROOT, Origin::Own, &mut findings);
    let (rendered, _) = read_body(&Source { fields: &fields, at: Pointer::ROOT }, false, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_problem());
    }
    let (below, above) = (object(own, &Pointer::ROOT)?, object(&rendered, &Pointer::ROOT)?);
    let mut body = Writer::new(own.len() + rendered.len());
    let mut env = scheduled_env(&below, &above);
    let kept = below.0.iter().filter(|(name, _)| above.0.iter().all(|(over, _)| over != name));
    for (name, raw) in kept.chain(&above.0) {
        match env.take_if(|_| name == "env") {
            Some(env) => body.key(name).push_str(&env),
            None => body.key(name).push_str(raw),
        }
    }
    Ok(body.finish().into())
}

/// Variables that were evaluated, with the one that a schedule has set before.
fn scheduled_env(below: &Members<'_>, above: &Members<'_>) -> Option<String> {
    let find = |members: &Members<'_>| {
        let raw = members.0.iter().find(|(name, _)| name == "env")?.1;
        serde_json::from_str::<Map<String, Json>>(raw).ok()
    };
    let (own, mut env) = (find(below)?, find(above)?);
    env.insert(SCHEDULED_AT.to_owned(), own.get(SCHEDULED_AT)?.clone());
    Some(Json::Object(env).to_string())
}

/// Copies any JSON value digit by digit, without its white space.
pub(super) fn copy_json(value: &Value<'_, '_>, name: &str, body: &mut Writer, findings: &mut Findings) {
    let bytes = value.raw.len();
    if bytes > PAYLOAD_BYTES_MAX {
        let detail = format!("{bytes} bytes exceed the limit of {PAYLOAD_BYTES_MAX}");
        findings.add_with_hint(
            Code::LimitExceeded,
            &value.at,
            detail,
            "store large data elsewhere and pass its address",
        );
    } else if has_lone_surrogate(value.raw) {
        findings.add(Code::InvalidValue, &value.at, "an escape in it is no Unicode character (a lone surrogate)");
    } else if let Some(place) = first_repeat(value.raw) {
        let place = format!("{}{place}", value.at);
        let name = place.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        findings.add(Code::DuplicateKey, &Pointer::text(&place), format!("`{name}` occurs twice"));
    } else {
        compact(value.raw, body.key(name));
    }
}

/// An argv as a list, or as one string that is split as a shell would.
fn read_command<'a>(value: &Value<'a, '_>, findings: &mut Findings) -> Option<Vec<Cow<'a, str>>> {
    let argv = if value.raw.starts_with('"') {
        let text = value.program_text(findings)?;
        let Some(argv) = shlex::split(&text) else {
            let hint = "close the quote, or write the command as a list";
            let detail = format!("`{}` has a quote without an end", value.shown());
            findings.add_with_hint(Code::InvalidValue, &value.at, detail, hint);
            return None;
        };
        argv.into_iter().map(Cow::Owned).collect()
    } else if value.raw.starts_with('[') {
        let elements = value.elements(findings)?;
        let count = elements.len();
        let each = elements.into_iter().enumerate();
        let argv: Vec<_> =
            each.filter_map(|(index, raw)| Value { raw, at: value.at.index(index) }.scalar_text(findings)).collect();
        if argv.len() < count {
            return None;
        }
        argv
    } else {
        value.wrong(findings, "a string or a list of strings");
        return None;
    };
    if argv.first().is_none_or(|program| program.is_empty()) {
        findings.add(Code::InvalidValue, &value.at, "it names no program");
        return None;
    }
    Some(argv)
}

fn read_script<'a>(value: &Value<'a, '_>, findings: &mut Findings) -> Option<Cow<'a, str>> {
    let script = value.program_text(findings)?;
    if script.trim().is_empty() {
        findings.add(Code::InvalidValue, &value.at, "the script is empty");
        return None;
    }
    Some(script)
}

fn read_env<'a>(source: &Source<'a, '_>, findings: &mut Findings) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    let mut env = BTreeMap::new();
    let layers = [source.fields.base_env, source.fields.get(Field::Env)];
    for (raw, origin) in layers.into_iter().flatten() {
        let base = source.base(origin);
        let value = Value { raw, at: base.member("env") };
        read_env_layer(&value, &mut env, findings);
    }
    if env.len() > ENV_MAX {
        let at = source.base(Origin::Own);
        let detail = format!("{} environment variables exceed the limit of {ENV_MAX}", env.len());
        findings.add(Code::LimitExceeded, &at.member("env"), detail);
    }
    env
}

fn read_env_layer<'a>(value: &Value<'a, '_>, env: &mut BTreeMap<Cow<'a, str>, Cow<'a, str>>, findings: &mut Findings) {
    let members = value.members(findings).unwrap_or_default().0;
    if members.len() > ENV_MAX {
        let detail = format!("{} environment variables exceed the limit of {ENV_MAX}", members.len());
        findings.add(Code::LimitExceeded, &value.at, detail);
        return;
    }
    let mut seen: HashSet<Cow<'a, str>> = HashSet::with_capacity(members.len());
    for (name, raw) in members {
        let at = value.at.member(&name);
        if !is_variable(&name) {
            let detail = "a variable's name is 1 to 256 characters without `=` and control characters";
            findings.add(Code::InvalidValue, &at, detail);
        } else if name.starts_with("MAINSPRING_") {
            findings.add(Code::InvalidValue, &at, "names that begin with `MAINSPRING_` are set by the engine");
        } else if !seen.insert(name.clone()) {
            findings.add(Code::DuplicateKey, &at, format!("`{name}` occurs twice"));
        } else if let Some(text) = (Value { raw, at }).scalar_text(findings) {
            env.insert(name, text);
        }
    }
}

fn is_variable(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.contains(|c: char| c == '=' || c.is_control())
}

fn read_exit_codes(value: &Value<'_, '_>, findings: &mut Findings) -> Vec<u64> {
    if !value.raw.starts_with('[') {
        return value.number(255, findings).into_iter().collect();
    }
    let elements = value.elements(findings).unwrap_or_default();
    if elements.len() > EXIT_CODES_MAX {
        let detail = format!("{} entries exceed the limit of {EXIT_CODES_MAX}", elements.len());
        findings.add(Code::LimitExceeded, &value.at, detail);
        return Vec::new();
    }
    let each = elements.into_iter().enumerate();
    each.filter_map(|(index, raw)| Value { raw, at: value.at.index(index) }.number(255, findings)).collect()
}

/// Checks labels: `{name: value}`, as sorted `name=value`.
pub(super) fn read_labels(value: &Value<'_, '_>, max: usize, findings: &mut Findings) -> Vec<String> {
    let members = value.members(findings).unwrap_or_default().0;
    if members.len() > max {
        findings.add(Code::LimitExceeded, &value.at, format!("{} labels exceed the limit of {max}", members.len()));
        return Vec::new();
    }
    let mut labels: Vec<String> = Vec::with_capacity(members.len());
    for (name, raw) in members {
        let at = value.at.member(&name);
        let Some(text) = (Value { raw, at }).scalar_text(findings) else { continue };
        read_label(&name, &text, &at, &mut labels, findings);
    }
    labels.sort_unstable();
    labels
}

fn read_label(name: &str, text: &str, at: &Pointer<'_>, labels: &mut Vec<String>, findings: &mut Findings) {
    use crate::submit::read::check_name;
    if name.contains('=') {
        findings.add(Code::InvalidValue, at, "a label's name cannot contain `=`");
    } else if let Err((code, detail)) = check_name(name, Rule::Name).and_then(|()| check_name(text, Rule::Name)) {
        findings.add(code, at, detail);
    } else if labels.iter().any(|label| label.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))) {
        findings.add(Code::DuplicateKey, at, format!("`{name}` occurs twice"));
    } else {
        labels.push(format!("{name}={text}"));
    }
}
