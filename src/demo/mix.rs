//! A mix of all faults of the demo site, to see how a crawler copes with them.

use std::time::Duration;

use super::faults::Fault;

/// Returns rules that together hit about `percent` (0 to 100) of all requests, with equal shares
/// for each kind of fault: 500, 502, 503 and 429 with a `Retry-After` of 1 s; a connection closed
/// without a response; a body that is cut, stalls, or ends before its announced length; a slow
/// answer; a page that is not JSON, half of a JSON page, an empty body; and (on the list) a page
/// without items. All faults are temporary: a retry has the same chance of success as any request.
/// `seed` decides which requests are hit.
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
    // Each kind draws independently; the first that hits decides.
    (seed..).zip(kinds).map(|(seed, kind)| kind.share(share, seed)).collect()
}
