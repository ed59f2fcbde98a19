//! Hosts that a site leads to: what they may be told, and where they may be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gleaner::fetch::{FetchError, Fetcher, Header, Home, Request};
use gleaner::model::report::Outcome;
use gleaner::model::text::secret::Secret;
use gleaner::observe::metrics::Metrics;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::json;
use url::Url;

use super::rig::{Rig, ended};
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

/// Asks for a page of `other` as a page of a site at `site` would lead to it.
async fn led_from(site: &str, other: &Url) -> Result<(), FetchError> {
    let host = format!("localhost:{}", other.port().expect("a port"));
    let home = Home { site: Url::parse(site).expect("a URL"), hosts: vec![host.into()] };
    let settings =
        Settings::default().with(|it| it.client.connect_timeout = Duration::from_secs(2));
    let mut options = settings.client_options(home.clone());
    options.system_proxy = false;
    let fetcher = Fetcher::new(&options, Arc::new(Metrics::new())).expect("a client");
    assert!(home.allows(other));
    fetcher.fetch(Request::get(other.clone())).await.map(drop)
}

#[tokio::test]
async fn w10_an_allowed_host_may_be_at_a_private_address_only_where_the_site_is() {
    let inner = Served::start(|_| Answer::text("the router's page".to_owned()));
    let inner_url = inner.url().replace("127.0.0.1", "localhost");
    let inner_url = Url::parse(&inner_url).expect("a URL");
    // An address for documentation (RFC 5737), where nobody is asked for anything.
    let Err(FetchError::Connect(why)) = led_from("http://203.0.113.1/", &inner_url).await else {
        panic!("it was not refused")
    };
    assert!(why.contains("localhost is ") && why.contains("a private address"), "{why}");
    assert_eq!(inner.count("/"), 0);
    led_from("http://127.0.0.1:9/", &inner_url).await.expect("the site is on this machine too");
    assert_eq!(inner.count("/"), 1);
}

/// A header for one origin goes there, and to nobody else; others stay with the site.
#[tokio::test]
async fn x1_a_header_for_an_origin_goes_there_and_nowhere_else() {
    let pages = Served::start(|asked| Answer::json(&json!({ "id": asked.path })));
    let elsewhere = pages.url().to_owned();
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/api/book/" => Answer::json(&json!({ "count": 1, "results": [{ "id": 1 }] })),
        path => Answer::text(String::new())
            .status(302)
            .header("location", &format!("{elsewhere}{path}")),
    });
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = super::rig::books_at(site.url());
    rig.site.hosts = vec![pages.url().trim_start_matches("http://").into()];
    let header = |origin: Option<&str>, name: &str| {
        let origin = origin.map(|origin| Url::parse(origin).expect("a URL"));
        Header { origin, name: name.to_owned(), value: "s3cret".to_owned() }
    };
    let own = Header { value: "own".to_owned(), ..header(Some(site.url()), "x-both") };
    rig.settings.client.headers = vec![
        own,
        header(None, "x-both"),
        header(None, "x-any"),
        header(Some(site.url()), "x-site"),
        header(Some(pages.url()), "x-pages"),
        header(Some("https://shop.example"), "x-shop"),
    ];
    ended(rig.crawl().await, Outcome::Complete);
    let sent = |served: &Served| {
        let mut names: Vec<String> = Vec::new();
        for asked in served.requests() {
            names.extend(asked.headers.into_keys().filter(|name| name.starts_with("x-")));
        }
        names.dedup();
        names
    };
    assert_eq!(pages.count("/"), 1);
    assert_eq!(sent(&pages), ["x-pages"]);
    for asked in site.requests() {
        let names = ["x-any", "x-site", "x-pages", "x-shop"];
        assert_eq!(names.map(|name| asked.header(name)), ["s3cret", "s3cret", "", ""]);
        assert_eq!(asked.header("x-both"), "own", "in place of the one for the whole site");
    }
}

/// A site whose robots.txt is wherever `to` says of the other host, and what of it was crawled.
async fn ruled_from_elsewhere(
    to: impl Fn(&Asked, &str) -> Option<String> + Send + Sync + 'static,
) -> (Result<Vec<String>, String>, Served, Served) {
    let other = Served::start(|asked| match asked.path.as_str() {
        "/robots.txt" => Answer::text("User-agent: *\nDisallow: /api/book/1\n".to_owned()),
        path => {
            let next = path.trim_start_matches("/hop/").parse::<u32>().expect("a number") - 1;
            let next = if next == 0 { "/robots.txt".to_owned() } else { format!("/hop/{next}") };
            Answer::text(String::new()).status(302).header("location", &next)
        }
    });
    let elsewhere = other.url().to_owned();
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/api/book/" => Answer::json(&json!({ "count": 2, "results": [{ "id": 1 }, { "id": 2 }] })),
        "/api/book/1/" | "/api/book/2/" => Answer::json(&json!({ "id": asked.path })),
        _ => match to(asked, &elsewhere) {
            Some(to) => Answer::text(String::new()).status(301).header("location", &to),
            None => Answer::not_found(),
        },
    });
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = super::rig::books_at(&site.url().replace("http://", "http://me:s3cret@"));
    rig.settings.pace.robots = true;
    rig.settings.pace.retries = 0;
    let (name, value) = ("X-Api-Key".to_owned(), "s3cret".to_owned());
    rig.settings.client.headers = vec![Header { origin: None, name, value }];
    let crawled = rig.crawl().await;
    let stored = rig.documents().await.into_keys().collect();
    (crawled.error.map_or(Ok(stored), |error| Err(error.to_string())), site, other)
}

