//! The dashboard: files that its build made, held in the binary and served compressed. Addresses of its screens are served
//! its page, but only to a browser that goes there: everybody else hears from the API what is wrong with the address.

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

/// Only what the binary holds: no script, style, picture or address of anybody else, nothing written into the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PAGE: &str = "/index.html";
/// First segments that belong to the API and to operations, never to a screen.
const NOT_SCREENS: [&str; 8] = ["api", "assets", "actuator", "healthz", "readyz", "metrics", "openapi.json", "docs"];

/// Everything that the build made.
static FILES: &[File] = include!("../../../dashboard/dist/files.in");

/// A file of the build.
struct File {
    path: &'static str,
    media_type: &'static str,
    /// Quoted, as a header has it.
    tag: &'static str,
    /// Its name contains a hash of what is in it: it never changes.
    hashed: bool,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

impl File {
    const fn new(
        path: &'static str,
        media_type: &'static str,
        tag: &'static str,
        hashed: bool,
        plain: &'static [u8],
        brotli: Option<&'static [u8]>,
        gzip: Option<&'static [u8]>,
    ) -> Self {
        Self { path, media_type, tag, hashed, plain, brotli, gzip }
    }

    /// The smallest form that a client takes, and the name of its encoding.
    fn best(&self, headers: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
        let forms = [(self.brotli, "br"), (self.gzip, "gzip")];
        let taken = forms.into_iter().find_map(|(bytes, name)| Some((bytes?, name)).filter(|_| takes(headers, name)));
        taken.map_or((self.plain, None), |(bytes, name)| (bytes, Some(name)))
    }
}

/// The answer to a request that no operation of the API took; `None`: it is not for the dashboard either.
pub(crate) fn answer(head: &Parts) -> Option<Response> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return None;
    }
    let path = head.uri.path();
    let wanted = if path == "/" || is_visit(head, path) { PAGE } else { path };
    let file = FILES.iter().find(|file| file.path == wanted)?;
    Some(serve(file, head))
}

/// Whether a browser goes to an address that can be a screen's.
fn is_visit(head: &Parts, path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or("");
    let text = |name: &HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let goes = match text(&HeaderName::from_static("sec-fetch-mode")) {
        Some(mode) => mode == "navigate",
        None => text(&ACCEPT).is_some_and(|accept| accept.contains("text/html")),
    };
    goes && !NOT_SCREENS.contains(&first) && FILES.iter().all(|file| file.path != path)
}

fn serve(file: &File, head: &Parts) -> Response {
    let (bytes, encoding) = file.best(&head.headers);
    let tag =
        encoding.map_or_else(|| file.tag.to_owned(), |name| format!("{}-{name}\"", file.tag.trim_end_matches('"')));
    let known = is_known(&head.headers, &tag);
    let body = if known || head.method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    let mut response = Response::new(body);
    let cache = if file.hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fixed = [
        (CACHE_CONTROL, cache),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(ETAG, HeaderValue::try_from(tag).expect("a tag is of hex digits"));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Whether a client takes an encoding: named, and not with a quality of nothing.
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused =
            parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        named && !refused
    })
}

/// Whether a client has what stands behind a tag already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/") == tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_script_is_sent_in_the_smallest_form_that_the_client_takes() {
        let script = FILES.iter().find(|file| file.path.ends_with(".js")).unwrap();
        let best = |accept| script.best(&head("/", &[("accept-encoding", accept)]).headers).1;
        assert_eq!(best("gzip, deflate, br"), Some("br"));
        assert_eq!(best("gzip, br;q=0"), Some("gzip"));
        assert_eq!(best("identity"), None);
        assert!(script.brotli.unwrap().len() < script.gzip.unwrap().len());
        assert!(script.gzip.unwrap().len() < script.plain.len());
    }

    #[test]
    fn only_a_visit_of_a_screen_gets_the_page() {
        let visit: &[(&str, &str)] = &[("sec-fetch-mode", "navigate")];
        assert!(answer(&head("/jobs/demo", visit)).is_some());
        assert!(answer(&head("/jobs/demo", &[("accept", "text/html,*/*;q=0.8")])).is_some());
        assert!(answer(&head("/jobs/demo", &[])).is_none());
        assert!(answer(&head("/jobs/demo", &[("sec-fetch-mode", "cors"), ("accept", "text/html")])).is_none());
        assert!(answer(&head("/api/v1/nothing", visit)).is_none());
        assert!(answer(&head("/assets/nothing.js", visit)).is_none());
        assert!(answer(&head("/", &[])).is_some());
    }

    #[test]
    fn the_first_screen_stays_small() {
        let of = |ending: &str| -> usize {
            let files = FILES.iter().filter(|file| file.path.ends_with(ending) && !file.path.contains("graph-"));
            files.map(|file| file.gzip.map_or(file.plain.len(), <[u8]>::len)).sum()
        };
        let (scripts, rest) = (of(".js"), of(".css") + of(".woff2") + of(".html") + of(".svg"));
        assert!(scripts <= 150_000, "{scripts} bytes of script");
        assert!(scripts + rest <= 300_000, "{} bytes in all", scripts + rest);
    }
}
