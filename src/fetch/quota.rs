//! Waits that a host asks for in the headers of a response.
//!
//! - `Retry-After` (RFC 9110, section 10.2.3).
//! - The rest of a quota, in the `RateLimit` header field (draft-ietf-httpapi-ratelimit-headers, as
//!   a list with `r` and `t` or, in earlier drafts, a dictionary) or in separate fields
//!   (`RateLimit-Remaining`, `X-RateLimit-Remaining` and `-Reset`).
//!
//! Malformed headers are ignored.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use sfv::{Dictionary, KeyRef, List, ListEntry, Parameters, Parser};

/// A reset of more than this many seconds is a Unix time.
const EPOCH: u64 = 1_000_000_000;

/// The field that holds both values. Like the others it is a static name, so that it is not parsed
/// for each response.
static FIELD: HeaderName = HeaderName::from_static("ratelimit");
/// Pairs of fields with the rest of a quota and the time of its reset.
static FIELDS: [[HeaderName; 2]; 2] = [
    [HeaderName::from_static("ratelimit-remaining"), HeaderName::from_static("ratelimit-reset")],
    [
        HeaderName::from_static("x-ratelimit-remaining"),
        HeaderName::from_static("x-ratelimit-reset"),
    ],
];

/// The rest of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    /// Number of requests left.
    remaining: u64,
    /// Time until the quota is renewed.
    reset: Duration,
}

/// Returns the wait that a response with `status` asks for, or `None`. A wait of zero counts as
/// none.
pub fn asked(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let wait = match status {
        429 | 503 => wait(headers, now),
        // Some sites answer 403 for a spent quota; others refuse with 403 and have quota left.
        403 => retry_after(headers, now).or_else(|| {
            quota(headers, || now).filter(|quota| quota.remaining == 0).map(|quota| quota.reset)
        }),
        _ => None,
    };
    wait.filter(|wait| !wait.is_zero())
}

/// Returns the wait that a response without a page yet asks for, or `None`.
pub fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    retry_after(headers, now).or_else(|| quota(headers, || now).map(|quota| quota.reset))
}

/// Returns the time until a quota is renewed if it is spent, or if the `others` requests in flight
/// may use up the rest.
pub fn spent(headers: &HeaderMap, others: u32) -> Option<Duration> {
    let quota = quota(headers, SystemTime::now)?;
    (quota.remaining < u64::from(others.max(1))).then_some(quota.reset)
}

/// Parses `Retry-After`, in seconds or as an HTTP date. Returns `None` for a date in the past.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = whole(text) {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

fn quota(headers: &HeaderMap, now: impl Fn() -> SystemTime) -> Option<Quota> {
    if let Some(field) = headers.get(&FIELD) {
        return listed(field.as_bytes()).or_else(|| named(field.as_bytes()));
    }
    FIELDS.iter().find_map(|[remaining, reset]| {
        let number = |name: &HeaderName| whole(headers.get(name)?.to_str().ok()?.trim());
        let reset = number(reset)?;
        let reset = match reset > EPOCH {
            false => Duration::from_secs(reset),
            true => (SystemTime::UNIX_EPOCH + Duration::from_secs(reset.min(u32::MAX.into())))
                .duration_since(now())
                .unwrap_or_default(),
        };
        Some(Quota { remaining: number(remaining)?, reset })
    })
}

/// Parses `"default";r=50;t=30`. Of several quotas, the one with the least left counts.
fn listed(field: &[u8]) -> Option<Quota> {
    let list: List = Parser::new(field).parse().ok()?;
    let quotas = list.iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(Quota {
            remaining: parameter(&item.params, "r")?,
            reset: Duration::from_secs(parameter(&item.params, "t")?),
        }),
        ListEntry::InnerList(_) => None,
    });
    quotas.min_by_key(|quota| quota.remaining)
}

/// Parses `limit=100, remaining=50, reset=30`.
fn named(field: &[u8]) -> Option<Quota> {
    let fields: Dictionary = Parser::new(field).parse().ok()?;
    let number = |name: &str| match fields.get(KeyRef::from_str(name).ok()?)? {
        ListEntry::Item(item) => u64::try_from(i64::from(item.bare_item.as_integer()?)).ok(),
        ListEntry::InnerList(_) => None,
    };
    Some(Quota { remaining: number("remaining")?, reset: Duration::from_secs(number("reset")?) })
}

fn parameter(parameters: &Parameters, name: &str) -> Option<u64> {
    let value = parameters.get(KeyRef::from_str(name).ok()?)?.as_integer()?;
    u64::try_from(i64::from(value)).ok()
}

/// Parses a whole number. One that does not fit becomes the maximum, since waits are capped anyway.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_784_111_777;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn waits(fields: &[(&'static str, &str)]) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        wait(&headers(fields), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn w2_retry_after_is_seconds_or_a_date_and_nothing_else() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |text: &str| wait(&headers(&[("retry-after", text)]), now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), None, "past");
        assert_eq!(wait("-5"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait(""), None);
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn w1_a_quota_says_how_long_to_wait_where_retry_after_does_not() {
        assert_eq!(waits(&[("ratelimit", "\"default\";r=0;t=30")]), Some(30));
        assert_eq!(waits(&[("ratelimit", "\"minute\";r=5;t=60, \"day\";r=0;t=90")]), Some(90));
        assert_eq!(waits(&[("ratelimit", "limit=100, remaining=0, reset=31")]), Some(31));
        let plain = [("ratelimit-remaining", "0"), ("ratelimit-reset", "32")];
        assert_eq!(waits(&plain), Some(32));
        let later = (NOW + 33).to_string();
        let epoch = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", later.as_str())];
        assert_eq!(waits(&epoch), Some(33), "a time since 1970");
        assert_eq!(waits(&[("retry-after", "7"), ("ratelimit", "\"a\";r=0;t=30")]), Some(7));
        for odd in
            ["", "\"default\"", "\"default\";r=x;t=1", "r=-1", "limit=1, remaining=-2, reset=x"]
        {
            assert_eq!(waits(&[("ratelimit", odd)]), None, "{odd:?}");
        }
    }

    #[test]
    fn w28_a_403_asks_to_wait_only_where_it_says_so() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let of = |status, fields: &[(&'static str, &str)]| {
            asked(status, &headers(fields), now).map(|wait| wait.as_secs())
        };
        let quota = |left| [("x-ratelimit-remaining", left), ("x-ratelimit-reset", "9")];
        assert_eq!(of(403, &quota("0")), Some(9));
        assert_eq!(of(403, &quota("1")), None, "it refuses for another reason");
        assert_eq!(of(403, &[("retry-after", "7")]), Some(7));
        assert_eq!(of(403, &[]), None);
        assert_eq!(of(429, &quota("1")), Some(9));
        assert_eq!(of(429, &[("retry-after", "0")]), None, "a wait of 0 is none");
        assert_eq!(of(500, &[("retry-after", "7")]), None);
    }

    #[test]
    fn w1_a_quota_is_spent_where_those_in_flight_may_take_the_rest() {
        let left = |remaining: &str, others| {
            let fields = [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", "9")];
            spent(&headers(&fields), others)
        };
        assert_eq!(left("0", 0), Some(Duration::from_secs(9)));
        assert_eq!(left("3", 4), Some(Duration::from_secs(9)));
        assert_eq!(left("4", 4), None);
        assert_eq!(spent(&HeaderMap::new(), 4), None);
    }
}
