//! Sites that want a login: tokens, cookies and CSRF tokens, sessions that end in mid-crawl, logins
//! that are refused or do not help, and hosts that must not get what a session carries.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::{Value, json};

use super::{crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

/// Items, ten on a page of the list, each with a page of its own.
const ITEMS: usize = 60;

/// No page may be requested twice: an attempt that is spent is a page that is lost.
fn without_retries() -> Settings {
    super::settings().with(|it| {
        it.pace.robots = false;
        it.pace.retries = 0;
        it.pace.workers = 20;
    })
}

fn site(session: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nquery = {{ page = '{{page}}' }}\n\
         paging = {{ by = 'page', last = 6 }}\nitems = '$.rows[*]'\nkey = '$.id'\n\
         [detail]\nurl = '/item/{{key}}'\nrequire = ['$.name']\n[session]\n{session}"
    ))
}

const TOKEN: &str = "url = '/login'\njson = { user = 'me', password = 'right' }\n\
    take = { token = '$.access_token' }\nheaders = { Authorization = 'Bearer {token}' }\n\
    again = [401, 419]\n";

fn page(asked: &Asked) -> Answer {
    match asked.path.strip_prefix("/item/") {
        Some(id) => Answer::json(&json!({ "id": id, "name": format!("n{id}") })),
        None => {
            let page = asked.number("page").unwrap_or(1);
            let rows = (page * 10 - 10..page * 10).map(|id| json!({ "id": id.to_string() }));
            Answer::json(&json!({ "rows": rows.collect::<Vec<_>>() }))
        }
    }
}

fn documents() -> impl Iterator<Item = (String, Value)> {
    let document = |id: String| (id.clone(), json!({ "id": id, "name": format!("n{id}") }));
    (0..ITEMS).map(move |id| document(id.to_string()))
}

/// A site whose tokens are good for so many pages each. It counts logins.
fn with_tokens(pages: usize, status: u16, delay: Duration) -> Served {
    let state = Mutex::new((0_usize, 0_usize));
    Served::start(move |asked| {
        let mut state = state.lock().expect("no panic");
        if asked.path == "/login" {
            if asked.json() != json!({ "user": "me", "password": "right" }) {
                return Answer::json(&json!({ "error": "wrong password" })).status(401);
            }
            *state = (state.0 + 1, 0);
            return Answer::json(&json!({ "access_token": format!("token-{}", state.0) }))
                .later(delay);
        }
        let is_current = asked.header("authorization") == format!("Bearer token-{}", state.0);
        if !is_current || state.1 >= pages {
            return Answer::json(&json!({ "error": "expired" })).status(status).later(delay);
        }
        state.1 += 1;
        page(asked)
    })
}

#[tokio::test]
async fn w29_a_token_that_expires_in_mid_crawl_is_renewed_and_costs_no_attempt() {
    for status in [401, 419] {
        let served = with_tokens(25, status, Duration::ZERO);
        let crawled =
            crawl_with::<Sqlite>(site(TOKEN), &served, without_retries(), Outcome::Complete).await;
        crawled.holds(documents());
        // 66 pages, 25 by token.
        assert_eq!(served.count("/login"), 3);
    }
}

#[tokio::test]
async fn w29_sessions_that_end_under_twenty_requests_at_once_are_renewed_by_one_login() {
    let served = with_tokens(30, 401, Duration::from_millis(50));
    let settings = without_retries().with(|it| {
        it.pace.adaptive = false;
        it.pace.at_first = 20;
    });
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
    assert!(served.most_at_once("/item/") >= 10, "{}", served.most_at_once("/item/"));
    assert_eq!((served.count("/login"), served.most_at_once("/login")), (3, 1));
}

#[tokio::test]
async fn w29_a_refused_login_is_made_once_and_ends_the_run() {
    let wrong = TOKEN.replace("right", "wrong");
    let served = with_tokens(99, 401, Duration::ZERO);
    let settings = super::settings();
    let crawled = crawl_with::<Sqlite>(site(&wrong), &served, settings, Outcome::Failed).await;
    says(&crawled.report, "cannot log in at http://127.0.0.1");
    says(&crawled.report, "/login: the site answered 401. Look at the request in [session]");
    assert_eq!((served.count("/login"), served.count("/list")), (1, 0));
    assert_eq!(crawled.report.items.failed, 0);
}

