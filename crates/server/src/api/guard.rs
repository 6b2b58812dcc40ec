//! Keeps web pages of strangers away from a server on loopback: a browser on the same machine can reach it, so a page
//! must neither send it requests (cross-site) nor pose as it under a name of its own (DNS rebinding).

use std::net::{IpAddr, Ipv6Addr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use mainspring_protocol::problem::{Code, Problem};

use super::call::Refused;

/// Refuses a request that another site's page made.
pub(crate) fn check(head: &Parts) -> Result<(), Refused> {
    let host = head.uri.authority().map(|authority| authority.as_str()).or_else(|| text(&head.headers, header::HOST));
    if let Some(host) = host
        && !is_this_machine(host)
    {
        let detail = format!("this server is not `{}`", host.chars().take(100).collect::<String>());
        return Err(Box::new(
            Problem::new(Code::Forbidden, detail).with_hint("address it as localhost, 127.0.0.1 or [::1]"),
        ));
    }
    if let Some(origin) = text(&head.headers, header::ORIGIN) {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority != host && !is_safe(&head.method) {
            let detail = "a page of another site may not change anything here";
            return Err(Box::new(Problem::new(Code::Forbidden, detail)));
        }
    }
    Ok(())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether `host[:port]` names the loopback interface.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, _)) = rest.split_once(']') else { return false };
            return address.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
        }
        None => host.split(':').next().unwrap_or(host),
    };
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost", "localhost:7070", "LOCALHOST.:1", "a.localhost:1", "127.0.0.1:7070", "[::1]:7070"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7070", "10.0.0.1", "[::2]", "[", ""]
        {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let request = |method: &str, origin: &str| {
            let request = axum::http::Request::builder().method(method).uri("/api/v1/tasks");
            let request = request.header("host", "127.0.0.1:7070").header("origin", origin);
            check(&request.body(()).unwrap().into_parts().0)
        };
        assert!(request("POST", "http://127.0.0.1:7070").is_ok());
        assert!(request("GET", "https://evil.example").is_ok());
        assert!(request("POST", "https://evil.example").is_err());
        assert!(request("POST", "null").is_err());
    }
}
