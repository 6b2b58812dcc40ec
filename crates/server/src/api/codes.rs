//! Which problems an operation can answer with: follows from what it reads and orders, so that the description cannot
//! forget one that a shared check adds.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use mainspring_protocol::problem::Code;

use super::route::{AnswerKind, BodyKind, Route};

/// Every problem of `route`, by status.
pub(crate) fn by_status(route: &Route) -> BTreeMap<u16, BTreeSet<Code>> {
    let mut codes: BTreeSet<Code> = [Code::Forbidden, Code::InvalidQuery, Code::Internal].into();
    codes.extend(of_path(route));
    codes.extend(of_query(route));
    codes.extend(of_body(route));
    codes.extend(of_order(route));
    if route.is_versioned() || route.body == BodyKind::Tasks || matches!(route.answer, AnswerKind::Text(_)) {
        codes.extend([Code::Overloaded, Code::Stopping, Code::StoreUnavailable]);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().insert(code);
    }
    by_status
}

fn of_path(route: &Route) -> Vec<Code> {
    let mut codes = Vec::new();
    for segment in route.segments() {
        codes.push(Code::InvalidPath);
        match segment {
            "taskId" | "jobId" | "name" => codes.extend([Code::NotFound, Code::AmbiguousId]),
            "worker" => codes.push(Code::NotFound),
            "kind" => codes.push(Code::NoSuchRoute),
            _ => {}
        }
    }
    codes
}

fn of_query(route: &Route) -> Vec<Code> {
    let mut codes = Vec::new();
    for param in &route.query {
        match param.name {
            "cursor" | "after" => codes.push(Code::InvalidCursor),
            "sort" => codes.push(Code::NotSupportedYet),
            "q" | "jobId" => codes.extend([Code::NotSupportedYet, Code::NotFound, Code::AmbiguousId]),
            _ => {}
        }
    }
    if matches!(route.answer, AnswerKind::Events | AnswerKind::JsonOrEvents(_)) {
        codes.push(Code::InvalidHeader);
    }
    codes
}

fn of_body(route: &Route) -> Vec<Code> {
    if route.body == BodyKind::None {
        return Vec::new();
    }
    let mut codes = vec![
        Code::InvalidJson,
        Code::UnknownField,
        Code::InvalidValue,
        Code::DuplicateKey,
        Code::LimitExceeded,
        Code::BodyTooLarge,
        Code::UnsupportedMediaType,
        Code::Overloaded,
    ];
    if route.request.is_some() {
        codes.extend([Code::MissingField, Code::ConflictingFields, Code::NotSupportedYet]);
    }
    if matches!(route.body, BodyKind::Tasks | BodyKind::Document) {
        codes.push(Code::Invalid);
    }
    if route.body == BodyKind::Document || route.operation == "runDefinition" {
        codes.extend([
            Code::InvalidYaml,
            Code::UnknownTask,
            Code::UnknownProfile,
            Code::Cycle,
            Code::SelfDependency,
            Code::DuplicateTask,
            Code::UnknownDependency,
            Code::InvalidExpression,
            Code::UnknownDefinition,
            Code::Invalid,
        ]);
    }
    if route.status == 201 {
        codes.extend([Code::InvalidHeader, Code::IdTaken, Code::IdempotencyKeyReused]);
    }
    codes
}

/// What only shows once the order meets the state.
fn of_order(route: &Route) -> Vec<Code> {
    let mut codes = Vec::new();
    if route.method != Method::GET {
        codes.push(Code::OutcomeUnknown);
    }
    let orders = matches!(route.method, Method::POST | Method::DELETE | Method::PATCH);
    let about_one = route.segments().any(|segment| matches!(segment, "taskId" | "jobId"));
    if orders && about_one {
        codes.extend([Code::WrongState, Code::Busy]);
    }
    if orders && route.tag() == "dead-letters" {
        codes.extend([Code::NotDead, Code::NotFound, Code::AmbiguousId]);
    }
    if route.operation == "reloadConfig" {
        codes.extend([Code::InvalidConfig, Code::StoreUnavailable]);
    }
    if route.body == BodyKind::Document
        || matches!(route.operation, "rollbackDefinition" | "deleteDefinition" | "deleteProfile")
    {
        codes.extend([Code::VersionMismatch, Code::InvalidHeader]);
    }
    if route.operation.starts_with("bulk") {
        codes.extend([Code::InvalidQuery, Code::NotFound, Code::AmbiguousId]);
    }
    if route.body == BodyKind::Exchange {
        codes.extend([Code::StaleSession, Code::WorkerIdInUse]);
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::super::route;
    use super::*;

    #[test]
    fn what_an_operation_reads_decides_its_problems() {
        let codes = |operation: &str| {
            let route = route::all().iter().find(|route| route.operation == operation).unwrap();
            by_status(route).into_values().flatten().collect::<BTreeSet<_>>()
        };
        assert!(codes("submitJob").is_superset(&[Code::Cycle, Code::IdTaken, Code::InvalidYaml].into()));
        assert!(codes("cancelTask").contains(&Code::WrongState));
        assert!(!codes("listTasks").contains(&Code::BodyTooLarge));
        assert_eq!(codes("health"), [Code::Forbidden, Code::InvalidQuery, Code::Internal].into());
    }
}
