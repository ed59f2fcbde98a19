//! Keys that are known beforehand: a range, a list, or the lines of a file. Such a site has no
//! list to walk.

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Keys that are handed out at once.
const AT_ONCE: u64 = 1_000;
/// Where this is the name of the file, the keys stand on standard input.
const STDIN: &str = "-";

/// See the module's text.
#[derive(Clone)]
pub enum KeyList {
    /// Numbers, both ends included.
    Range(u64, u64),
    /// Lines of a text, each a key; and where every thousandth begins.
    Lines {
        /// What is said of them in the site file.
        origin: Box<str>,
        /// The lines, none of them empty.
        text: Arc<str>,
        /// Byte ranges of `text`, a thousand lines each.
        pages: Arc<[Range<usize>]>,
        /// How many lines there are.
        count: u64,
    },
}

impl std::fmt::Debug for KeyList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin())
    }
}

/// Two are equal where the site file says the same: the contents of a file are not what is
/// crawled, but what is on the list.
impl PartialEq for KeyList {
    fn eq(&self, other: &KeyList) -> bool {
        self.origin() == other.origin()
    }
}

impl KeyList {
    /// The keys `from` to `to`.
    ///
    /// # Errors
    /// Says what is wrong where `text` is no such range.
    pub fn range(text: &str) -> Result<KeyList, String> {
        let ends = text.split_once("..");
        let number = |text: &str| text.trim().parse::<u64>().ok();
        match ends.and_then(|(from, to)| Some((number(from)?, number(to)?))) {
            Some((from, to)) if from <= to => Ok(KeyList::Range(from, to)),
            _ => Err(format!("`{text}` is no range; write 1..100, both ends included")),
        }
    }

    /// The keys of a list in the site file.
    ///
    /// # Errors
    /// Says what is wrong with a key.
    pub fn listed(keys: &[String]) -> Result<KeyList, String> {
        if let Some(key) = keys.iter().find(|key| key.contains('\n')) {
            return Err(format!("the key {key:?} holds a line break"));
        }
        Ok(KeyList::lines("listed".to_owned() + &keys.join("\n"), &keys.join("\n")))
    }

    /// The keys of a file, one a line; `folder` is where a relative path begins.
    ///
    /// # Errors
    /// Says why the file cannot be read.
    pub fn file(name: &str, folder: &Path) -> Result<KeyList, String> {
        let mut text = String::new();
        let read = match name {
            STDIN => std::io::stdin().lock().read_to_string(&mut text).map(drop),
            name => std::fs::read_to_string(folder.join(name)).map(|read| text = read),
        };
        read.map_err(|error| format!("{name} cannot be read: {error}"))?;
        Ok(KeyList::lines(format!("file {name}"), text.trim_start_matches('\u{feff}')))
    }

    fn lines(origin: String, given: &str) -> KeyList {
        let mut text = String::with_capacity(given.len());
        let (mut pages, mut begin, mut count) = (Vec::new(), 0, 0);
        for line in given.lines().map(str::trim).filter(|line| !line.is_empty()) {
            text.push_str(line);
            text.push('\n');
            count += 1;
            if count % AT_ONCE == 0 {
                pages.push(begin..text.len());
                begin = text.len();
            }
        }
        if begin < text.len() {
            pages.push(begin..text.len());
        }
        KeyList::Lines { origin: origin.into(), text: text.into(), pages: pages.into(), count }
    }

    /// How many keys there are, repeated ones counted each time.
    pub fn count(&self) -> u64 {
        match self {
            KeyList::Range(from, to) => (to - from).saturating_add(1),
            KeyList::Lines { count, .. } => *count,
        }
    }

    /// Into how many pages of a thousand keys they are divided.
    pub fn pages(&self) -> u64 {
        self.count().div_ceil(AT_ONCE)
    }

    /// The keys of a page, from 1; none behind the last.
    pub fn page(&self, number: u64) -> Vec<String> {
        match self {
            KeyList::Range(from, to) => {
                let begin = (number - 1).checked_mul(AT_ONCE).and_then(|at| from.checked_add(at));
                let end = |begin: u64| begin.saturating_add(AT_ONCE - 1).min(*to);
                let keys = begin.map(|begin| begin..=end(begin));
                keys.into_iter().flatten().map(|key| key.to_string()).collect()
            }
            KeyList::Lines { text, pages, .. } => {
                let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
                let lines = pages.get(at).map_or("", |range| &text[range.clone()]);
                lines.lines().map(str::to_owned).collect()
            }
        }
    }

    /// What the site file says of the keys.
    pub fn origin(&self) -> String {
        match self {
            KeyList::Range(from, to) => format!("range {from}..{to}"),
            KeyList::Lines { origin, .. } => origin.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(keys: &KeyList) -> Vec<String> {
        (1..=keys.pages()).flat_map(|page| keys.page(page)).collect()
    }

    #[test]
    fn a_range_has_both_ends_and_a_thousand_keys_a_page() {
        let keys = KeyList::range("1..2500").unwrap();
        assert_eq!((keys.count(), keys.pages()), (2500, 3));
        assert_eq!(keys.page(3).len(), 500);
        assert_eq!(all(&keys), (1..=2500).map(|key| key.to_string()).collect::<Vec<_>>());
        assert!(keys.page(4).is_empty());
        for bad in ["", "1", "5..2", "a..b", "-1..3"] {
            assert!(KeyList::range(bad).is_err(), "{bad}");
        }
        assert_eq!(KeyList::range(&format!("7..{}", u64::MAX)).unwrap().page(u64::MAX).len(), 0);
    }

    #[test]
    fn lines_are_keys() {
        let lines: String = (0..2001).map(|key| format!(" k{key} \r\n\n")).collect();
        let keys = KeyList::lines("x".to_owned(), &lines);
        assert_eq!((keys.count(), keys.pages()), (2001, 3));
        assert_eq!(all(&keys).len(), 2001);
        assert_eq!(keys.page(3), ["k2000"]);
        assert_eq!(all(&KeyList::listed(&["a".into(), "b c".into()]).unwrap()), ["a", "b c"]);
        assert!(KeyList::listed(&["a\nb".into()]).is_err());
        assert_eq!(KeyList::lines(String::new(), " \n").pages(), 0);
    }

    #[test]
    fn a_file_is_looked_for_beside_the_site_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ids.txt"), "\u{feff}1\n2\n").unwrap();
        assert_eq!(all(&KeyList::file("ids.txt", folder.path()).unwrap()), ["1", "2"]);
        assert!(KeyList::file("no.txt", folder.path()).unwrap_err().contains("no.txt"));
    }
}
