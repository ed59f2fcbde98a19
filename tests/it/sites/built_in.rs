//! The built-in sites other than the book site: the slow films, and the charts of Douban.

use std::time::Duration;

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;

use super::{Crawled, crawl_served, crawl_with, nothing_twice_but, settings, site, site_of, text};
use crate::copies::{douban, movies};
use crate::crawl::rig::says;
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

const MOVIES: &str = "src/site/movies.toml";
const DOUBAN: &str = "src/site/douban-top250.toml";

/// Settings with the names that the file would go by.
fn as_browser() -> Settings {
    let file: toml::Table = text(DOUBAN).parse().expect("TOML");
    let names = file["user_agent"].as_array().expect("a list").iter();
    let user_agents = names.map(|name| name.as_str().expect("a text").to_owned()).collect();
    settings().with(|it| it.client.user_agents = user_agents)
}

fn holds_all_films<B>(crawled: &Crawled<B>) {
    crawled.holds((1..=movies::FILMS).map(|number| (number.to_string(), movies::film(number))));
}

async fn movies_are_stored_field_by_field<B: Backend>() {
    let served = movies::movies(Duration::ZERO);
    let crawled = crawl_served::<B>(site(MOVIES), &served).await;
    holds_all_films(&crawled);
    let first = &crawled.documents["1"];
    assert_eq!(first["name"], "霸王别姬 - Farewell My Concubine");
    assert_eq!((&first["minutes"], &first["score"]), (&171.into(), &9.5.into()));
    assert_eq!(crawled.documents["30"].get("published"), None);
    nothing_twice_but(0, &served);
    assert_eq!((served.count("/detail/"), served.count("/page/")), (movies::FILMS, 0));
}

#[tokio::test]
async fn movies_go_into_sqlite_field_by_field() {
    movies_are_stored_field_by_field::<Sqlite>().await;
}

#[tokio::test]
async fn movies_go_into_mongodb_field_by_field() {
    movies_are_stored_field_by_field::<Mongodb>().await;
}

/// As long as the site takes with so many requests at once, and hardly longer.
async fn timed(site: Site, workers: usize, rounds: u32) {
    let delay = Duration::from_millis(300);
    let served = movies::movies(delay);
    let settings = settings().with(|it| it.pace.workers = workers);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Complete).await;
    holds_all_films(&crawled);
    let most = served.most_at_once("/");
    assert!(most <= workers && most * 10 >= workers * 9, "{most} requests at once of {workers}");
    // What a machine that runs the other tests beside this one may add.
    let (least, slack) = (delay * rounds, Duration::from_millis(2_500));
    let took = crawled.took;
    assert!(least <= took && took < least + slack, "{took:?} instead of {least:?}");
}

#[tokio::test]
async fn a_slow_site_takes_as_long_as_its_rounds_of_requests() {
    let workers = 25;
    timed(site(MOVIES), workers, movies::FILMS.div_ceil(workers).try_into().expect("few")).await;
}

#[tokio::test]
async fn a_slow_site_s_list_is_read_beside_its_details() {
    // One round for the first list page, one for the others and the films of the first, and four
    // for the other 90 films.
    let paged = r#"url = "/page/{page}"
paging = { by = "page", last = 10 }
items = ".el-card.item"
key = { select = "a.name::attr(href)", regex = '/detail/(\d+)' }"#;
    let keyed = r#"paging = { by = "keys", range = "1..100" }"#;
    timed(site_of(&text(MOVIES).replace(keyed, paged)), 25, 6).await;
}

async fn charts_are_stored_field_by_field<B: Backend>() {
    let served = douban::top250(&[], Duration::from_millis(5));
    let crawled = crawl_with::<B>(site(DOUBAN), &served, as_browser(), Outcome::Complete).await;
    crawled.holds(
        douban::subjects().enumerate().map(|(rank, id)| (id.to_string(), douban::film(rank))),
    );
    let first = &crawled.documents["1292052"];
    assert_eq!(first["name"], "肖申克的救赎 The Shawshank Redemption");
    assert_eq!(first["directors"], serde_json::json!(["弗兰克·德拉邦特"]));
    assert_eq!(crawled.report.index.declared, Some(250));
    // The last page is full, and all that the list declares is read: nothing is looked for behind it.
    nothing_twice_but(0, &served);
    assert_eq!(served.count("/subject/"), douban::FILMS);
    assert!(served.most_at_once("/top250") > 1, "pages that are known are requested concurrently");
}

#[tokio::test]
async fn the_charts_go_into_sqlite_field_by_field() {
    charts_are_stored_field_by_field::<Sqlite>().await;
}

#[tokio::test]
async fn the_charts_go_into_mongodb_field_by_field() {
    charts_are_stored_field_by_field::<Mongodb>().await;
}

#[tokio::test]
async fn the_names_of_browsers_take_turns() {
    let served = douban::top250(&[], Duration::ZERO);
    let settings = as_browser();
    let names = settings.client.user_agents.clone();
    assert!(names.len() > 1 && names.iter().all(|name| name.starts_with("Mozilla/5.0 (")));
    crawl_with::<Sqlite>(site(DOUBAN), &served, settings, Outcome::Complete).await;
    let requests = served.requests();
    for name in &names {
        let share = requests.iter().filter(|asked| asked.header("user-agent") == name).count();
        assert!(share >= requests.len() / names.len() - 3, "{name}: {share}");
    }
}

#[tokio::test]
async fn films_that_are_gone_are_counted_as_missing() {
    let gone: Vec<usize> = douban::subjects().step_by(100).collect();
    let served = douban::top250(&gone, Duration::ZERO);
    let crawled =
        crawl_with::<Sqlite>(site(DOUBAN), &served, as_browser(), Outcome::Complete).await;
    let films = douban::subjects().enumerate().filter(|(_, id)| !gone.contains(id));
    crawled.holds(films.map(|(rank, id)| (id.to_string(), douban::film(rank))));
    assert_eq!(crawled.report.items.missing, gone.len() as u64);
}

#[tokio::test]
async fn a_user_agent_that_is_no_browser_gets_an_error() {
    let served = douban::top250(&[], Duration::ZERO);
    let crawled = crawl_with::<Sqlite>(site(DOUBAN), &served, settings(), Outcome::Failed).await;
    crawled.holds([]);
    says(&crawled.report, "no page of the list could be read");
    let failures = crawled.backend.failures().await;
    assert_eq!((failures.len(), failures[0].status), (1, Some(418)));
    assert_eq!(served.count("/subject/"), 0);
}
