//! Plans a run that only retries failures, from the site and the failures that the store keeps.
//!
//! A failed list page is requested again by its page number, an item by its own page: the item's
//! URL is made from its key, or is the URL that failed if that was kept whole. Everything else is
//! looked up on the list, which is then read from its beginning: items whose document holds parts
//! of the list, and list pages that only other pages lead to.

use std::collections::HashSet;

use crate::model::failure::PageId;
use crate::model::record::Key;
use crate::model::seed::SeedPath;
use crate::model::task::{DetailPage, IndexRun, List, Listed};
use crate::site::Site;
use crate::store::KeptFailure;

/// The tasks of a run that retries failures.
#[derive(Debug, Default)]
pub struct RetryPlan {
    /// List pages, found by their page numbers.
    pub pages: Vec<IndexRun>,
    /// Items that can be requested without their list.
    pub items: Vec<DetailPage>,
    /// True if the list must be read from its beginning.
    pub walks: bool,
    /// Selects which of the listed items are requested.
    pub wanted: Wanted,
}

/// Selection of the items that list pages name.
#[derive(Debug, Default)]
pub enum Wanted {
    /// All items.
    #[default]
    All,
    /// Only items that failed.
    Failed {
        /// Keys of the failed items that can only be found on their list.
        keys: HashSet<Key>,
        /// True if a list page failed. Items that the store does not hold are then requested too,
        /// since they may have been on that page.
        unknown: bool,
    },
}

impl Wanted {
    /// Returns true if an item with this key is requested when a list page names it.
    pub fn takes(&self, key: &Key, is_known: bool) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Failed { keys, unknown } => keys.contains(key) || (*unknown && !is_known),
        }
    }
}

impl RetryPlan {
    /// Returns the tasks that retry `failures` of `site`.
    pub fn of(site: &Site, failures: impl IntoIterator<Item = KeptFailure>) -> RetryPlan {
        let mut plan = RetryPlan::default();
        let (mut keys, mut unknown) = (HashSet::new(), false);
        for KeptFailure { page: PageId { kind, name }, url, first_at, .. } in failures {
            if &*kind == "index" {
                unknown = true;
                match numbered(site, &name) {
                    Some(page) => plan.pages.push(page),
                    None => plan.walks = true,
                }
                continue;
            }
            // A name that is not a valid key was never requested.
            let Ok(key) = Key::new(&name) else { continue };
            match asked_by_itself(site, &key, &url) {
                // The item was on the list when it first failed. The store may know a newer time.
                Some(item) => plan.items.push(DetailPage { seen_at: Some(first_at), ..item }),
                None => drop(keys.insert(key)),
            }
        }
        plan.walks |= !keys.is_empty();
        plan.wanted = Wanted::Failed { keys, unknown };
        plan
    }
}

/// Returns the list page with this name, or `None` if the list is not paged by number.
fn numbered(site: &Site, name: &str) -> Option<IndexRun> {
    // A page of what had changed at some time is not found again by its number.
    if !site.index.paging.is_numbered() || site.index.since.is_some() {
        return None;
    }
    let (list, number) = match (&*site.seeds.0, name.rsplit_once('/')) {
        // Values of a category, and those above it, are known from its page only.
        ([level], Some((seed, number))) if seed != "[seeds]" && !level.has_values() => {
            (List::Items(SeedPath::of(seed)), number)
        }
        ([], None) => (List::default(), name),
        _ => return None,
    };
    let number = number.parse().ok().filter(|number| *number > 0)?;
    Some(IndexRun { list, ..IndexRun::numbered(1, number, number) })
}