/// The account is locked, or the password changed, while the crawl runs.
#[tokio::test]
async fn w29_a_login_that_is_refused_in_mid_crawl_gives_up_no_page() {
    let state = Mutex::new((0, 0));
    let served = Served::start(move |asked| {
        let mut state = state.lock().expect("no panic");
        let (logins, pages) = &mut *state;
        if asked.path == "/login" {
            *logins += 1;
            return match *logins {
                1 => Answer::json(&json!({ "access_token": "good-token" })),
                _ => Answer::json(&json!({ "error": "locked" })).status(403),
            };
        }
        *pages += 1;
        if *pages > 25 { Answer::not_found().status(401) } else { page(asked) }
    });
    let settings = without_retries();
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Failed).await;
    says(&crawled.report, "/login: the site answered 403. Look at the request in [session]");
    assert_eq!((served.count("/login"), crawled.report.items.failed), (2, 0));
    assert!(!crawled.documents.is_empty(), "what was read before is stored");
}

#[tokio::test]
async fn w29_a_login_that_is_refused_with_status_200_ends_the_run() {
    for answer in [json!({ "access_token": null }), json!({ "message": "wrong password" })] {
        let served = Served::start(move |asked| match asked.path.as_str() {
            "/login" => Answer::json(&answer),
            _ => page(asked),
        });
        let settings = super::settings();
        let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Failed).await;
        says(&crawled.report, "the answer has no value `token` at `$.access_token`");
        assert_eq!((served.count("/login"), served.count("/list")), (1, 0));
    }
}

#[tokio::test]
async fn w29_a_login_that_does_not_help_is_not_repeated_for_ever() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/login" => Answer::json(&json!({ "access_token": "useless-token" })),
        "/list" => page(asked),
        _ => Answer::json(&json!({ "error": "no" })).status(401),
    });
    let settings = super::settings();
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Failed).await;
    says(&crawled.report, "the site answered 401, which a new login does not change");
    says(&crawled.report, "The login succeeds, but the site refuses its session");
    assert!(served.count("/login") <= 7, "{}", served.count("/login"));
}

#[tokio::test]
async fn w29_pages_for_another_account_are_failures_of_their_own() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/login" => Answer::json(&json!({ "access_token": "good-token" })),
        path if path.starts_with("/item/") && path.ends_with('7') => {
            Answer::json(&json!({ "error": "premium" })).status(401)
        }
        _ => page(asked),
    });
    let settings = super::settings();
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Incomplete).await;
    crawled.holds(documents().filter(|(id, _)| !id.ends_with('7')));
    assert_eq!(crawled.report.items.failed, 6);
    assert!(served.count("/login") <= 5, "{}", served.count("/login"));
}

#[tokio::test]
async fn w29_a_login_that_fails_for_a_while_is_retried_and_costs_no_attempt() {
    let tries = AtomicUsize::new(0);
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/login" => match tries.fetch_add(1, SeqCst) {
            0 => Answer::text("oops".into()).status(500),
            1 => Answer::text("later".into()).status(503).header("retry-after", "1"),
            _ => Answer::json(&json!({ "access_token": "good-token" })),
        },
        _ if asked.header("authorization") == "Bearer good-token" => page(asked),
        _ => Answer::not_found().status(401),
    });
    let settings = without_retries().with(|it| it.pace.retries = 1);
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!(served.count("/login"), 3);
    // For ever: the run ends, and no page is given up.
    let served = Served::start(|_| Answer::text("oops".into()).status(500));
    let settings = super::settings().with(|it| it.pace.robots = false);
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Failed).await;
    says(&crawled.report, "/login: the site answered 500");
    assert_eq!((served.count("/"), crawled.report.items.failed), (2, 0));
}

const FORM: &str = "url = '/session'\nform = { user = 'me', csrf = '{csrf}' }\ncookies = true\n\
    page = { url = '/signin', take = { csrf = 'input[name=csrf]::attr(value)' } }\n";

/// A site with a login form: the token on its page belongs to the cookie that came with it. The
/// session's cookie changes with each answer. So many pages are given by session.
fn with_form(pages: usize, ended: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Served {
    let state = Mutex::new((0_usize, usize::MAX));
    Served::start(move |asked| {
        let mut state = state.lock().expect("no panic");
        let cookies = asked.header("cookie");
        let set = |name: &str, value: String| format!("{name}={value}; Path=/; HttpOnly");
        match asked.path.as_str() {
            "/signin" => {
                state.0 += 1;
                let number = state.0;
                let form = format!("<form><input name=csrf value='csrf-{number}'></form>");
                Answer::html(form).header("set-cookie", &set("pre", format!("pre-{number}")))
            }
            "/session" => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                let number = state.0;
                if body != format!("user=me&csrf=csrf-{number}")
                    || cookies != format!("pre=pre-{number}")
                {
                    return Answer::html("bad token".into()).status(403);
                }
                state.1 = 0;
                // As most sites do: the cookie comes with a redirect.
                Answer::text(String::new())
                    .status(302)
                    .header("location", "/home")
                    .header("set-cookie", &set("sid", format!("sid-{number}")))
                    .header("set-cookie", "pre=; Max-Age=0; Path=/")
            }
            "/home" => Answer::html(format!("welcome {cookies}")),
            _ if cookies == format!("sid=sid-{}", state.0) && state.1 < pages => {
                state.1 += 1;
                page(asked).header("set-cookie", "track=; Max-Age=-1")
            }
            _ => ended(asked),
        }
    })
}

