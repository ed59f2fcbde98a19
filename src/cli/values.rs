//! Parsers for the values of arguments: durations, sizes, counts, headers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use url::Url;

use crate::fetch::Header;
use crate::model::text::secret::Secret;
use crate::serve::Address;
use crate::site::settings::{MOST_WORKERS, RATE_RULE, is_rate};
use crate::system::clock;

/// Longest duration: more than anybody waits for, and less than clocks can hold.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Parses a duration, such as `500ms`, `30s` or `6h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a duration as 500ms, 30s, 10m or 6h"))?;
    if duration > LONGEST { Err("must be at most 100 years".to_owned()) } else { Ok(duration) }
}

/// Parses the time that a document may wait for its batch. At most 1 minute: the end of a crawl may
/// wait that long.
pub fn flush(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        duration if duration > Duration::from_secs(60) => Err("must be at most 1m".to_owned()),
        duration => Ok(duration),
    }
}

/// Parses a duration longer than zero.
pub fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// Parses the interval between the starts of two sweeps.
pub fn every(text: &str) -> Result<Duration, String> {
    match timeout(text)? {
        duration if duration > Duration::from_secs(366 * 86_400) => {
            Err("must be at most 366d".to_owned())
        }
        duration => Ok(duration),
    }
}

/// Parses a point in time: a duration before now (`24h`), a time (`2026-11-20T10:00:00Z`), a date
/// (`2026-11-20`, its start in UTC), or `yesterday` (the start of the previous day in UTC).
pub fn since(text: &str) -> Result<Timestamp, String> {
    let wanted = "must be a duration before now (24h), a time (2026-11-20T10:00:00Z), a date in UTC (2026-11-20) or yesterday";
    let begin = |day: Date| day.to_zoned(TimeZone::UTC).map(|day| day.timestamp());
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if text == "yesterday" {
        let today = clock::now().to_zoned(TimeZone::UTC).date();
        return today.yesterday().and_then(begin).map_err(|_| wanted.to_owned());
    }
    // jiff parses a date with a time as a date, too, and drops the time.
    if let Some(day) = text.parse::<Date>().ok().filter(|day| day.to_string() == text) {
        return begin(day).map_err(|_| wanted.to_owned());
    }
    let back = humantime::parse_duration(text).map_err(|_| wanted)?;
    clock::now().checked_sub(back).map_err(|_| "that is too long ago".to_owned())
}

/// Parses a size: `8MiB`, `500kB`, or a number of bytes.
pub fn size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize =
        text.parse().map_err(|_| "write a size as 8MiB, 500kB or 4096".to_owned())?;
    match usize::try_from(size.as_u64()) {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(size) => Ok(size),
        Err(_) => Err("too large for this machine".to_owned()),
    }
}

/// Parses a count, at least 1.
pub fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("must be a whole number, at least 1".to_owned()),
    }
}

/// Parses the maximum concurrency. It has an upper limit because connections and memory grow with
/// it.
pub fn workers(text: &str) -> Result<usize, String> {
    match count(text)? {
        count if count <= MOST_WORKERS as u64 => Ok(usize::try_from(count).unwrap_or(1)),
        _ => Err(format!("must be at most {MOST_WORKERS}")),
    }
}

/// Parses a share in percent.
pub fn percent(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').trim().parse().ok();
    let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "must be a number from 0 to 100".to_owned())
}

/// Parses an address to listen on.
pub fn address(text: &str) -> Result<Address, String> {
    text.parse()
}

/// Parses a host name, without scheme and port.
pub fn host(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(host) if !text.contains('/') => Ok(host.to_string()),
        _ => Err("must be a host name without scheme and port, such as watch.example".to_owned()),
    }
}

/// Parses a rate in requests per second.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| is_rate(*rate));
    rate.ok_or_else(|| format!("must be {RATE_RULE}"))
}

/// Parses the number of documents per write. MongoDB gains nothing beyond 1,000.
pub fn batch(text: &str) -> Result<usize, String> {
    match count(text)? {
        count @ 1..=10_000 => Ok(usize::try_from(count).unwrap_or(1)),
        _ => Err("must be at most 10000".to_owned()),
    }
}

/// Parses the number of requests of a measurement. The first level alone takes 30, the preparation
/// a few more.
pub fn requests(text: &str) -> Result<usize, String> {
    match count(text)? {
        0..40 => Err("must be at least 40: fewer requests measure nothing".to_owned()),
        count => usize::try_from(count).map_err(|error| error.to_string()),
    }
}

/// Parses a header: `Name: value`, or `https://host: Name: value`.
pub fn header(text: &str) -> Result<Header, String> {
    let text = text.trim_start();
    let (origin, text) = match text.split_once(": ") {
        Some((origin, rest)) if origin.contains("://") => (Some(self::origin(origin)?), rest),
        _ => (None, text),
    };
    let (name, value) = text.split_once(':').ok_or("write a header as 'Name: value'")?;
    let [name, value] = [name, value].map(|part| part.trim().to_owned());
    Ok(Header { origin, name, value })
}

