//! Douban's 250 best films: ten list pages of 25 and a page for each film.
//!
//! After movie.douban.com/top250, markup and manners: whoever does not look like a browser is
//! answered 418, links are absolute, and now and then a film's page is gone (404).

use std::time::Duration;

use serde_json::{Value, json};

use super::escaped;
use crate::served::{Answer, Asked, Served};

pub const FILMS: usize = 250;
const ON_A_PAGE: usize = 25;
const FIRST_SUBJECT: usize = 1_292_052;
const LANGUAGES: [&str; 3] = ["英语", "法语 / 英语", "汉语普通话"];
const GENRES: [&str; 3] = ["剧情", "犯罪", "动画"];

/// The site, without the pages of the subjects that are `gone`; every answer comes so late.
pub fn top250(gone: &[usize], delay: Duration) -> Served {
    let gone = gone.to_vec();
    Served::start(move |asked| {
        if !asked.header("user-agent").contains("Mozilla/") {
            return Answer::html("<title>418</title>I'm a teapot".to_owned()).status(418);
        }
        let subject = || {
            let id = asked.path.strip_prefix("/subject/")?.strip_suffix('/')?.parse().ok()?;
            let rank = subjects().position(|subject| subject == id && !gone.contains(&id))?;
            Some(Answer::html(detail(id, rank)))
        };
        let answer = match asked.path.as_str() {
            "/top250" => Answer::html(list(asked)),
            _ => subject().unwrap_or_else(Answer::not_found),
        };
        answer.later(delay)
    })
}

/// The ids of the films, the best first.
pub fn subjects() -> impl Iterator<Item = usize> {
    (0..FILMS).map(|rank| FIRST_SUBJECT + rank * 37)
}

/// What is to be stored of the film at a rank (from 0), by `src/site/douban-top250.toml`.
pub fn film(rank: usize) -> Value {
    json!({
        "name": format!("{} {}", title(rank), original(rank)),
        "year": year(rank),
        "score": score(rank).parse::<f64>().expect("a number"),
        "directors": directors(rank),
        "genres": [GENRES[rank % 3], "爱情"],
        "language": LANGUAGES[rank % 3],
    })
}

fn title(rank: usize) -> String {
    match rank {
        0 => "肖申克的救赎".to_owned(),
        _ => format!("第{}部 & 更多", rank + 1),
    }
}

fn original(rank: usize) -> String {
    match rank {
        0 => "The Shawshank Redemption".to_owned(),
        _ => format!("Film <No. {}>", rank + 1),
    }
}

fn year(rank: usize) -> usize {
    1994 + rank % 20
}

fn score(rank: usize) -> String {
    format!("9.{}", 7 - rank * 7 / FILMS)
}

fn directors(rank: usize) -> Vec<String> {
    match rank {
        0 => vec!["弗兰克·德拉邦特".to_owned()],
        _ => (0..1 + rank % 3).map(|number| format!("导演 {rank}·{number}")).collect(),
    }
}

fn list(asked: &Asked) -> String {
    let start = asked.number("start").unwrap_or(0);
    let ranks = start.min(FILMS)..(start + ON_A_PAGE).min(FILMS);
    let items: String = subjects()
        .enumerate()
        .filter(|(rank, _)| ranks.contains(rank))
        .map(|(rank, id)| item(&asked.origin(), rank, id))
        .collect();
    format!(
        r#"<!DOCTYPE html>
<html lang="zh-CN" class="ua-windows ua-webkit">
<head>
    <meta http-equiv="Content-Type" content="text/html; charset=utf-8">
    <title>
豆瓣电影 Top 250
</title>
    <script>var _head_start = new Date(); document.write("<div class='item'></div>")</script>
</head>
<body>
  <div id="content">
    <h1>豆瓣电影 Top 250</h1>
    <ol class="grid_view">
{items}
    </ol>
    <div class="paginator">
        <span class="next"><link rel="next" href="?start={}&amp;filter="/></span>
        <span class="count">(共{FILMS}条)</span>
    </div>
  </div>
</body>
</html>
"#,
        start + ON_A_PAGE
    )
}

