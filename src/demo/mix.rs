//! A bit of everything that goes wrong on the wire, for who wants to see a crawler on a bad day.

use std::time::Duration;

use super::faults::Fault;

/// Rules that together hit about `percent` (0 to 100) of all requests, each kind of fault as often
/// as any other: 500, 502, 503 and 429 with a `Retry-After` of a second, a connection closed
/// without an answer, a body that is cut, that stalls, that ends before its announced length, a
/// slow answer, a page that is no JSON, half of a JSON page, an empty body, and (on the list) a
/// page without items. All of them pass: the same request, made again, is as likely to be answered
/// well as any. `seed` decides which requests are hit.
///
/// ```
/// # use gleaner::demo::{Demo, Options, mixed_faults};
/// # fn bad_day(demo: &Demo) {
/// mixed_faults(5.0, 1).into_iter().for_each(|fault| demo.fault(fault));
/// # }
/// ```
pub fn mixed_faults(percent: f64, seed: u64) -> Vec<Fault> {
    let any = || Fault::on("*");
    let maintenance = "<html><body>We will be back soon.</body></html>";
    let kinds = [
        any().status(500),
        any().status(502),
        any().status(503).header("retry-after", "1"),
        any().status(429).header("retry-after", "1"),
        any().hang_up(),
        any().cut(100),
        any().stall(100),
        any().header("content-length", "1000000"),
        any().delay(Duration::from_millis(500)),
        any().body("text/html", maintenance),
        any().body("application/json", r#"{"id": "1", "na"#),
        any().body("application/json", ""),
        Fault::on("/api/book/?*").no_rows(),
    ];
    let share = percent / kinds.len() as f64;
    // Each kind draws by itself; the first that hits decides.
    (seed..).zip(kinds).map(|(seed, kind)| kind.share(share, seed)).collect()
}
