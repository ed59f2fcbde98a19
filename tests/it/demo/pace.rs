//! Latency, delay and bandwidth, as a client sees them.

use super::*;

#[tokio::test]
async fn latency_and_delay() {
    let latency = Duration::from_millis(20);
    let demo = start(Options { items: 3, latency, ..Options::default() });
    let client = client();
    let timed = async |path: &str| {
        let started = Instant::now();
        client.get(format!("{}{path}", demo.url())).send().await.expect("an answer");
        started.elapsed().as_millis()
    };
    timed(LIST).await;
    let usual = timed(LIST).await;
    assert!((19..60).contains(&usual), "{usual} ms");
    demo.fault(Fault::on(LIST).delay(Duration::from_millis(100)));
    let delayed = timed(LIST).await;
    assert!((119..200).contains(&delayed), "{delayed} ms");
}

#[tokio::test(start_paused = true)]
async fn time_paused_in_the_caller_does_not_reach_the_site() {
    let latency = Duration::from_millis(30);
    let demo = start(Options { items: 3, latency, ..Options::default() });
    let started = Instant::now();
    assert_eq!(status(&demo, LIST).await, 200);
    assert!(started.elapsed() >= Duration::from_millis(29));
}

#[tokio::test]
async fn bandwidth_is_shared_by_all() {
    let options = Options { items: 100, bandwidth: Some(200_000), ..Options::default() };
    let demo = start(options);
    let started = Instant::now();
    let fetch = async |keys: Vec<String>| {
        for key in keys {
            try_get(&demo, &page_of(&key)).await.expect("an answer");
        }
    };
    let keys = demo.keys();
    tokio::join!(fetch(keys[..15].to_vec()), fetch(keys[15..30].to_vec()));
    let rate = demo.stats().body_bytes as f64 / started.elapsed().as_secs_f64();
    assert!((10_000.0..=204_000.0).contains(&rate), "{rate} bytes a second");
}
