//! The page itself as it is served: with its files' hash, and a policy for its register.
//!
//! The register comes in; out goes `index.html`, whose files have addresses that never change, and
//! a content policy that lets portraits and outlines come from the origins that the register names
//! and from nowhere else. Made once a register. Before the first tick no register is known, and
//! the page is told so: it loads itself again when there is one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use url::Url;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue};
use warp::reply::Response;

use super::files::{self, File};
use super::server::State;
use super::settings::Origins;

/// More origins than this would be a header that no proxy lets through; all of https then.
const ORIGINS_MAX: usize = 64;

/// The page, as it was served last.
#[derive(Default)]
pub struct FrontPage(Mutex<Option<Arc<Made>>>);

/// The page for one register.
struct Made {
    register: Option<String>,
    file: File,
    policy: HeaderValue,
}

impl FrontPage {
    /// Answers with the page.
    pub fn answer(&self, state: &State, headers: &HeaderMap) -> Response {
        let made = self.made(state);
        let mut response = made.file.answer(headers);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, made.policy.clone());
        response
    }

    fn made(&self, state: &State) -> Arc<Made> {
        let tick = state.publisher.current();
        let snapshot = tick.as_ref().map(|tick| tick.snapshot());
        let register = snapshot.map(|snapshot| snapshot.register_version().to_string());
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref() {
            // A file that is not built in may have changed.
            Some(made) if made.register == register && !cfg!(debug_assertions) => made.clone(),
            _ => {
                let origins = snapshot.map(|snapshot| origins(snapshot.addresses()));
                let made = Arc::new(Made {
                    register,
                    file: page(origins.as_deref()),
                    policy: policy(
                        &state.settings.frames,
                        origins.as_deref().unwrap_or_default(),
                    ),
                });
                *last = Some(made.clone());
                made
            }
        }
    }
}

/// The page's text, whose first tag says where pictures may come from and whether there are charts.
fn page(origins: Option<&[String]>) -> File {
    let mut tag = "<html lang=\"en\"".to_string();
    if let Some(origins) = origins {
        tag += &format!(" data-origins=\"{}\"", origins.join(" "));
    }
    if files::has_charts() {
        tag += " data-charts";
    }
    let folder = format!("\"page/{}/", files::version());
    let text = files::index()
        .replacen("<html lang=\"en\"", &tag, 1)
        .replace("\"page/", &folder);
    File::new("text/html; charset=utf-8", Bytes::from(text))
}

/// The origins of some addresses that a page of ours may load from; `https:` for too many.
fn origins<'a>(addresses: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for address in addresses {
        // An address without a host is of our own origin.
        let Ok(url) = Url::parse(address) else {
            continue;
        };
        let origin = url.origin().ascii_serialization();
        // They go into headers and markup, where other characters would mean something.
        let checked = Origins::parse(&origin);
        if url.scheme() == "https" && matches!(checked, Ok(Origins::Listed(_))) {
            found.insert(origin);
        }
        if found.len() > ORIGINS_MAX {
            return vec!["https:".to_string()];
        }
    }
    found.into_iter().collect()
}

/// What a browser may do with the page, with who may show it in a frame.
fn policy(frames: &Origins, origins: &[String]) -> HeaderValue {
    let ancestors = match frames {
        Origins::None => "'none'".to_string(),
        Origins::Listed(origins) => format!("'self' {}", origins.join(" ")),
        Origins::Any => "*".to_string(),
    };
    let others: String = origins.iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'self'; img-src 'self' data:{others}; connect-src 'self'{others}; \
         style-src 'self'; script-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'none'; object-src 'none'; frame-ancestors {ancestors}"
    );
    HeaderValue::from_str(&policy).expect("origins are checked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_that_can_do_no_harm_are_let_in() {
        let addresses = [
            "https://cdn.example/a.png",
            "https://cdn.example/b.png",
            "https://user:password@photos.example:8443/c.png",
            "https://évêque.example/d.png",
            "http://plain.example/e.png",
            "/photos/f.png",
            "javascript:alert(1)",
            "https://a;script-src *.example/",
            "https://a;script-src.example/",
            "https://a'unsafe-inline'.example/",
            "https://\"><script>.example/",
        ];
        let found = origins(addresses.into_iter());
        let wanted = [
            "https://cdn.example",
            "https://photos.example:8443",
            "https://xn--vque-9oah.example",
        ];
        assert_eq!(found, wanted);
        let policy = policy(&Origins::None, &found);
        let policy = policy.to_str().expect("text");
        assert!(policy.contains("img-src 'self' data: https://cdn.example https://photos"));
        assert!(policy.ends_with("frame-ancestors 'none'"));
    }

    #[test]
    fn too_many_origins_are_all_of_https() {
        let addresses: Vec<String> = (0..100)
            .map(|at| format!("https://{at}.example/"))
            .collect();
        assert_eq!(origins(addresses.iter().map(String::as_str)), ["https:"]);
    }

    #[test]
    fn the_page_says_what_it_may_load() {
        let text = |origins| {
            let file = page(origins);
            String::from_utf8(file.body.to_vec()).expect("text")
        };
        let origins = ["https://cdn.example".to_string()];
        let known = text(Some(&origins));
        assert!(known.contains(" data-origins=\"https://cdn.example\""));
        assert!(known.contains(&format!("src=\"page/{}/app.js\"", files::version())));
        assert!(!known.contains("\"page/app.js\"") && !text(None).contains("data-origins"));
    }
}