/// Parses the origin that a header is limited to.
fn origin(text: &str) -> Result<Url, String> {
    let origin = url(text)?;
    let is_bare = origin.path() == "/" && origin.query().is_none() && origin.fragment().is_none();
    match is_bare && origin.username().is_empty() && origin.password().is_none() {
        true => Ok(origin),
        false => {
            Err("the text before the header must be an origin: https://HOST or https://HOST:PORT"
                .into())
        }
    }
}

/// Parses an `http` or `https` URL. It may hold credentials, so errors show it without them.
pub fn url(text: &str) -> Result<Url, String> {
    let shown = Secret::new(text);
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ if !text.contains("://") => {
            Err(format!("`{shown}` has no scheme; write https://{shown}"))
        }
        Ok(url) => Err(format!("{}: is neither http nor https", url.scheme())),
        Err(error) => Err(format!("`{shown}` is not a URL: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_say_how_they_are_written() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert!(duration("5").unwrap_err().contains("500ms, 30s"));
        assert!(timeout("0s").is_err());
        assert_eq!(size("8MiB"), Ok(8 << 20));
        assert_eq!(size("500kB"), Ok(500_000));
        assert!(size("much").is_err() && size("0").is_err());
        assert_eq!(count("1"), Ok(1));
        assert!(count("0").is_err() && count("-1").is_err() && count("x").is_err());
        assert!(workers("10001").is_err());
        let plain = header("A: b:c ").unwrap();
        assert_eq!((plain.origin, &*plain.name, &*plain.value), (None, "A", "b:c"));
        assert!(header("A").is_err());
    }

    #[test]
    fn x1_a_header_may_begin_with_an_origin() {
        for (text, origin, name, value) in [
            ("https://shop.example: X-Key: a: b", "https://shop.example/", "X-Key", "a: b"),
            (" http://127.0.0.1:8080:  X-Key:c", "http://127.0.0.1:8080/", "X-Key", "c"),
            ("HTTPS://[::1]:8443/: A: b", "https://[::1]:8443/", "A", "b"),
        ] {
            let header = header(text).unwrap();
            assert_eq!(header.origin.unwrap().as_str(), origin, "{text}");
            assert_eq!((&*header.name, &*header.value), (name, value), "{text}");
        }
        let to = header("X-To: https://shop.example: yes").unwrap();
        assert_eq!((to.origin, &*to.value), (None, "https://shop.example: yes"));
        for text in [
            "https://shop.example/a: X-Key: b",
            "https://shop.example?a: X-Key: b",
            "https://me:s3cret@shop.example: X-Key: b",
            "ftp://shop.example: X-Key: b",
            "https://: X-Key: b",
            "https://shop.example: X-Key",
        ] {
            let said = header(text).unwrap_err();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_time_is_a_duration_back_or_a_date_with_its_time() {
        let time = |text| since(text).unwrap();
        assert_eq!(time("2026-11-20T11:00:00+01:00").to_string(), "2026-11-20T10:00:00Z");
        let day = clock::now().as_second() - time("24h").as_second();
        assert!((86_400..86_460).contains(&day), "{day}");
        for text in ["2026-11-31", "2026-11-20T10:00:00", "10:00", "Yesterday", "soon", "", "-1h"] {
            assert!(since(text).unwrap_err().contains("24h"), "{text}");
        }
        assert!(since("100000years").is_err());
    }

    #[test]
    fn o4_a_date_is_its_beginning_in_utc_and_yesterday_is_a_date() {
        assert_eq!(since("2026-11-29").unwrap().to_string(), "2026-11-29T00:00:00Z");
        let yesterday = since("yesterday").unwrap();
        assert_eq!(yesterday.as_second() % 86_400, 0, "{yesterday}");
        let hours = (clock::now().as_second() - yesterday.as_second()) / 3_600;
        assert!((24..48).contains(&hours), "{hours}");
    }

    #[test]
    fn urls_want_a_scheme_and_keep_their_secrets() {
        let error = |text: &str| url(text).unwrap_err();
        assert_eq!(url("http://h/a?b").unwrap().as_str(), "http://h/a?b");
        assert!(error("h.test/a").contains("write https://h.test/a"));
        assert!(error("localhost:80/a").contains("write https://localhost:80/a"));
        assert!(error("me:s3cret@h/a").contains("write https://***@h/a"));
        assert!(error("ftp://me:s3cret@h").contains("neither http nor https"));
        assert!(!error("http://me:s3cret@h:port/").contains("s3cret"));
    }
}
