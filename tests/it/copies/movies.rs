//! The slow film site: 100 films on 10 list pages, each answer as late as one likes.
//!
//! After ssr1 to ssr4.scrape.center, which tutorials on crawlers use: pages made by Django with
//! Element UI's classes, the score on a line of its own, and four films without a release date.
//! As there, a list page past the last one is a server error.

use std::time::Duration;

use serde_json::{Value, json};

use super::escaped;
use crate::served::{Answer, Served};

pub const FILMS: usize = 100;
const ON_A_PAGE: usize = 10;
/// These have no release date.
const UNDATED: [usize; 4] = [9, 30, 43, 68];
/// Those that the list begins with; one name has a hyphen of its own.
const NAMES: [&str; 12] = [
    "霸王别姬 - Farewell My Concubine",
    "这个杀手不太冷 - Léon",
    "肖申克的救赎 - The Shawshank Redemption",
    "泰坦尼克号 - Titanic",
    "罗马假日 - Roman Holiday",
    "唐伯虎点秋香 - Flirting Scholar",
    "乱世佳人 - Gone with the Wind",
    "喜剧之王 - The King of Comedy",
    "楚门的世界 - The Truman Show",
    "狮子王 - The Lion King",
    "无敌破坏王 - Wreck-It Ralph",
    "猫鼠游戏 - Catch Me & \"If\" You <Can>",
];
const CATEGORIES: [&[&str]; 4] =
    [&["剧情", "爱情"], &["剧情", "动作", "犯罪"], &["喜剧"], &["动画", "歌舞", "冒险"]];
const REGIONS: [&str; 3] = ["中国内地、中国香港", "法国", "美国、英国"];

/// The site; every answer comes so late.
pub fn movies(delay: Duration) -> Served {
    Served::start(move |asked| {
        let number = |prefix: &str| asked.path.strip_prefix(prefix)?.parse::<usize>().ok();
        let answer = if let Some(film) = number("/detail/").filter(|film| is_film(*film)) {
            Answer::html(detail(film))
        } else if let Some(page) = number("/page/") {
            match page {
                1..=10 => Answer::html(list(page)),
                _ => Answer::html("<h1>Server Error (500)</h1>".to_owned()).status(500),
            }
        } else {
            Answer::not_found()
        };
        answer.later(delay)
    })
}

/// What is to be stored of a film, by `src/site/movies.toml`.
pub fn film(number: usize) -> Value {
    let mut film = json!({
        "name": name(number),
        "cover": cover(number),
        "categories": categories(number),
        "regions": regions(number),
        "minutes": minutes(number),
        "score": score(number).parse::<f64>().expect("a number"),
        "drama": drama(number).join(" "),
    });
    if let Some(date) = published(number) {
        film["published"] = date.into();
    }
    film
}

fn is_film(number: usize) -> bool {
    (1..=FILMS).contains(&number)
}

fn name(number: usize) -> String {
    match NAMES.get(number - 1) {
        Some(name) => (*name).to_owned(),
        None => format!("第 {number} 部电影 - Film No. {number}"),
    }
}

fn cover(number: usize) -> String {
    format!(
        "https://p0.meituan.net/movie/ce4da3e03e655b5b88ed31b5cd7896cf{number:05}.jpg@464w_644h_1e_1c"
    )
}

fn categories(number: usize) -> &'static [&'static str] {
    CATEGORIES[(number - 1) % CATEGORIES.len()]
}

fn regions(number: usize) -> &'static str {
    REGIONS[(number - 1) % REGIONS.len()]
}

fn minutes(number: usize) -> usize {
    171 - (number - 1) % 90
}

fn published(number: usize) -> Option<String> {
    let date = format!("{}-{:02}-{:02}", 1993 + number % 25, 1 + number % 12, 1 + number % 28);
    (!UNDATED.contains(&number)).then_some(date)
}

fn score(number: usize) -> String {
    format!("{}.{}", 9 - (number - 1) / 50, (number + 4) % 10)
}

/// Its lines as they stand in the page.
fn drama(number: usize) -> [String; 2] {
    [
        format!("影片借一出《霸王别姬》的京戏，牵扯出第 {number} 段爱恨情仇。"),
        "段小楼（张丰毅 饰）与程蝶衣（张国荣 饰）是一对师兄弟 & \"more\" < all.".to_owned(),
    ]
}

fn frame(style: &str, body: &str) -> String {
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
<head>

  <meta charset="utf-8">
  <meta http-equiv="X-UA-Compatible" content="IE=edge">
  <meta name="viewport" content="width=device-width,initial-scale=1">
  <link rel="icon" href="/static/img/favicon.ico">
  <title>Scrape | Movie</title>


  <link href="/static/css/app.css" type="text/css" rel="stylesheet">

<link href="/static/css/{style}.css" type="text/css" rel="stylesheet">

</head>
<body>
<div id="app">
  <div data-v-74e8b908="" class="el-row" id="header">
    <div data-v-74e8b908="" class="container el-col el-col-18 el-col-offset-3">
      <a data-v-74e8b908="" href="/" class="router-link-exact-active router-link-active">
        <img data-v-74e8b908="" src="/static/img/logo.png" class="logo-image">
        <span data-v-74e8b908="" class="logo-title">Scrape</span>
      </a>
    </div>
  </div>
{body}
</div>
</body>
</html>
"##
    )
}

