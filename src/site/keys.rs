//! Keys that are known in advance: a range, a list, or the lines of a file. Such a site has no list
//! to crawl.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of keys per page.
const AT_ONCE: u64 = 1_000;
/// Prefix of a file's name in [`KeyList::origin`].
const FILE: &str = "file ";
/// File name that stands for standard input.
const STDIN: &str = "-";

/// Keys that are known in advance.
#[derive(Clone)]
pub enum KeyList {
    /// Numbers, both ends included.
    Range(u64, u64),
    /// Lines of a text, one key per line.
    Lines {
        /// Source of the keys, as the site file names it.
        origin: Box<str>,
        /// The lines, none of them empty.
        text: Arc<str>,
        /// Byte ranges of `text`, with a thousand lines each.
        pages: Arc<[Range<usize>]>,
        /// Number of lines.
        count: u64,
    },
}

impl std::fmt::Debug for KeyList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin())
    }
}

/// Two lists are equal if the site file names the same source. The contents of a file do not count:
/// they are the items of the list, not the definition of the crawl.
impl PartialEq for KeyList {
    fn eq(&self, other: &KeyList) -> bool {
        self.origin() == other.origin()
    }
}

impl KeyList {
    /// Parses a range, such as `1..100`.
    ///
    /// # Errors
    /// Returns what is wrong, in words, if `text` is not a range.
    pub fn range(text: &str) -> Result<KeyList, String> {
        let ends = text.split_once("..");
        let number = |text: &str| text.trim().parse::<u64>().ok();
        match ends.and_then(|(from, to)| Some((number(from)?, number(to)?))) {
            Some((from, to)) if from <= to => Ok(KeyList::Range(from, to)),
            _ => Err(format!("`{text}` is not a range; write 1..100, both ends included")),
        }
    }

    /// Returns the keys of a list in the site file.
    ///
    /// # Errors
    /// Returns what is wrong with a key, in words.
    pub fn listed(keys: &[String]) -> Result<KeyList, String> {
        if let Some(key) = keys.iter().find(|key| key.contains('\n')) {
            return Err(format!("the key {key:?} contains a line break"));
        }
        Ok(KeyList::lines("listed".to_owned() + &keys.join("\n"), &keys.join("\n")))
    }

    /// Reads keys from a file, one per line. Relative paths start at `folder`, and the file must be
    /// in it or below: a site file may come from somebody else, and the keys are sent to a site.
    ///
    /// # Errors
    /// Returns the reason, in words, if the file cannot be read.
    pub fn file(name: &str, folder: &Path) -> Result<KeyList, String> {
        let mut text = String::new();
        let read = match name {
            STDIN => std::io::stdin().lock().read_to_string(&mut text).map(drop),
            name => {
                let file = within(folder, name)?;
                std::fs::read_to_string(file).map(|read| text = read)
            }
        };
        read.map_err(|error| format!("{name} cannot be read: {error}"))?;
        Ok(KeyList::lines(format!("{FILE}{name}"), text.trim_start_matches('\u{feff}')))
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

    /// Returns the number of keys, including repeated ones.
    pub fn count(&self) -> u64 {
        match self {
            KeyList::Range(from, to) => (to - from).saturating_add(1),
            KeyList::Lines { count, .. } => *count,
        }
    }

    /// Returns the number of pages, of a thousand keys each.
    pub fn pages(&self) -> u64 {
        self.count().div_ceil(AT_ONCE)
    }

    /// Returns the keys of a page, counted from 1. Empty after the last page.
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

    /// Returns the name of the file with the keys, or `None` if they are not from a file.
    pub fn file_name(&self) -> Option<&str> {
        match self {
            KeyList::Lines { origin, .. } => origin.strip_prefix(FILE),
            KeyList::Range(..) => None,
        }
    }

    /// Returns the source of the keys, as the site file names it.
    pub fn origin(&self) -> String {
        match self {
            KeyList::Range(from, to) => format!("range {from}..{to}"),
            KeyList::Lines { origin, .. } => origin.to_string(),
        }
    }
}

/// Returns the path of a file, which must be in `folder` or below after links are resolved.
fn within(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let found = |path: &Path| path.canonicalize();
    let both = found(folder).and_then(|folder| Ok((found(&folder.join(name))?, folder)));
    let (file, folder) = both.map_err(|error| format!("{name} cannot be read: {error}"))?;
    if file.starts_with(&folder) {
        return Ok(file);
    }
    Err(format!(
        "{name} is outside the folder of the site file, which is refused because a site file may come from somebody else; copy it into \
         the folder, or set file = \"-\" and pass the keys on standard input"
    ))
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

    #[test]
    fn x1_a_file_of_keys_outside_the_site_file_s_folder_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("sites");
        std::fs::create_dir_all(folder.join("below")).unwrap();
        std::fs::write(outer.path().join("ids.txt"), "1\n").unwrap();
        std::fs::write(folder.join("below/ids.txt"), "2\n").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outer.path().join("ids.txt"), folder.join("link.txt")).unwrap();
        let whole = folder.join("below/ids.txt");
        for name in ["below/ids.txt", "./below/../below/ids.txt", whole.to_str().unwrap()] {
            assert_eq!(all(&KeyList::file(name, &folder).unwrap()), ["2"], "{name}");
        }
        let absolute = outer.path().join("ids.txt");
        for name in ["../ids.txt", "below/../../ids.txt", absolute.to_str().unwrap(), "link.txt"] {
            let said = KeyList::file(name, &folder).unwrap_err();
            assert!(said.contains("outside the folder of the site file"), "{name}: {said}");
        }
    }
}