#[tokio::test]
async fn w22_robots_txt_at_another_host_is_read_there_and_holds_for_the_host_that_was_asked() {
    for hops in [0, 4] {
        let to = move |_: &Asked, other: &str| match hops {
            0 => Some(format!("{other}/robots.txt")),
            hops => Some(format!("{other}/hop/{hops}")),
        };
        let (stored, site, other) = ruled_from_elsewhere(to).await;
        assert_eq!(stored, Ok(vec!["2".to_owned()]), "{hops}");
        assert_eq!(site.count("/api/book/1/"), 0);
        assert_eq!(other.count("/"), hops + 1, "its own rules are not requested");
        for asked in other.requests() {
            let told = format!("{:?}", asked.headers);
            assert!(asked.method == "GET" && !told.contains("s3cret"), "{told}");
            assert_eq!(asked.header("authorization"), "");
        }
    }
}

/// Rules that cannot be read are no leave to ask for everything.
#[tokio::test]
async fn w22_robots_txt_that_leads_nowhere_is_not_known() {
    let circle = |asked: &Asked, _: &str| Some(format!("{}/robots.txt", asked.origin()));
    let too_far = |_: &Asked, other: &str| Some(format!("{other}/hop/6"));
    let file = |_: &Asked, _: &str| Some("file:///etc/passwd".to_owned());
    let (circle, too_far, file) = tokio::join!(
        ruled_from_elsewhere(circle),
        ruled_from_elsewhere(too_far),
        ruled_from_elsewhere(file)
    );
    for ((ended, site, _), words) in [
        (circle, "more than 5 redirects in a row"),
        (too_far, "more than 5 redirects in a row"),
        (file, "file:///etc/passwd"),
    ] {
        let error = ended.expect_err("what it asks of crawlers is not known");
        assert!(error.contains(words) && error.contains("robots"), "{error}");
        assert_eq!(site.count("/api/"), 0);
    }
}

#[tokio::test]
async fn o11_proxies_and_user_agents_take_turns_independently_and_evenly() {
    let proxies: Vec<Served> = (0..3)
        .map(|_| {
            Served::start(|asked| match asked.path.as_str() {
                "/api/book/" => {
                    let (from, rows) = (asked.number("offset").unwrap_or(0), 1..=60);
                    let rows = rows.skip(from).take(asked.number("limit").unwrap_or(60));
                    let rows: Vec<_> = rows.map(|id| json!({ "id": id })).collect();
                    Answer::json(&json!({ "count": 60, "results": rows }))
                }
                path => Answer::json(&json!({ "id": path })),
            })
        })
        .collect();
    let mut rig = Rig::<Sqlite>::new(1).await;
    // Nobody is asked: the proxies answer themselves.
    rig.site = super::rig::books_at("http://books.test");
    rig.settings.client.proxies = proxies.iter().map(|proxy| Secret::new(proxy.url())).collect();
    rig.settings.client.user_agents = vec!["one/1".to_owned(), "two/1".to_owned()];
    ended(rig.crawl().await, Outcome::Complete);
    let with = |proxy: &Served, name: &str| {
        proxy.requests().iter().filter(|asked| asked.header("user-agent") == name).count()
    };
    let counts: Vec<usize> =
        proxies.iter().flat_map(|proxy| ["one/1", "two/1"].map(|name| with(proxy, name))).collect();
    let (least, most) = (counts.iter().min().expect("six"), counts.iter().max().expect("six"));
    assert!(*least >= 10 && most - least <= 1, "{counts:?}");
}

#[tokio::test]
async fn w10_credentials_and_cookies_stay_with_the_site() {
    let pages = Served::start(|asked| {
        Answer::json(&json!({ "id": asked.path.trim_matches('/') })).header("set-cookie", "b=2")
    });
    let elsewhere = pages.url().to_owned();
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/api/book/" => {
            let rows: Vec<_> = (1..=6).map(|id| json!({ "id": id })).collect();
            let list = Answer::json(&json!({ "count": 6, "results": rows }));
            list.header("set-cookie", "session=s3cret; Domain=127.0.0.1; Path=/")
        }
        path => {
            let key = path.trim_matches('/').rsplit('/').next().expect("a key");
            let to = format!("{elsewhere}/{key}/");
            Answer::text(String::new()).status(302).header("location", &to)
        }
    });
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = super::rig::books_at(&site.url().replace("http://", "http://me:s3cret@"));
    rig.site.hosts = vec![pages.url().trim_start_matches("http://").into()];
    let (name, value) = ("X-Api-Key".to_owned(), "s3cret".to_owned());
    rig.settings.client.headers = vec![Header { origin: None, name, value }];
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!((report.items.new, report.requests.redirected), (6, 6));
    for asked in site.requests() {
        assert!(asked.header("authorization").starts_with("Basic "), "{asked:?}");
        assert_eq!(asked.header("x-api-key"), "s3cret");
        assert_eq!(asked.header("cookie"), "", "there is no store of cookies");
    }
    assert_eq!(pages.count("/"), 6);
    for asked in pages.requests() {
        let told = format!("{:?}", asked.headers);
        assert!(!told.contains("s3cret") && !told.contains("cookie"), "{told}");
        assert_eq!(asked.header("authorization"), "");
    }
}