fn item(origin: &str, rank: usize, id: usize) -> String {
    let (place, title, original) = (rank + 1, escaped(&title(rank)), escaped(&original(rank)));
    let (score, year) = (score(rank), year(rank));
    // Some links of the original are relative.
    let origin = if rank % 10 == 9 { "" } else { origin };
    format!(
        r#"        <li>
            <div class="item">
                <div class="pic">
                    <em class="">{place}</em>
                    <a href="{origin}/subject/{id}/">
                        <img width="100" alt="{title}" src="https://img2.doubanio.com/p{id}.jpg" class="">
                    </a>
                </div>
                <div class="info">
                    <div class="hd">
                        <a href="{origin}/subject/{id}/" class="">
                            <span class="title">{title}</span>
                                    <span class="title">&nbsp;/&nbsp;{original}</span>
                                <span class="other">&nbsp;/&nbsp;月黑高飞(港)  /  刺激1995(台)</span>
                        </a>
                            <span class="playable">[可播放]</span>
                    </div>
                    <div class="bd">
                        <p class="">
                            {year}&nbsp;/&nbsp;美国&nbsp;/&nbsp;犯罪 剧情
                        </p>
                        <div class="star">
                                <span class="rating5-t"></span>
                                <span class="rating_num" property="v:average">{score}</span>
                                <span property="v:best" content="10.0"></span>
                                <span>2396288人评价</span>
                        </div>
                    </div>
                </div>
            </div>
        </li>
"#
    )
}

fn detail(id: usize, rank: usize) -> String {
    let name = escaped(&format!("{} {}", title(rank), original(rank)));
    let (year, score, language) = (year(rank), score(rank), LANGUAGES[rank % 3]);
    let genre = GENRES[rank % 3];
    let directors: Vec<String> = directors(rank)
        .iter()
        .map(|name| format!(r#"<a href="/celebrity/{rank}/" rel="v:directedBy">{name}</a>"#))
        .collect();
    let directors = directors.join(" / ");
    format!(
        r#"<!DOCTYPE html>
<html lang="zh-CN" class="ua-windows ua-webkit">
<head><title>
        {name} (豆瓣)
</title></head>
<body>
<div id="content">
    <h1>
        <span property="v:itemreviewed">{name}</span>
            <span class="year">({year})</span>
    </h1>
    <div id="mainpic"><a href="/subject/{id}/photos?type=R"><img rel="v:image" src="p{id}.webp"></a></div>
<div id="info">
        <span ><span class='pl'>导演</span>: <span class='attrs'>{directors}</span></span><br/>
        <span class="actor"><span class='pl'>主演</span>: <span class='attrs'><a href="/celebrity/1054521/" rel="v:starring">蒂姆·罗宾斯</a> / <a href="/celebrity/1054534/" rel="v:starring">摩根·弗里曼</a></span></span><br/>
        <span class="pl">类型:</span> <span property="v:genre">{genre}</span> / <span property="v:genre">爱情</span><br/>

        <span class="pl">制片国家/地区:</span> 美国<br/>
        <span class="pl">语言:</span> {language}<br/>
        <span class="pl">上映日期:</span> <span property="v:initialReleaseDate" content="1994-09-10(多伦多电影节)">1994-09-10(多伦多电影节)</span><br/>
        <span class="pl">片长:</span> <span property="v:runtime" content="142">142分钟</span><br/>
        <span class="pl">IMDb:</span> tt0111161<br>
</div>
<div class="rating_self clearfix" typeof="v:Rating">
    <strong class="ll rating_num" property="v:average">{score}</strong>
    <span property="v:best" content="10.0"></span>
</div>
<span property="v:summary" class="">
                　　一场谋杀案使银行家安迪蒙冤入狱。
</span>
</div>
</body>
</html>
"#
    )
}
