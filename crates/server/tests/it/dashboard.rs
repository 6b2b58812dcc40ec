//! The dashboard's files over a real socket: headers, caching, and what stays the API's.

use crate::support::Server;

/// Addresses of files that the page names.
fn named(page: &str, ending: &str) -> String {
    let found = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(ending));
    found.unwrap_or_else(|| panic!("the page names no file that ends with {ending}: {page}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_a_strict_policy_and_without_anything_inline() {
    let server = Server::start().await;
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-cache");
    let text = page.text();
    assert!(!text.contains("<style") && !text.contains("style="), "{text}");
    assert_eq!(text.matches("<script").count(), text.matches("src=\"/assets/").count(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_files_are_kept_for_ever_and_sent_compressed() {
    let server = Server::start().await;
    let script = named(server.get("/").await.text(), ".js");
    let plain = server.get(&script).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(plain.header("content-length"), plain.body.len().to_string());
    for encoding in ["br", "gzip"] {
        let packed = server.call("GET", &script, &[("accept-encoding", encoding)], "").await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, encoding));
        assert!(packed.body.len() * 2 < plain.body.len() && packed.header("etag") != plain.header("etag"));
        let tag = packed.header("etag");
        let again = server.call("GET", &script, &[("accept-encoding", encoding), ("if-none-match", tag)], "").await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag));
    }
    let head = server.call("HEAD", &script, &[], "").await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, plain.header("content-length")));
}

#[tokio::test(flavor = "multi_thread")]
async fn screens_are_for_visits_and_everything_else_is_the_apis() {
    let server = Server::start().await;
    let visit = [("sec-fetch-mode", "navigate"), ("accept", "text/html")];
    for path in ["/jobs/demo", "/tasks", "/tasks/schedule", "/definitions/jobs/nightly"] {
        let page = server.call("GET", path, &visit, "").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
    }
    server.get("/jobs/demo").await.refused(404, "no_such_route");
    server.get("/tasks/schedule").await.refused(405, "method_not_allowed");
    server.call("GET", "/api/v1/no-such", &visit, "").await.refused(404, "no_such_route");
    server.call("GET", "/assets/no-such.js", &visit, "").await.refused(404, "no_such_route");
    server.call("POST", "/jobs", &visit, "").await.refused(404, "no_such_route");
    server.call("GET", "/", &[("host", "evil.example")], "").await.refused(403, "forbidden");
}