#[tokio::test]
async fn w29_a_form_with_a_csrf_token_gives_a_cookie() {
    let unauthorized = |_: &Asked| Answer::html("log in".into()).status(401);
    let served = with_form(usize::MAX, unauthorized);
    let crawled =
        crawl_with::<Sqlite>(site(FORM), &served, without_retries(), Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!((served.count("/signin"), served.count("/session")), (1, 1));
    let served = with_form(40, unauthorized);
    let crawled =
        crawl_with::<Sqlite>(site(FORM), &served, without_retries(), Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!((served.count("/signin"), served.count("/session")), (2, 2));
}

/// An answer to a request of the old session must not touch the new one.
#[tokio::test]
async fn w29_an_old_session_that_clears_its_cookie_does_not_clear_the_new_one() {
    let served = with_form(40, |_| {
        let answer = Answer::html("log in".into()).status(401);
        answer.header("set-cookie", "sid=; Max-Age=0; Path=/").later(Duration::from_millis(80))
    });
    let crawled =
        crawl_with::<Sqlite>(site(FORM), &served, without_retries(), Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!(served.count("/session"), 2);
}

#[tokio::test]
async fn w29_a_site_that_redirects_to_its_login_is_logged_in_to_again() {
    let served =
        with_form(40, |_| Answer::text(String::new()).status(302).header("location", "/signin"));
    let session = format!("{FORM}again = [302]\n");
    let crawled =
        crawl_with::<Sqlite>(site(&session), &served, without_retries(), Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!(served.count("/session"), 2);
}

#[tokio::test]
async fn w29_a_token_from_a_header_or_a_page_goes_with_every_request() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/" => Answer::html("<meta name=csrf content='page-token'>".into())
            .header("x-auth", "id=header-token;")
            .header("set-cookie", "seen=1"),
        _ if asked.header("x-csrf") == "page-token"
            && asked.header("x-auth") == "header-token"
            && asked.header("x-client") == "me"
            && asked.header("cookie") == "lang=en; seen=1" =>
        {
            page(asked)
        }
        _ => Answer::not_found().status(403),
    });
    let session = "url = '/'\ncookies = true\nheaders = { X-CSRF = '{csrf}', X-Auth = '{auth}', X-Client = 'me', Cookie = 'lang=en' }\n\
        take = { csrf = 'meta[name=csrf]::attr(content)', auth = { header = 'X-Auth', regex = 'id=([^;]+)' } }\n";
    let crawled =
        crawl_with::<Sqlite>(site(session), &served, without_retries(), Outcome::Complete).await;
    crawled.holds(documents());
    let first = served.requests().remove(0);
    assert_eq!((&*first.path, first.header("x-client")), ("/", "me"), "what is known is sent");
}

#[tokio::test]
async fn w29_cookies_alone_pass_a_wall() {
    let served = Served::start(|asked| match asked.header("cookie") {
        "seen=1" => page(asked),
        _ => {
            let own = format!("{}?{}", asked.path, asked.raw_query);
            let answer = Answer::text(String::new()).status(302);
            answer.header("location", &own).header("set-cookie", "seen=1; Path=/")
        }
    });
    let settings = without_retries();
    let crawled =
        crawl_with::<Sqlite>(site("cookies = true\n"), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
}

/// Neither a redirect nor a link nor a host that the file allows leads the session away.
#[tokio::test]
async fn x8_other_hosts_get_no_token_header_or_cookie() {
    let other = Served::start(|asked| {
        let answer = Answer::json(&json!({ "id": &asked.path[6..], "name": "other" }));
        answer.header("set-cookie", "sid=planted; Path=/").header("x-token", "planted")
    });
    let place = other.url().to_owned();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/login" => Answer::json(&json!({ "access_token": "good-token" }))
            .header("set-cookie", "sid=good-cookie; Path=/"),
        _ if asked.header("cookie") != "sid=good-cookie" => Answer::not_found().status(401),
        "/item/3" => {
            Answer::text(String::new()).status(302).header("location", &format!("{place}/item/3"))
        }
        "/item/4" => {
            Answer::text(String::new()).status(307).header("location", &format!("{place}/item/4"))
        }
        _ => page(asked),
    });
    let mut site = site(&format!("{TOKEN}cookies = true\n"));
    site.hosts = vec![other.url().trim_start_matches("http://").into()];
    let crawled = crawl_with::<Sqlite>(site, &served, without_retries(), Outcome::Complete).await;
    assert_eq!(crawled.documents["3"], json!({ "id": "3", "name": "other" }));
    let asked = other.requests();
    assert_eq!(asked.iter().filter(|asked| asked.path.starts_with("/item")).count(), 2);
    for asked in asked {
        let [token, cookie] = ["authorization", "cookie"].map(|name| asked.header(name));
        assert_eq!((token, cookie), ("", ""), "{}", asked.path);
    }
}