/// A site whose items are on two other hosts by turns, and these.
async fn spread(items: usize, even: &Served, odd: &Served) -> (Rig<Sqlite>, Served) {
    let pages = [even.url().to_owned(), odd.url().to_owned()];
    let hosts = pages.clone().map(|url| url.trim_start_matches("http://").into());
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/list" => {
            let row = |id: usize| json!({ "id": id, "link": format!("{}/{id}/", pages[id % 2]) });
            Answer::json(&json!({ "rows": (0..items).map(row).collect::<Vec<_>>() }))
        }
        _ => Answer::not_found(),
    });
    let text = format!(
        "name = 'books'\nbase_url = '{}'\n[index]\nurl = '/list'\nitems = '$.rows[*]'\nkey = '$.id'\n[detail]\nlink = '$.link'\n",
        site.url()
    );
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = Site::parse(&text, "test.toml").expect("a site");
    rig.site.hosts = hosts.into();
    rig.settings.pace.robots = true;
    (rig, site)
}

fn item(asked: &Asked) -> Answer {
    Answer::json(&json!({ "id": asked.path.trim_matches('/') }))
}

#[tokio::test]
async fn w1_while_one_host_waits_the_others_go_on() {
    let begun = Instant::now();
    let busy = Served::start(move |asked| match begun.elapsed() < Duration::from_millis(1_500) {
        true if asked.path != "/robots.txt" => {
            Answer::text(String::new()).status(429).header("retry-after", "2")
        }
        _ => item(asked),
    });
    let idle = Served::start(item);
    let (rig, _site) = spread(400, &busy, &idle).await;
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!(report.items.new, 400);
    let resumed = busy.requests().iter().map(|asked| asked.at).max().expect("it was asked");
    let last = idle.requests().iter().map(|asked| asked.at).max().expect("it was asked");
    assert!(resumed > last + Duration::from_millis(500), "{:?}", resumed - last);
    let refused = busy.count("/") - 1 - 200;
    assert!(refused <= 8, "{refused} were under way when it asked to wait");
}

#[tokio::test]
async fn w12_each_host_is_asked_for_its_own_rules_once() {
    let rules = |text: &'static str| {
        move |asked: &Asked| match asked.path.as_str() {
            "/robots.txt" => Answer::text(text.to_owned()),
            "/6/" => Answer::text(String::new()).status(302).header("location", "/hidden/6/"),
            _ => item(asked),
        }
    };
    let even = Served::start(rules("User-agent: *\nDisallow: /4/\nDisallow: /hidden/\n"));
    let odd = Served::start(rules("User-agent: *\nCrawl-delay: 0.05\n"));
    let (rig, site) = spread(20, &even, &odd).await;
    let begun = Instant::now();
    let report = ended(rig.crawl().await, Outcome::Incomplete);
    assert_eq!((report.items.new, report.items.failed), (18, 2), "{report:#?}");
    let failures = rig.backend.failures().await;
    assert!(failures.iter().all(|failure| &*failure.reason == "robots"), "{failures:?}");
    for host in [&even, &odd, &site] {
        assert_eq!(host.count("/robots.txt"), 1);
    }
    assert_eq!(even.requests()[0].path, "/robots.txt", "before its first page");
    assert_eq!((even.count("/4/"), even.count("/hidden/")), (0, 0));
    assert!(begun.elapsed() >= Duration::from_millis(50 * 9), "{:?}", begun.elapsed());
    super::rig::says(&report, "asks for 50ms between requests");
}

#[tokio::test]
async fn w12_another_host_whose_rules_cannot_be_read_is_left_alone() {
    let closed = Served::start(|asked| match asked.path.as_str() {
        "/robots.txt" => Answer::text(String::new()).status(500),
        _ => item(asked),
    });
    let open = Served::start(item);
    let (mut rig, _site) = spread(20, &closed, &open).await;
    rig.settings.pace.retries = 1;
    let report = ended(rig.crawl().await, Outcome::Incomplete);
    assert_eq!((report.items.new, report.items.failed), (10, 10));
    assert_eq!(closed.count("/"), 2, "nothing but the rules, twice");
    let failures = rig.backend.failures().await;
    assert!(failures.iter().all(|it| it.message.contains("cannot be read")), "{failures:?}");
}
