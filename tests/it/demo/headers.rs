//! Validators and compression, where the options ask for them.

use std::io::Read;

use super::*;

#[tokio::test]
async fn etags_when_asked_for() {
    let demo = start(Options { items: 3, etags: true, ..Options::default() });
    let (key, other) = (&demo.keys()[0], &demo.keys()[1]);
    let tag = get(&demo, &page_of(key)).await.headers()["etag"].clone();
    assert_ne!(get(&demo, &page_of(other)).await.headers()["etag"], tag);
    let ask = async |condition: &str| {
        let request = client().get(format!("{}{}", demo.url(), page_of(key)));
        request.header("if-none-match", condition).send().await.expect("an answer")
    };
    let text = tag.to_str().expect("text");
    for condition in [text.to_owned(), format!("\"x\", W/{text}"), "*".to_owned()] {
        let response = ask(&condition).await;
        assert_eq!(response.status(), 304, "{condition}");
        assert_eq!(response.headers()["etag"], tag);
        assert!(response.bytes().await.expect("no body").is_empty());
    }
    assert_eq!(ask("\"x\"").await.status(), 200);
    demo.change(key);
    let response = ask(text).await;
    assert_eq!(response.status(), 200);
    assert_ne!(response.headers()["etag"], tag);
    assert!(get(&site(3), &page_of(key)).await.headers().get("etag").is_none());
}

#[tokio::test]
async fn gzip_when_asked_for() {
    let options = Options { items: 3, compress: true, etags: true, ..Options::default() };
    let demo = start(options);
    let path = page_of(&demo.keys()[0]);
    let plain = try_get(&demo, &path).await.expect("an answer");
    assert!(plain.1.get("content-encoding").is_none());
    let ask = async |coding: &str| {
        let request = client().get(format!("{}{path}", demo.url()));
        request.header("accept-encoding", coding).send().await.expect("an answer")
    };
    let response = ask("br, gzip; q=0.5").await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(response.headers()["etag"].to_str().expect("text").starts_with("W/"));
    let packed = response.bytes().await.expect("a body");
    assert!(packed.len() < plain.2.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.2);
    assert!(ask("gzip;q=0, br").await.headers().get("content-encoding").is_none());
}
