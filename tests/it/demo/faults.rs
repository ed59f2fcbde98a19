//! Faults on demand: each kind does what it says, to the requests it says.

use super::*;

#[tokio::test]
async fn status_and_headers_on_the_attempts_asked_for() {
    let demo = site(20);
    demo.fault(Fault::on(LIST).attempts(2..=3).status(429).header("Retry-After", "7"));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let response = get(&demo, LIST).await;
        let wait =
            response.headers().get("retry-after").map(|wait| wait.to_str().map(str::to_owned));
        assert_eq!(wait.is_some(), response.status() == 429);
        seen.push(response.status().as_u16());
    }
    assert_eq!(seen, [200, 429, 429, 200]);
    assert_eq!(status(&demo, "/api/book/?limit=18").await, 200);
}

#[tokio::test]
async fn attempts_are_counted_path_by_path_and_the_first_rule_wins() {
    let demo = site(20);
    let keys = demo.keys();
    demo.fault(Fault::on("/api/book/*").first(1).status(500));
    demo.fault(Fault::on(page_of(&keys[0])).first(2).status(503));
    for (path, expected) in
        [(0, 500), (1, 500), (0, 503), (1, 200), (0, 200)].map(|(n, it)| (page_of(&keys[n]), it))
    {
        assert_eq!(status(&demo, &path).await, expected, "{path}");
    }
    demo.fault(Fault::on("*").status(502));
    assert_eq!(status(&demo, "/robots.txt").await, 502);
    demo.clear_faults();
    assert_eq!(status(&demo, &page_of(&keys[2])).await, 200);
}

#[tokio::test]
async fn shares_of_requests() {
    let demo = site(300);
    demo.fault(Fault::on("/robots.txt").every(3).status(500));
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(status(&demo, "/robots.txt").await);
    }
    assert_eq!(seen, [404, 404, 500, 404, 404, 500]);

    let struck = async |seed| {
        demo.clear_faults();
        demo.fault(Fault::on("/api/book/*").share(20.0, seed).status(500));
        let mut struck = HashSet::new();
        let client = client();
        for key in demo.keys() {
            let url = format!("{}{}", demo.url(), page_of(&key));
            if client.get(url).send().await.expect("an answer").status() == 500 {
                struck.insert(key);
            }
        }
        struck
    };
    let first = struck(1).await;
    assert!((30..=90).contains(&first.len()), "{} of 300", first.len());
    assert_eq!(first, struck(1).await);
    assert_ne!(first, struck(2).await);
}

#[tokio::test]
async fn bodies_cut_short() {
    let demo = site(3);
    let path = page_of(&demo.keys()[0]);
    let whole = try_get(&demo, &path).await.expect("a whole answer").2.len();
    for bytes in [0, 100, whole - 1] {
        demo.clear_faults();
        demo.fault(Fault::on(&path).cut(bytes));
        let mut response = get(&demo, &path).await;
        assert_eq!(response.content_length(), Some(whole as u64));
        let mut received = 0;
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => panic!("the body ended well"),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode(), "{error:?}");
        assert_eq!(received, bytes);
    }
    let (connections, requests) = (demo.stats().connections, demo.stats().requests);
    assert_eq!((connections, requests), (4, 4));
}

#[tokio::test]
async fn bodies_that_stall_hold_the_request_until_the_client_leaves() {
    let demo = site(3);
    let path = page_of(&demo.keys()[0]);
    demo.fault(Fault::on(&path).stall(50));
    let mut response = get(&demo, &path).await;
    let chunk = response.chunk().await.expect("a chunk").expect("a chunk");
    assert_eq!(chunk.len(), 50);
    let more = tokio::time::timeout(Duration::from_millis(50), response.chunk()).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(demo.stats().in_flight, 1);
    drop(response);
    assert!(soon(|| demo.stats().in_flight == 0).await);
}

#[tokio::test]
async fn bodies_without_end_or_with_a_false_length() {
    let demo = site(3);
    demo.fault(Fault::on("/endless").body("text/plain", vec![b'x'; 10_000]).endless());
    let mut response = get(&demo, "/endless").await;
    assert_eq!(response.content_length(), None);
    let mut received = 0;
    while received < 1_000_000 {
        received += response.chunk().await.expect("a chunk").expect("more").len();
    }
    demo.fault(Fault::on("/long").body("text/plain", "abc").header("Content-Length", "10"));
    assert!(try_get(&demo, "/long").await.is_err());
    demo.fault(Fault::on("/short").body("text/plain", "abcdef").header("Content-Length", "2"));
    assert_eq!(try_get(&demo, "/short").await.expect("an answer").2, b"ab");
}

