//! Site files to requests.

use super::*;
use crate::model::record::Key;
use crate::model::task::{DetailPage, Page};

fn books() -> Site {
    Site::load("books").expect("the built-in site is one")
}

fn detail(site: &Site, key: &str) -> String {
    let key = Key::new(key).unwrap();
    site.request(&Page::Detail(DetailPage::of(key))).unwrap().unwrap().url.to_string()
}

#[test]
fn urls_of_the_book_site() {
    let site = books();
    let page = Page::Index(IndexPage::numbered(1, 3, 503));
    assert_eq!(
        site.request(&page).unwrap().unwrap().url.as_str(),
        "https://spa5.scrape.center/api/book/?limit=18&offset=36"
    );
    assert_eq!(detail(&site, "42"), "https://spa5.scrape.center/api/book/42/");
}

#[test]
fn l6_keys_cannot_leave_their_place_in_the_url() {
    let mut site = books();
    site.base_url = Url::parse("http://h:1/pre/").unwrap();
    assert_eq!(detail(&site, "../x?y#z w"), "http://h:1/pre/api/book/..%2Fx%3Fy%23z%20w/");
}

#[test]
fn errors_name_file_and_line_or_key() {
    let text = BuiltIn::named("books").unwrap().text;
    let error = |text: &str| Site::parse(text, "my.toml").unwrap_err().to_string();
    let unknown = text.replace("items =", "itmes =");
    assert!(
        error(&unknown).starts_with("my.toml:12: index.itmes: unknown field `itmes`"),
        "{}",
        error(&unknown)
    );
    let name = text.replace("name = \"books\"", "name = \"system.x\"");
    assert!(error(&name).starts_with("my.toml:2: name: `system.x` is not a valid name"));
    let path = text.replace("$.results[*]", "$.results[");
    assert!(error(&path).starts_with("my.toml:12: index.items: "), "{}", error(&path));
    let limit = text.replace("limit = 18", "limit = 0");
    assert!(error(&limit).starts_with("my.toml:11: index.paging.limit: "));
}