/// Returns the task for an item, or `None` if it needs the list or has no usable URL.
fn asked_by_itself(site: &Site, key: &Key, url: &str) -> Option<DetailPage> {
    if site.needs_list() {
        return None;
    }
    let mut item = DetailPage::of(key.clone());
    if site.takes_links() {
        item.listed = Some(Box::new(Listed::at(url)?));
    }
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"s\"\nbase_url = \"http://h.test\"\nformat = \"json\"\n";
    const PAGED: &str = "[index]\nurl = \"/l?p={page}\"\nitems = \"$[*]\"\nkey = \"$.id\"\npaging = { by = \"page\" }\n";

    fn site(rest: &str) -> Site {
        Site::parse(&format!("{HEAD}{rest}"), "s.toml").unwrap()
    }

    fn failure(kind: &str, name: &str, url: &str) -> KeptFailure {
        let now = jiff::Timestamp::UNIX_EPOCH;
        KeptFailure {
            page: PageId { kind: kind.into(), name: name.into() },
            url: url.into(),
            reason: "status".into(),
            message: "".into(),
            status: Some(500),
            attempts: 1,
            sample: None,
            first_at: now,
            last_at: now,
            sweep: "s".into(),
        }
    }

    /// Pages by list and number, items by key and link, whether the list is read, keys to look for
    /// there.
    type Plan = (Vec<(List, u64)>, Vec<(String, Option<String>)>, bool, Vec<String>);

    fn plan(site: &Site, failures: &[(&str, &str, &str)]) -> Plan {
        let kept = failures.iter().map(|(kind, name, url)| failure(kind, name, url));
        let RetryPlan { pages, items, walks, wanted } = RetryPlan::of(site, kept);
        let Wanted::Failed { keys, .. } = wanted else { panic!("all are wanted") };
        let link = |item: DetailPage| {
            let link = item.listed.and_then(|listed| listed.url).map(Into::into);
            (item.key.to_string(), link)
        };
        let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        keys.sort();
        let pages = pages.into_iter().map(|run| (run.list, run.from)).collect();
        (pages, items.into_iter().map(link).collect(), walks, keys)
    }

    #[test]
    fn an_item_with_a_page_made_from_its_key_is_asked_for_by_it() {
        let site = site(&format!("{PAGED}[detail]\nurl = \"/i/{{key}}\"\n"));
        let found = plan(&site, &[("detail", "7", "http://h.test/i/7")]);
        assert_eq!(found, (vec![], vec![("7".to_owned(), None)], false, vec![]));
    }

    #[test]
    fn a_link_that_was_kept_whole_is_asked_for_and_else_the_list_is_walked() {
        let site = site(&format!("{PAGED}[detail]\nlink = \"$.url\"\n"));
        let failures = [
            ("detail", "7", "http://h.test/x7"),
            ("detail", "8", "http://h.test/x8?token=***"),
            ("detail", "9", ""),
        ];
        let items = vec![("7".to_owned(), Some("http://h.test/x7".to_owned()))];
        let keys = vec!["8".to_owned(), "9".to_owned()];
        assert_eq!(plan(&site, &failures), (vec![], items, true, keys));
    }

    #[test]
    fn items_that_hold_parts_of_the_list_are_looked_for_on_it() {
        let whole = site(PAGED);
        let fields =
            site(&format!("{PAGED}fields = {{ n = \"$.n\" }}\n[detail]\nurl = \"/i/{{key}}\"\n"));
        for site in [whole, fields] {
            let found = plan(&site, &[("detail", "7", "http://h.test/i/7")]);
            assert_eq!(found, (vec![], vec![], true, vec!["7".to_owned()]));
        }
    }

    #[test]
    fn pages_of_lists_are_asked_for_by_number_where_they_have_one() {
        let detail = "[detail]\nurl = \"/i/{key}\"\n";
        let paged = site(&format!("{PAGED}{detail}"));
        let index = |name| [("index", name, "http://h.test/l")];
        let all = List::default();
        assert_eq!(plan(&paged, &index("3")), (vec![(all, 3)], vec![], false, vec![]));
        assert_eq!(plan(&paged, &index("0")), (vec![], vec![], true, vec![]));
        assert_eq!(plan(&paged, &index("a/3")), (vec![], vec![], true, vec![]), "another file");
        let seeded = PAGED.replace("/l?p", "/{seed}?p");
        let seeded = site(&format!("{seeded}{detail}[seeds]\nvalues = [\"a/b\"]\n"));
        let list = List::Items(SeedPath::of("a/b"));
        assert_eq!(plan(&seeded, &index("a/b/3")), (vec![(list, 3)], vec![], false, vec![]));
        assert_eq!(plan(&seeded, &index("[seeds]/1")), (vec![], vec![], true, vec![]));
        let next = PAGED.replace("by = \"page\"", "by = \"next\", select = \"$.next\"");
        let next = site(&format!("{}{detail}", next.replace("?p={page}", "")));
        assert_eq!(plan(&next, &index("http://h.test/l")), (vec![], vec![], true, vec![]));
    }

    #[test]
    fn what_a_lost_page_lists_is_taken_where_the_store_does_not_hold_it() {
        let key = |text| Key::new(text).unwrap();
        let items = Wanted::Failed { keys: HashSet::from([key("7")]), unknown: false };
        assert!(items.takes(&key("7"), true) && !items.takes(&key("8"), false));
        let pages = Wanted::Failed { keys: HashSet::new(), unknown: true };
        assert!(pages.takes(&key("8"), false) && !pages.takes(&key("8"), true));
        assert!(Wanted::All.takes(&key("8"), true));
    }
}