#[tokio::test]
async fn other_bodies_redirects_and_bare_statuses() {
    let demo = site(3);
    demo.fault(Fault::on(LIST).body("text/html", "<html>sign in</html>"));
    let (code, headers, body) = try_get(&demo, LIST).await.expect("an answer");
    assert_eq!((code, &headers["content-type"]), (200, &"text/html".parse().expect("a value")));
    assert_eq!(body, b"<html>sign in</html>");

    demo.fault(Fault::on("/busy").body("text/plain", "later").status(503));
    let (code, _, body) = try_get(&demo, "/busy").await.expect("an answer");
    assert_eq!((code, body.as_slice()), (503, b"later".as_slice()));

    demo.fault(Fault::on("/there").redirect("http://elsewhere.test/"));
    demo.fault(Fault::on("/for/ever").status(308).redirect("/for/ever"));
    for (path, code, to) in
        [("/there", 302, "http://elsewhere.test/"), ("/for/ever", 308, "/for/ever")]
    {
        let response = get(&demo, path).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["location"]),
            (code, &to.parse().expect("a value"))
        );
    }
    demo.fault(Fault::on("/nothing").status(204));
    let (code, _, body) = try_get(&demo, "/nothing").await.expect("an answer");
    assert_eq!((code, body.len()), (204, 0));
    demo.fault(Fault::on("/teapot").status(418));
    assert_eq!(json_of(try_get(&demo, "/teapot").await)["detail"], "I'm a teapot");
}

fn json_of(answer: reqwest::Result<(u16, HeaderMap, Vec<u8>)>) -> Value {
    serde_json::from_slice(&answer.expect("an answer").2).expect("JSON")
}

#[tokio::test]
async fn connections_closed_without_an_answer() {
    let demo = site(3);
    demo.fault(Fault::on(LIST).first(1).hang_up());
    let error = try_get(&demo, LIST).await.expect_err("no answer");
    assert!(error.is_request(), "{error:?}");
    assert!(!error.is_connect(), "{error:?}");
    assert_eq!(status(&demo, LIST).await, 200);
    assert_eq!(demo.stats().requests, 2);
}

#[tokio::test]
async fn a_mix_goes_wrong_in_its_share_of_requests_and_in_every_way() {
    let demo = site(20);
    let asked = 600;
    mixed_faults(50.0, 1).into_iter().for_each(|fault| demo.fault(fault));
    // What stalls is not waited for.
    let client = Client::builder().no_proxy().timeout(Duration::from_millis(400));
    let client = client.build().expect("a client");
    let usual = demo.document(&demo.keys()[0]).expect("a document");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let ask = async |path: String| {
        let response = match client.get(format!("{}{path}", demo.url())).send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return "late".to_owned(),
            Err(_) => return "no answer".to_owned(),
        };
        let status = response.status().as_u16();
        let body = match response.bytes().await {
            _ if status != 200 => return status.to_string(),
            Err(error) if error.is_timeout() => return "stalled".to_owned(),
            Err(_) => return "broken off".to_owned(),
            Ok(body) => body,
        };
        match serde_json::from_slice::<Value>(&body) {
            Err(_) => "no JSON".to_owned(),
            Ok(page) if page["count"] == 20 && page["results"] == serde_json::json!([]) => {
                "no rows".to_owned()
            }
            Ok(page) if page == usual || page["count"] == 20 => "fine".to_owned(),
            Ok(page) => panic!("{page}"),
        }
    };
    for round in 0..asked / 20 {
        let path = |at: usize| match at {
            0..10 => format!("{LIST}?limit=18&offset=0&round={round}-{at}"),
            _ => page_of(&demo.keys()[0]),
        };
        for what in futures_util::future::join_all((0..20).map(|at| ask(path(at)))).await {
            *seen.entry(what).or_default() += 1;
        }
    }
    let wrong = asked - seen["fine"];
    assert!((200..360).contains(&wrong), "{seen:?}");
    for kind in ["500", "502", "503", "429", "no answer", "late", "stalled", "no JSON", "no rows"] {
        assert!(seen.get(kind).is_some_and(|times| *times >= 2), "{kind}: {seen:?}");
    }
}
