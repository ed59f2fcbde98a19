//! Content of the demo site: the document of a book and its row in the list.
//!
//! A document depends only on (seed, item, version), and is the same on every machine. Permanent
//! properties (name, authors, length) depend on (seed, item). A new version has another score,
//! price and closing line and a later `updated_at`, so two versions are never equal. Modelled on
//! spa5.scrape.center with its oddities: nulls, and names wrapped in white space. Bodies are 1 to 6
//! KiB of UTF-8, median about 2.8 KiB. Pure: no state, no input or output.

use bytes::Bytes;
use serde::Serialize;

use super::chance::Chance;
use super::words::{COUNTRIES, EMOJI, Tongue, tongue};

/// Identifies a document: item and version, with the item's id.
#[derive(Clone, Copy)]
pub(super) struct Edition<'a> {
    pub(super) seed: u64,
    pub(super) item: u32,
    /// Version of the item, counted from 0.
    pub(super) version: u32,
    pub(super) id: &'a str,
}

/// An entry of the list.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    name: String,
    authors: Vec<String>,
    cover: String,
    score: String,
}

/// The document of a detail page.
#[derive(Serialize)]
pub(super) struct Book {
    id: String,
    comments: Vec<Comment>,
    name: String,
    authors: Vec<String>,
    translators: Vec<String>,
    publisher: Option<&'static str>,
    tags: Option<Vec<&'static str>>,
    url: String,
    isbn: String,
    cover: String,
    page_number: Option<usize>,
    price: Option<String>,
    score: String,
    introduction: String,
    catalog: Option<String>,
    published_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct Comment {
    id: String,
    content: String,
}

/// Serializes a row or a document.
pub(super) fn encode(content: &impl Serialize) -> Bytes {
    // Cannot fail: it writes to memory, and every key is a field name.
    let text = serde_json::to_vec(content).expect("rows and books always serialise");
    // Copied, because a stored body would keep the unused capacity of its buffer.
    Bytes::copy_from_slice(&text)
}

impl Edition<'_> {
    pub(super) fn row(&self) -> Row {
        let mut chance = self.chance(b'l');
        let tongue = tongue(&mut chance);
        Row {
            id: self.id.to_owned(),
            name: [chance.pick(tongue.titles[0]), chance.pick(tongue.titles[1])].concat(),
            authors: people(&mut chance, tongue, 1, 3),
            cover: format!(
                "https://img1.doubanio.com/view/subject/l/public/s{}.jpg",
                chance.between(1_000_000, 33_999_999)
            ),
            score: self.score(),
        }
    }

    pub(super) fn book(&self) -> Book {
        let tongue = tongue(&mut self.chance(b'l'));
        let mut chance = self.chance(b'd');
        let mut book = self.frame(tongue, &mut chance);
        let room = target(&mut chance).saturating_sub(encode(&book).len());
        fill(&mut book, tongue, &mut chance, room);
        if self.version > 0 {
            book.introduction.push_str(&format!("（第 {} 次印刷）", self.version + 1));
        }
        book
    }

    /// Returns the document without its long texts.
    fn frame(&self, tongue: &'static Tongue, chance: &mut Chance) -> Book {
        let row = self.row();
        Book {
            comments: Vec::new(),
            translators: people(chance, tongue, 0, 2),
            publisher: (!chance.one_in(16)).then(|| chance.pick(tongue.publishers)),
            tags: (!chance.one_in(12)).then(|| tags(chance, tongue)),
            url: format!("https://book.douban.com/subject/{}/", row.id),
            isbn: format!("9787{:09}", chance.below(1_000_000_000)),
            page_number: (!chance.one_in(7)).then(|| chance.between(80, 900)),
            price: self.price(tongue),
            introduction: String::new(),
            catalog: (!chance.one_in(6)).then(String::new),
            published_at: published(chance),
            updated_at: self.updated(chance),
            id: row.id,
            name: row.name,
            authors: row.authors,
            cover: row.cover,
            score: row.score,
        }
    }

    fn score(&self) -> String {
        let mut chance = self.passing(b's');
        format!("{}.{}", chance.between(5, 9), chance.below(10))
    }

    fn price(&self, tongue: &Tongue) -> Option<String> {
        let mut chance = self.passing(b'p');
        (!chance.one_in(12)).then(|| {
            format!("{}.{:02}{}", chance.between(9, 128), chance.below(100), tongue.currency)
        })
    }

