//! Names by which services say things of their lists, as tables. They are compared without case and
//! punctuation, so that `has_more`, `hasMore` and `@odata.nextLink` need one entry each.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a member of this name says of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Means {
    /// True where the list goes on.
    More,
    /// False where the list goes on.
    Done,
    /// The next page, or a token that leads there: with something in it the list goes on.
    Next,
    /// How many pages there are.
    Pages,
    /// True where the page is only a part of what it should be.
    Partial,
    /// Something in it where the site failed.
    Error,
    /// False where the site failed.
    Success,
    /// A number that is another one where the site failed.
    Code,
}

const MORE: [&str; 12] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
    "hasmoreitems",
    "hasmoreresults",
    "more",
    "moreavailable",
    "morechanges",
    "istruncated",
    "truncated",
    "exceededtransferlimit",
];
const DONE: [&str; 7] = ["isend", "done", "islast", "islastpage", "last", "lastpage", "nomore"];
/// Tokens that are also on last pages (`cursor`, `endCursor`, `bookmark`, `_scroll_id`) are not among them.
const NEXT: [&str; 26] = [
    "next",
    "nextpage",
    "nextpageurl",
    "nextpagelink",
    "nextpagetoken",
    "nextpagekey",
    "nextlink",
    "odatanextlink",
    "hydranext",
    "nexthref",
    "nexturl",
    "nexturi",
    "nextrecordsurl",
    "nexttoken",
    "nextcursor",
    "nextmarker",
    "nextkey",
    "nextoffset",
    "nextstart",
    "nextcontinuationtoken",
    "continuationtoken",
    "continuation",
    "continue",
    "lastevaluatedkey",
    "resumptiontoken",
    "moretopicsurl",
];
const PAGES: [&str; 10] = [
    "totalpages",
    "totalpage",
    "pagetotal",
    "pagecount",
    "pagescount",
    "numpages",
    "nbpages",
    "lastpage",
    "maxpage",
    "pages",
];
const PARTIAL: [&str; 2] = ["timedout", "incompleteresults"];
const ERROR: [&str; 6] =
    ["error", "errors", "errormessage", "errordescription", "fault", "exception"];
const SUCCESS: [&str; 4] = ["success", "issuccess", "succeeded", "ok"];
const CODE: [&str; 9] = [
    "code",
    "errcode",
    "errorcode",
    "errno",
    "ret",
    "retcode",
    "resultcode",
    "statuscode",
    "status",
];
/// How many items there are in all; those that mean nothing else come first.
const COUNTS: [&str; 22] = [
    "total",
    "totalcount",
    "totalresults",
    "totalsize",
    "totalrows",
    "totalitems",
    "totalelements",
    "totalhits",
    "totalrecords",
    "totalrecordcount",
    "recordstotal",
    "itemstotal",
    "hydratotalitems",
    "odatacount",
    "numfound",
    "numresults",
    "nbhits",
    "numbermatched",
    "numberofrecords",
    "resultstotal",
    "recordcount",
    "count",
];

static TABLE: LazyLock<HashMap<&str, Vec<Means>>> = LazyLock::new(|| {
    let tables: [(Means, &[&'static str]); 8] = [
        (Means::More, &MORE),
        (Means::Done, &DONE),
        (Means::Next, &NEXT),
        (Means::Pages, &PAGES),
        (Means::Partial, &PARTIAL),
        (Means::Error, &ERROR),
        (Means::Success, &SUCCESS),
        (Means::Code, &CODE),
    ];
    let mut all = HashMap::<&str, Vec<Means>>::new();
    for (means, names) in tables {
        names.iter().for_each(|name| all.entry(name).or_default().push(means));
    }
    all
});

/// Letters and digits of the longest name in the tables.
const LONGEST: usize = 24;

/// Returns whether a member of this name says this. One name may say several things, by its value.
pub fn says(name: &str, means: Means) -> bool {
    plain(name).is_some_and(|plain| TABLE.get(&*plain).is_some_and(|all| all.contains(&means)))
}

/// The rank of a name among those of counts: the lower, the surer.
pub fn count_rank(name: &str) -> Option<usize> {
    let plain = plain(name)?;
    COUNTS.iter().position(|count| **count == *plain)
}

/// A name without case and punctuation; nothing where it is in no table, since it is too long.
fn plain(name: &str) -> Option<String> {
    if name.len() > LONGEST + 8 {
        return None;
    }
    let letters =
        name.bytes().filter(|it| !matches!(it, b'_' | b'-' | b'.' | b':' | b'@' | b'$' | b' '));
    let plain: Vec<u8> = letters.map(|it| it.to_ascii_lowercase()).collect();
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l12_a_name_counts_however_it_is_written() {
        for (name, means) in [
            ("has_more", Means::More),
            ("hasMore", Means::More),
            ("HasMore", Means::More),
            ("IsTruncated", Means::More),
            ("_more_changes", Means::More),
            ("is-last", Means::Done),
            ("last_page", Means::Done),
            ("last_page", Means::Pages),
            ("@odata.nextLink", Means::Next),
            ("odata.nextLink", Means::Next),
            ("NextToken", Means::Next),
            ("next_page_url", Means::Next),
            ("totalPages", Means::Pages),
            ("timed_out", Means::Partial),
            ("Error", Means::Error),
            ("error_message", Means::Error),
        ] {
            assert!(says(name, means), "{name}");
        }
        for name in ["next_update", "nextRelease", "cursor", "token", "more_link", "views", "é"] {
            assert!(!says(name, Means::Next) && !says(name, Means::More), "{name}");
        }
        assert!(count_rank("total_count") < count_rank("count"));
        assert_eq!(count_rank("views"), None);
    }

    #[test]
    fn no_name_of_the_tables_is_longer_than_what_is_looked_up() {
        let longest = TABLE.keys().chain(&COUNTS).map(|name| name.len()).max();
        assert!(longest <= Some(LONGEST), "{longest:?}");
        assert!(TABLE.keys().all(|name| plain(name).as_deref() == Some(*name)));
    }
}
