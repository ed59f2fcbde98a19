//! Categories: the way that leads to a list.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::text::plain;

/// A category. Two with one text but different values are two categories, each with its own list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed {
    /// Text of the category, as requests have it.
    pub text: Arc<str>,
    /// Values of the category, by name, as JSON texts.
    #[serde(default)]
    pub values: Arc<[(Arc<str>, Box<str>)]>,
}

/// The categories that a list is within, the outermost first. A list that is in none has an empty path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeedPath(Arc<[Seed]>);

impl Seed {
    /// Creates a category without values.
    pub fn of(text: impl Into<Arc<str>>) -> Seed {
        Seed { text: text.into(), values: Arc::default() }
    }
}

impl SeedPath {
    /// Creates the path of an outermost category.
    pub fn of(text: impl Into<Arc<str>>) -> SeedPath {
        SeedPath::default().with(Seed::of(text))
    }

    /// Returns the path to a category within this one.
    pub fn with(&self, seed: Seed) -> SeedPath {
        SeedPath(self.0.iter().cloned().chain([seed]).collect())
    }

    /// Returns the number of categories.
    pub fn levels(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the path has no category.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the text of the innermost category, or `None` if there is none.
    pub fn innermost(&self) -> Option<&str> {
        self.0.last().map(|seed| &*seed.text)
    }

    /// Returns the text of the category at a level, from 1, the outermost.
    pub fn at(&self, level: usize) -> Option<&str> {
        self.0.get(level.checked_sub(1)?).map(|seed| &*seed.text)
    }

    /// Returns the value with this name, as JSON text, or `None` if no category has it.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().flat_map(|seed| &*seed.values);
        values.find(|(own, _)| **own == *name).map(|(_, json)| &**json)
    }

    /// Returns the name of the path. One category is its own name; the slashes of several are escaped,
    /// so that the names of two paths of one length are the same only if all texts are.
    pub fn name(&self) -> String {
        match &*self.0 {
            [only] => only.text.to_string(),
            several => {
                let escaped =
                    several.iter().map(|it| it.text.replace('%', "%25").replace('/', "%2F"));
                escaped.collect::<Vec<_>>().join("/")
            }
        }
    }
}

/// Formats the path for people.
impl fmt::Display for SeedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_names_that_tell_their_texts_apart() {
        let at = |texts: &[&str]| {
            texts.iter().fold(SeedPath::default(), |path, text| path.with(Seed::of(*text)))
        };
        let values = Arc::from([(Arc::from("name"), Box::from("\"Books\""))]);
        let valued = SeedPath::default().with(Seed { text: "a".into(), values });
        assert_eq!((valued.value("name"), valued.value("id")), (Some("\"Books\""), None));
        assert_ne!(valued, at(&["a"]));
        let names = [&["a/b", "c"][..], &["a", "b/c"], &["a%2Fb", "c"], &["a", "b"]].map(at);
        let names = names.map(|path| path.name());
        assert_eq!(names, ["a%2Fb/c", "a/b%2Fc", "a%252Fb/c", "a/b"]);
        assert_eq!(at(&["home/kitchen"]).name(), "home/kitchen");
        let path = at(&["a", "b"]);
        assert_eq!([path.at(0), path.at(1), path.at(3)], [None, Some("a"), None]);
        assert_eq!((path.innermost(), at(&[]).innermost()), (Some("b"), None));
    }
}