    /// Returns the time of the last change, one day later per version. Months have 28 days: that
    /// needs no calendar, and the texts sort like the times.
    fn updated(&self, chance: &mut Chance) -> String {
        let day = chance.below(28 * 4) + self.version as usize;
        format!(
            "{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            2020 + day / (28 * 12),
            1 + day / 28 % 12,
            1 + day % 28,
            chance.below(24),
            chance.below(60),
            chance.below(60),
            chance.below(1_000_000)
        )
    }

    /// Returns random draws that are the same for every version of the item.
    fn chance(&self, purpose: u8) -> Chance {
        Chance::new(&[self.seed, u64::from(self.item), purpose.into()])
    }

    /// Returns random draws that differ between versions.
    fn passing(&self, purpose: u8) -> Chance {
        Chance::new(&[self.seed, u64::from(self.item), purpose.into(), u64::from(self.version)])
    }
}

/// Draws the size of a document in bytes.
fn target(chance: &mut Chance) -> usize {
    let mut bytes = 2_860.0 + 560.0 * chance.normal();
    if chance.one_in(40) {
        bytes += 2_500.0 * chance.unit();
    }
    bytes.clamp(1_200.0, 5_900.0) as usize
}

/// Fills comments, catalog and introduction with about `room` bytes.
fn fill(book: &mut Book, tongue: &Tongue, chance: &mut Chance, room: usize) {
    /// Size of `{"id":"1234567890","content":""},`.
    const COMMENT_FRAME: usize = 33;
    let most = (room / 150).min(9);
    for _ in 0..chance.between(0, most) {
        let share = chance.between(20, 140);
        let mut content = prose(chance, tongue, share);
        if chance.one_in(4) {
            content.push_str(chance.pick(EMOJI));
        }
        let id = chance.between(100_000_000, 2_999_999_999).to_string();
        book.comments.push(Comment { id, content });
    }
    let comments: usize = book.comments.iter().map(|it| COMMENT_FRAME + it.content.len()).sum();
    let mut left = room.saturating_sub(comments);
    if book.catalog.is_some() {
        let text = chapters(chance, tongue, left * 2 / 5);
        left = left.saturating_sub(text.len());
        book.catalog = Some(text);
    }
    book.introduction = prose(chance, tongue, left);
}

/// Returns clauses of about `bytes` bytes: at least one, and none twice in a row.
fn prose(chance: &mut Chance, tongue: &Tongue, bytes: usize) -> String {
    /// Half the length of a clause, so that the mean overshoot is zero.
    const OVERSHOOT: usize = 22;
    let mut text = String::with_capacity(bytes + 64);
    let clauses = tongue.clauses;
    let mut next = chance.below(clauses.len());
    loop {
        text.push_str(clauses[next]);
        next = (next + 1 + chance.below(clauses.len() - 1)) % clauses.len();
        if text.len() + OVERSHOOT >= bytes {
            break;
        }
        text.push_str(if chance.one_in(3) { tongue.stop } else { tongue.comma });
    }
    text.push_str(tongue.stop.trim_end());
    text
}

/// Returns a table of contents of about `bytes` bytes, indented as on the original site.
fn chapters(chance: &mut Chance, tongue: &Tongue, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut number = 1;
    while text.len() < bytes {
        let [before, after] = tongue.chapter;
        text.push_str(&format!("\n            {before}{number}{after}"));
        text.push_str(chance.pick(tongue.clauses));
        number += 1;
    }
    text
}

/// Returns between `least` and `most` names. A third is wrapped in white space, as on the original
/// site.
fn people(chance: &mut Chance, tongue: &Tongue, least: usize, most: usize) -> Vec<String> {
    let count = chance.between(least, most);
    let person = |_| {
        let country = if chance.one_in(4) { chance.pick(COUNTRIES) } else { "" };
        let first = chance.pick(tongue.names[0]);
        let second = chance.pick(tongue.names[1]);
        let between = tongue.between;
        match chance.below(9) {
            0 | 1 => format!("\n            {country}{first}{between}{second}"),
            2 => format!("{country}{first}{between}{second}\n            "),
            3 => format!("\n            {country}\n            {first}   {second} "),
            _ => format!("{country}{first}{between}{second}"),
        }
    };
    (0..count).map(person).collect()
}

fn tags(chance: &mut Chance, tongue: &Tongue) -> Vec<&'static str> {
    let start = chance.below(tongue.tags.len());
    let count = chance.between(0, 8);
    tongue.tags.iter().cycle().skip(start).take(count.min(tongue.tags.len())).copied().collect()
}

/// Returns a date as midnight in China, as on the original site.
fn published(chance: &mut Chance) -> String {
    let (year, month, day) =
        (chance.between(1979, 2019), chance.between(1, 12), chance.between(1, 28));
    format!("{year}-{month:02}-{day:02}T16:00:00Z")
}
