//! robots.txt.

use std::time::Duration;

use bytes::Bytes;
use gleaner::fetch::robots::{Rules, name};
use gleaner::fetch::{HeaderMap, Page};
use url::Url;

use super::time::in_time;

/// A robots.txt as it came; its first line is also taken for a User-Agent and for a path.
pub fn robots(body: &[u8]) {
    let first = String::from_utf8_lossy(body.split(|byte| *byte == b'\n').next().unwrap_or(body));
    let Ok(url) = Url::parse("https://h.test/robots.txt") else { return };
    let page = Page { url, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body) };
    for agent in ["gleaner", name(&first)] {
        in_time("robots.txt", body.len(), || {
            let rules = Rules::of(Ok(page.clone()), agent).expect("an answer with rules");
            for path in ["/", "/api/book/1/?limit=18&offset=0", "/%ff%00/*$?#", &first] {
                if let Ok(url) = page.url.join(path) {
                    assert_eq!(rules.allow(&url), rules.allow(&url));
                }
            }
            if let Some((delay, is_capped)) = rules.delay() {
                assert!(!delay.is_zero() && delay <= Duration::from_secs(60), "{delay:?}");
                assert!(!is_capped || delay == Duration::from_secs(60), "{delay:?}");
            }
        });
    }
}