/// Categories, regions, minutes and date: list and detail page have them alike.
fn facts(number: usize) -> String {
    let categories: String = categories(number)
        .iter()
        .map(|category| {
            format!(
                r#"
                <button data-v-7f856186="" type="button"
                        class="el-button category el-button--primary el-button--mini">
                  <span>{category}</span>
                </button>
"#
            )
        })
        .collect();
    let date = published(number)
        .map(|date| format!("\n                <span data-v-7f856186=\"\">{date} 上映</span>\n"));
    let (regions, minutes, date) = (regions(number), minutes(number), date.unwrap_or_default());
    format!(
        r#"<div data-v-7f856186="" class="categories">
{categories}
              </div>
              <div data-v-7f856186="" class="m-v-sm info">
                <span data-v-7f856186="">{regions}</span>
                <span data-v-7f856186=""> / </span>
                <span data-v-7f856186="">{minutes} 分钟</span>
              </div>
              <div data-v-7f856186="" class="m-v-sm info">
                {date}
              </div>"#
    )
}

fn detail(number: usize) -> String {
    let (name, cover, facts) = (escaped(&name(number)), cover(number), facts(number));
    let drama = drama(number).map(|line| escaped(&line)).join("\n                  ");
    let score = score(number);
    let body = format!(
        r#"
<div data-v-63864230="" id="detail" class="m-t">
  <div data-v-63864230="" class="el-row">
    <div data-v-63864230="" class="el-col el-col-18 el-col-offset-3">
      <div data-v-63864230="" class="el-card is-hover-shadow"><!---->
        <div class="el-card__body">
          <div data-v-63864230="" class="item el-row">
            <div data-v-63864230="" class="el-col el-col-24 el-col-xs-0 el-col-sm-8">
              <a data-v-63864230="" class="router-link-exact-active router-link-active">
                <img
                    data-v-63864230=""
                    src="{cover}"
                    class="cover">
              </a>
            </div>
            <div data-v-63864230="" class="p-h el-col el-col-24 el-col-xs-16 el-col-sm-12">
              <a data-v-63864230=""
                 class="router-link-exact-active router-link-active">
                <h2 data-v-63864230="" class="m-b-sm">{name}</h2></a>
              {facts}
              <div data-v-63864230="" class="drama"><h3 data-v-63864230="">剧情简介</h3>
                <p data-v-63864230="">
                  {drama}
                </p></div>
            </div>
            <div data-v-63864230="" class="el-col el-col-24 el-col-xs-8 el-col-sm-4"><p
                data-v-63864230="" class="score m-t-md m-b-n-sm">
              {score}</p>
              <p data-v-63864230=""><i class="el-icon-star-on"></i></p>
            </div>
          </div>
        </div>
      </div>
      <div data-v-63864230="" class="directors el-row"><h2 data-v-63864230="">导演：</h2></div>
    </div>
  </div>
</div>
"#
    );
    frame("detail", &body)
}

fn list(page: usize) -> String {
    let films = (page - 1) * ON_A_PAGE + 1..=page * ON_A_PAGE;
    let cards: String = films.map(card).collect();
    let numbers: String = (1..=FILMS / ON_A_PAGE)
        .map(|number| {
            format!("<li class=\"number\"><a href=\"/page/{number}\">{number}</a></li>\n")
        })
        .collect();
    let body = format!(
        r#"
<div data-v-7f856186="" id="index">
  <div data-v-7f856186="" class="el-row">
    <div data-v-7f856186="" class="el-col el-col-18 el-col-offset-3">
{cards}
      <div class="el-pagination"><ul class="el-pager">{numbers}</ul></div>
    </div>
  </div>
</div>
"#
    );
    frame("index", &body)
}

fn card(number: usize) -> String {
    let (name, cover, facts) = (escaped(&name(number)), cover(number), facts(number));
    let score = score(number);
    format!(
        r#"
      <div data-v-7f856186="" class="el-card item m-t is-hover-shadow">
        <div class="el-card__body">
          <div data-v-7f856186="" class="el-row">
            <div data-v-7f856186="" class="el-col el-col-24 el-col-xs-8 el-col-sm-6 el-col-md-4">
              <a data-v-7f856186=""
                 href="/detail/{number}"
                 class="">
                <img data-v-7f856186="" src="{cover}" class="cover">
              </a>
            </div>
            <div data-v-7f856186="" class="p-h el-col el-col-24 el-col-xs-9 el-col-sm-13 el-col-md-16">
              <a data-v-7f856186="" href="/detail/{number}" class="name">
                <h2 data-v-7f856186="" class="m-b-sm">{name}</h2>
              </a>
              {facts}
            </div>
            <div data-v-7f856186="" class="el-col el-col-24 el-col-xs-5 el-col-sm-5 el-col-md-4">
              <p data-v-7f856186="" class="score m-t-md m-b-n-sm">
                {score}</p>
            </div>
          </div>
        </div>
      </div>
"#
    )
}