/// A login on another host, as of an identity provider: the token goes to the site alone, and the
/// other host's cookies are not kept.
#[tokio::test]
async fn x8_a_login_on_another_host_gets_its_own_request_only() {
    let other = Served::start(|_| {
        let answer = Answer::json(&json!({ "access_token": "good-token" }));
        answer.header("set-cookie", "sid=other; Path=/")
    });
    let served = Served::start(|asked| match asked.header("authorization") {
        "Bearer good-token" if asked.header("cookie").is_empty() => page(asked),
        _ => Answer::not_found().status(401),
    });
    let session = TOKEN.replace("/login", &format!("{}/oauth/token", other.url()));
    let session = session.replace("headers = { ", "cookies = true\nheaders = { X-Own = 'me', ");
    let settings = without_retries();
    let crawled = crawl_with::<Sqlite>(site(&session), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
    let asked = other.requests();
    assert_eq!((asked.len(), asked[0].header("x-own")), (1, ""));
}

/// A login that is redirected away: nothing of it is sent there.
#[tokio::test]
async fn x8_a_login_that_leads_to_another_host_is_refused() {
    let other = Served::start(|_| Answer::json(&json!({ "access_token": "planted" })));
    let to = other.url().to_owned();
    let served = Served::start(move |_| {
        Answer::text(String::new()).status(307).header("location", &format!("{to}/login"))
    });
    let settings = without_retries();
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Failed).await;
    says(&crawled.report, "cannot log in at");
    assert_eq!(other.count("/"), 0);
}

/// The account is the user's: robots.txt is for what is crawled.
#[tokio::test]
async fn w29_robots_txt_does_not_keep_from_the_login() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/robots.txt" => Answer::text("User-agent: *\nDisallow: /login\nDisallow: /home\n".into()),
        "/login" => Answer::text(String::new()).status(303).header("location", "/home"),
        "/home" => Answer::json(&json!({ "access_token": "good-token" })),
        _ if asked.header("authorization") == "Bearer good-token" => page(asked),
        _ => Answer::not_found().status(401),
    });
    let settings = super::settings();
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
    let robots = served.requests().remove(0);
    assert_eq!((&*robots.path, robots.header("authorization")), ("/robots.txt", ""));
}

#[tokio::test]
async fn w29_a_401_of_another_host_is_no_end_of_the_session() {
    let other = Served::start(|_| Answer::not_found().status(401));
    let place = other.url().to_owned();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/login" => Answer::json(&json!({ "access_token": "good-token" })),
        path if path.ends_with('5') => {
            Answer::text(String::new()).status(302).header("location", &format!("{place}{path}"))
        }
        _ => page(asked),
    });
    let mut site = site(TOKEN);
    site.hosts = vec![other.url().trim_start_matches("http://").into()];
    let settings = without_retries();
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete).await;
    crawled.holds(documents().filter(|(id, _)| !id.ends_with('5')));
    assert_eq!(served.count("/login"), 1);
}

#[tokio::test]
async fn w29_each_user_agent_has_a_session_of_its_own() {
    let number = AtomicUsize::new(0);
    let owners = Mutex::new(Vec::<String>::new());
    let served = Served::start(move |asked| {
        let mut owners = owners.lock().expect("no panic");
        let agent = asked.header("user-agent").to_owned();
        if asked.path == "/login" {
            owners.push(agent);
            let token = format!("token-{}", number.fetch_add(1, SeqCst));
            return Answer::json(&json!({ "access_token": token }));
        }
        let token = asked.header("authorization").strip_prefix("Bearer token-");
        match token.and_then(|token| token.parse::<usize>().ok()) {
            Some(number) if owners[number] == agent => page(asked),
            _ => Answer::not_found().status(401),
        }
    });
    let settings = without_retries()
        .with(|it| it.client.user_agents = ["one/1", "two/2", "three/3"].map(str::to_owned).into());
    let crawled = crawl_with::<Sqlite>(site(TOKEN), &served, settings, Outcome::Complete).await;
    crawled.holds(documents());
    assert_eq!(served.count("/login"), 3);
}