#[test]
fn what_is_no_site_says_what_there_is() {
    let error = Site::load("boks").unwrap_err().to_string();
    assert!(error.contains("built in: books"), "{error}");
    assert!(Site::load("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
}

#[test]
fn the_definition_knows_no_page_size() {
    let mut site = books();
    let before = site.definition();
    site.index.paging.set_limit(100);
    assert_eq!(site.definition(), before);
    site.base_url = Url::parse("http://h").unwrap();
    assert_ne!(site.definition(), before);
}

/// What is said of a site whose `[index]`, `[detail]` or more is this.
fn said(text: &str) -> String {
    let text = format!("name = 'x'\nbase_url = 'https://h'\n{text}");
    Site::parse(&text, "x.toml").map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

#[test]
fn files_that_can_never_work_are_refused_with_line_and_key() {
    let list = "[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
    let of_seed = list.replace("/l", "/{seed}");
    let keys = "[index]\npaging = { by = 'keys', range = '1..9' }\n";
    let map = "[index]\nurl = '/s.xml'\nkey = '(\\d+)'\npaging = { by = 'sitemap' }\n";
    for (file, words) in [
        (map.to_owned(), "x.toml:3: detail: [detail] is required with paging by sitemap"),
        (
            format!("{keys}[detail]\nlink = '$.l'\n"),
            "x.toml:6: detail.link: not valid with paging by keys",
        ),
        (format!("{list}[detail]\nurl = '/d'\n"), "must contain {key}"),
        (format!("{list}paging = {{ by = 'offset', limit = 5 }}\n"), "must contain {offset}"),
        (format!("[seeds]\nvalues = ['a']\n{list}"), "must contain {seed}"),
        (format!("{list}[detail]\nurl = 'ftp://h/{{key}}'\n"), "x.toml:8: detail.url: ftp"),
        (format!("hosts = ['*.h']\n{list}"), "x.toml:3: hosts: `*.h` is not a host"),
        (format!("hosts = ['u@h']\n{list}"), "is not a host"),
        (format!("user_agent = \"a\\nb\"\n{list}"), "x.toml:3: user_agent"),
        (format!("{list}max_pages = 0\n"), "x.toml:7: index.max_pages: must be a number from 1"),
        (format!("{keys}max_pages = 5\n[detail]\nurl = '/{{key}}'\n"), "x.toml:5: index.max_pages"),
        (
            format!("{keys}query = {{ a = 1 }}\n[detail]\nurl = '/{{key}}'\n"),
            "index.query: not valid here",
        ),
        (
            format!(
                "[seeds]\nvalues = ['a']\nmethod = 'POST'\n{list}query = {{ s = '{{seed}}' }}\n"
            ),
            "seeds.method: not valid here",
        ),
        (
            format!("[seeds]\nsite = 'x'\n{of_seed}"),
            "x.toml:4: seeds.site: the items of a site cannot be its own seeds",
        ),
        (
            format!("[seeds]\nsite = 'a b'\n{of_seed}"),
            "seeds.site: `a b` is not the name of a site",
        ),
        (format!("[seeds]\nsite = 'p'\n{list}"), "must contain {seed}"),
        (format!("[seeds]\nsite = 'p'\nvalues = ['a']\n{of_seed}"), "seeds.values: not valid here"),
        (format!("[seeds]\nsite = 'p'\nurl = '/s'\n{of_seed}"), "seeds.url: not valid here"),
        (format!("[seeds]\nsite = 'p'\nselect = '$.a'\n{of_seed}"), "seeds.select: not valid here"),
        (
            format!("[seeds]\nsite = 'p'\npaging = {{ by = 'page' }}\n{of_seed}"),
            "seeds.paging: not valid here",
        ),
        (
            format!("[seeds]\nsite = 'p'\n{keys}[detail]\nurl = '/{{key}}'\n"),
            "not valid with paging by keys",
        ),
        (
            format!("{list}[detail]\nlink = '$.l'\nquery = {{ a = 1 }}\n"),
            "detail.query: not valid here",
        ),
        (
            format!("{list}[detail]\nlink = {{ select = '$.l', many = true }}\n"),
            "`many` is not valid",
        ),
        (
            list.replace("key = '$.id'", "key = { select = '$.id', as = 'integer' }"),
            "`as` is not valid",
        ),
        (format!("{list}query = {{ p = '{{offest}}' }}\n"), "unknown placeholder {offest}"),
        (format!("{list}json = {{ a = nan }}\n"), "index.json"),
        (list.replace("'$[*]'", "{ select = '$[*]', regex = 'x' }"), "items are taken whole"),
    ] {
        let said = said(&file);
        assert!(said.contains(words), "{words}: {said}\n{file}");
    }
}

#[test]
fn trees_of_categories_that_can_never_work_are_refused_with_line_and_key() {
    let list = "[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
    let of_seed = list.replace("/l", "/{seed}");
    for (file, words) in [
        (
            format!("[[seeds]]\nvalues = ['a']\n[[seeds]]\nsite = 'p'\n{of_seed}"),
            "x.toml:6: seeds.2.site: only the first of [[seeds]]",
        ),
        (
            format!("[[seeds]]\nvalues = ['a']\n[[seeds]]\nvalues = ['b']\n{of_seed}"),
            "must contain {seed.1}",
        ),
        (
            format!("[[seeds]]\nvalues = ['a']\n[[seeds]]\nurl = '/s'\nselect = '$'\n{of_seed}"),
            "x.toml:5: seeds.2: the request template must contain {seed}: the category above",
        ),
        (
            format!(
                "[[seeds]]\nvalues = ['a']\n[[seeds]]\nurl = '/{{seed.2}}'\nselect = '$'\n{of_seed}"
            ),
            "seeds.2.url: unknown placeholder {seed.2}; valid here: {seed}, {seed.1}",
        ),
        (
            format!("[[seeds]]\nvalues = []\n{of_seed}"),
            "x.toml:4: seeds.values: must contain at least one",
        ),
        (format!("[[seeds]]\nvlaues = ['a']\n{of_seed}"), "did you mean `values`?"),
        (format!("seeds = []\n{of_seed}"), "there are 1 to 5 levels"),
        (
            format!("[seeds]\nrange = '1..1000'\n{of_seed}")
                .replace("[seeds]", "[[seeds]]\nrange = '1..1000'\n[[seeds]]"),
            "more than 100000 categories",
        ),
        (
            format!("[seeds]\nurl = '/s'\nselect = '$[*]'\nvalues = {{ a = '$.a' }}\n{of_seed}"),
            "seeds.values: needs `key`",
        ),
        (
            format!(
                "[seeds]\nurl = '/s'\nselect = '$[*]'\nkey = '$.a'\nvalues = {{ seed = '$.a' }}\n{of_seed}"
            ),
            "seeds.values.seed: a value's name is",
        ),
        (format!("[seeds]\nvalues = ['a']\nkey = '$.a'\n{of_seed}"), "seeds.key: not valid here"),
        (
            format!(
                "[seeds]\nvalues = ['a']\n{of_seed}fields = {{ x = {{ from = 'seed', name = 'b' }} }}\n"
            ),
            "index.fields.x: no [seeds.values] has the name `b`",
        ),
        (
            format!(
                "[seeds]\nvalues = ['a']\n{of_seed}fields = {{ x = {{ from = 'seed', level = 2 }} }}\n"
            ),
            "index.fields.x: there is no level 2",
        ),
        (
            format!(
                "[seeds]\nvalues = ['a']\n{of_seed}fields = {{ x = {{ select = '$', level = 2 }} }}\n"
            ),
            "need `from = \"seed\"`",
        ),
    ] {
        let said = said(&file);
        assert!(said.contains(words), "{words}: {said}\n{file}");
    }
}

#[test]
fn files_that_work_are_taken() {
    let list = "[index]\nurl = '/l'\nitems = { select = '$[*]' }\nkey = '$.id'\n";
    for more in [
        "query = { where = '{\"a\":1}', graph = '{ books { id } }' }\n",
        "headers = { X-Query = '{\"a\": {}}' }\n",
        "[detail]\nurl = '/go?u=http://a/{key}'\n",
    ] {
        assert_eq!(
            said(&format!("hosts = ['bücher.de', 'cdn.h:443', 'o:8080']\n{list}{more}")),
            "fine"
        );
    }
}

#[test]
fn digests_know_what_makes_documents_and_not_how_many_come_at_once() {
    let file = |query: &str, items: &str, limit: u32| {
        let text = format!(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l?o={{offset}}'\nitems = '{items}'\nkey = '$.id'\n\
             paging = {{ by = 'offset', limit = {limit} }}\n[detail]\nurl = '/d/{{key}}{query}'\n"
        );
        Site::parse(&text, "x.toml").unwrap()
    };
    let site = file("", "$.a[*]", 10);
    for other in [file("?lang=de", "$.a[*]", 10), file("", "$.b[*]", 10)] {
        assert_ne!((site.rules(), site.definition()), (other.rules(), other.definition()));
        assert_ne!(site.rules(), other.rules());
    }
    let larger = file("", "$.a[*]", 99);
    assert_eq!((site.rules(), site.definition()), (larger.rules(), larger.definition()));
}

/// Digests of documents and sweeps in existing stores. If one changes, everything is fetched again:
/// then the canonical form needs a new version number (`site/canonical.rs`).
#[test]
fn s16_digests_of_site_files_stay_what_they_are() {
    let head = "name = 'x'\nbase_url = 'https://h'\n";
    let html = "format = 'html'\n[index]\nurl = '/l?p={page}'\npaging = { by = 'page', last = 9 }\n\
        items = '.i'\nkey = { select = 'a::attr(href)', regex = '(\\d+)' }\n\
        [detail]\nlink = 'a::attr(href)'\nrequire = ['h1']\n\
        fields.title = 'h1::text'\nfields.tags = { select = '.t::text', many = true }\n";
    let post = "ignore = ['$.views']\n[seeds]\nvalues = ['a', 'b']\n\
        [index]\nurl = '/q'\njson = { s = '{seed}', after = '{cursor}', n = [1, true] }\n\
        paging = { by = 'cursor', select = '$.next' }\nitems = '$.items[*]'\nkey = '$.id'\n\
        fields.price = { select = '$.price', as = 'number', required = true }\n";
    let keys = "[index]\npaging = { by = 'keys', range = '1..9' }\n[detail]\nurl = '/{key}'\n";
    let map = "[index]\nurl = '/s.xml'\nkey = '(\\d+)'\npaging = { by = 'sitemap' }\n\
        [detail]\nurl = '/{key}'\nheaders = { Accept = 'a/b' }\n";
    let files = [html, post, keys, map].map(|rest| Site::parse(&format!("{head}{rest}"), "x.toml"));
    let built_in = BuiltIn::ALL.into_iter().map(BuiltIn::site);
    let sites: Vec<Site> = built_in.chain(files).map(|site| site.unwrap()).collect();
    let digests: Vec<String> = sites
        .iter()
        .map(|site| format!("{} {} {}", site.name, site.rules(), site.definition()))
        .collect();
    assert_eq!(digests, GOLDEN);
}

#[test]
fn x8_digests_have_the_names_of_variables() {
    let list =
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
    let site = |more: &str| Site::parse(&format!("{list}{more}"), "x.toml").unwrap();
    let with = |name: &str| {
        site(&format!(
            "headers = {{ A = 'x {{env:GLEANER_SECRET_{name}}}' }}\n[session]\nheaders = {{ B = '{{env:GLEANER_SECRET_{name}}}' }}\n"
        ))
    };
    let set = std::env::var("PATH").unwrap();
    assert!(!format!("{:?}", with("X")).contains(&set));
    assert_eq!(with("X").definition(), with("X").definition());
    assert_ne!(with("X").definition(), with("Y").definition());
    let form = canonical::definition_form(&with("X")).to_string();
    assert!(form.contains("x {env:GLEANER_SECRET_X}") && !form.contains("null"), "{form}");
    let plain = site("");
    assert_ne!(plain.definition(), site("[session]\ncookies = true\n").definition());
    assert_eq!(plain.rules(), site("[session]\ncookies = true\n").rules());
}

const GOLDEN: [&str; 8] = [
    "books 2:eb6eacc2bd04c257ef053d7617ed5484 2:87a0b7c3e19f1811f6ec5a530bbfd946",
    "movies 2:a0e0c4312f1b15d6f4dcba9c109108e3 2:5dea364f0f66688df1d060ea1a988866",
    "douban-top250 2:4f0e356859c4ae94f4f306c201fddf37 2:f14f50e6ff11dc7118f3456895285d09",
    "demo 2:eb6eacc2bd04c257ef053d7617ed5484 2:99e07b55b17445d36566e4a0c1627e04",
    "x 2:83e7b74cea238a99aea3085d0fc5c4c0 2:646149b45e9e23eae2ad6cb3fe3db082",
    "x 2:f246f128c707bb14b51753543c2d84c4 2:dc82325304240212f51aeab44e3f3b52",
    "x 2:60bdc9c3cb289dccdbd8288c6b0b1389 2:09698073ea3972342a2b9593793a9d5e",
    "x 2:75977e907d00d9c12c50cf4d4f0002c5 2:3bb9eab8384e3b52addc7334630275ea",
];

#[test]
fn s16_digests_know_nothing_of_how_a_site_is_asked_nor_how_its_file_is_written() {
    let list = "[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
    let digests = |text: &str| {
        let text = format!("name = 'x'\nbase_url = 'https://h'\n{text}");
        let site = Site::parse(&text, "x.toml").unwrap_or_else(|error| panic!("{error}"));
        (site.rules(), site.definition())
    };
    let plain = digests(list);
    for other in [
        format!(
            "workers = 9\nrate = 3\nrobots = false\nuser_agent = 'a'\nhosts = ['cdn.h']\n{list}"
        ),
        format!("description = 'd'\nformat = 'json'\ncollection = 'x'\n{list}"),
        list.replace("'$.id'", "{ select = '$.id', many = false, trim = true }"),
        format!("{list}max_pages = 7\nmethod = 'GET'\nquery = {{}}\nfields = {{}}\n"),
    ] {
        assert_eq!(digests(&other), plain, "{other}");
    }
    for other in [
        list.replace("'$.id'", "{ select = '$.id', regex = 'a' }"),
        format!("{list}headers = {{ A = 'b' }}\n"),
        format!("collection = 'y'\n{list}"),
        format!("ignore = ['$.a']\n{list}"),
        format!("{list}require = ['$.a']\n"),
    ] {
        assert_ne!(digests(&other).1, plain.1, "{other}");
    }
}

#[test]
fn c2_a_child_begins_with_a_page_of_seeds_that_needs_no_request() {
    let site = |parent: &str| {
        let text = format!(
            "name = 'x'\nbase_url = 'https://h'\n[seeds]\nsite = '{parent}'\n[index]\nurl = '/l/{{seed}}/r'\nitems = '$[*]'\nkey = '$.id'\n"
        );
        Site::parse(&text, "x.toml").unwrap_or_else(|error| panic!("{error}"))
    };
    let (one, other) = (site("p"), site("q"));
    assert_eq!((one.parent(), other.parent()), (Some("p"), Some("q")));
    let [seeds] = &*one.begin(one.page_range(None)) else { panic!("one page") };
    let (page, _) = seeds.clone().split();
    let page = Page::Index(page);
    assert!(one.request(&page).unwrap().is_none() && one.host(&page).is_none());
    // Another parent is another sweep, but the documents are made alike.
    assert_ne!(one.definition(), other.definition());
    assert_eq!(one.rules(), other.rules());
    let lists =
        one.lists(&SeedPath::default(), [Seed::of("a/b")].into_iter(), one.page_range(None));
    let (page, _) = lists[0].clone().split();
    let request = one.request(&Page::Index(page)).unwrap().unwrap();
    assert_eq!(request.url.as_str(), "https://h/l/a%2Fb/r");
}

#[test]
fn o9_workers_that_the_site_file_asks_for_start_at_once() {
    let at_first = |workers: &str| {
        let list = "[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
        let text = format!("name = 'x'\nbase_url = 'https://h'\n{workers}\n{list}");
        Site::parse(&text, "x.toml")
            .unwrap_or_else(|error| panic!("{error}"))
            .settings()
            .pace
            .at_first
    };
    assert_eq!(["workers = 12", "workers = 40", ""].map(at_first), [12, 16, 8]);
}

#[test]
fn s16_documents_of_version_0_1_0_are_taken_over_but_for_those_made_of_html() {
    let list = "[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n";
    let html = "[index]\nurl = '/l'\nformat = 'html'\nitems = 'li'\nkey = 'a::attr(href)'\n";
    for (file, takes_over) in [
        (format!("{list}[detail]\nurl = '/{{key}}'\n"), true),
        (list.to_owned(), true),
        (format!("{html}[detail]\nurl = '/{{key}}'\nformat = 'json'\n"), true),
        (format!("{html}fields.a = 'b::text'\n"), false),
        (
            format!("{list}[detail]\nurl = '/{{key}}'\nformat = 'html'\nfields.a = 'b::text'\n"),
            false,
        ),
    ] {
        let text = format!("name = 'x'\nbase_url = 'https://h'\n{file}");
        let site = Site::parse(&text, "x.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(site.takes_over(), takes_over, "{file}");
    }
}

#[test]
fn a_base_url_whose_host_nobody_can_ask_for_is_refused() {
    for url in ["http://${HOST}:1", "http://h{x}", "http://a$b.example/", "https://a'b"] {
        let said = parse_base_url(url).unwrap_err();
        assert!(said.contains("write https://host"), "{url}: {said}");
    }
    for url in ["http://a_b.example:1/x", "https://bücher.example", "http://[::1]:2", "http://1.1"]
    {
        assert!(parse_base_url(url).is_ok(), "{url}");
    }
}
