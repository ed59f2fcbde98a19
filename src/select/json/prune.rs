//! Writes a page without its ignored parts in one walk, without a list of those parts.

use bson::raw::RawBsonRef;

use super::route::{Pick, Segment, Trial};
use super::{Budget, LimitError, Selector, tree};
use crate::model::document::raw::members;
use crate::model::document::{write_name, write_value};

/// Returns the JSON text of `value` without what `ignored` selects in it.
///
/// # Errors
/// Returns an error if the page's time is used up.
pub fn without(
    ignored: &[Selector],
    value: RawBsonRef<'_>,
    budget: &Budget,
) -> Result<String, LimitError> {
    let routes: Vec<&[Segment]> = ignored.iter().map(|selector| &*selector.route.0).collect();
    let trials = ignored.iter().map(|selector| selector.route.trial(value)).collect();
    // A path that selects the whole page removes nothing.
    let begun = routes.iter().enumerate().filter(|(_, route)| !route.is_empty());
    let states: Vec<State> = begun.map(|(route, _)| State { route, segment: 0 }).collect();
    let mut pruning = Pruning { routes, trials, budget, text: String::new() };
    pruning.write(value, &states)?;
    Ok(pruning.text)
}

/// Progress along a path at the value that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    route: usize,
    /// Segment that decides what is picked of the value.
    segment: usize,
}

struct Pruning<'p> {
    routes: Vec<&'p [Segment]>,
    /// Input of the filters of each route, or `None` if it has no filters.
    trials: Vec<Option<Trial>>,
    budget: &'p Budget,
    text: String,
}

/// A value in a list or an object.
#[derive(Clone, Copy)]
struct Child<'a> {
    /// Name of the member, or `None` in a list.
    name: Option<&'a str>,
    at: usize,
    /// Length of the list.
    length: usize,
    value: RawBsonRef<'a>,
}

impl Pruning<'_> {
    fn write(&mut self, value: RawBsonRef<'_>, states: &[State]) -> Result<(), LimitError> {
        self.budget.step()?;
        match value {
            RawBsonRef::Document(object) if !states.is_empty() => {
                let children = members(object).map(|(name, value)| Child {
                    name: Some(name),
                    at: 0,
                    length: 0,
                    value,
                });
                self.write_all(['{', '}'], children, states)
            }
            RawBsonRef::Array(list) if !states.is_empty() => {
                let length = list.into_iter().count();
                let values = list.into_iter().flatten().enumerate();
                let children = values.map(|(at, value)| Child { name: None, at, length, value });
                self.write_all(['[', ']'], children, states)
            }
            value => {
                write_value(&mut self.text, value);
                Ok(())
            }
        }
    }

    fn write_all<'a>(
        &mut self,
        [open, close]: [char; 2],
        children: impl Iterator<Item = Child<'a>>,
        states: &[State],
    ) -> Result<(), LimitError> {
        self.text.push(open);
        let mut is_first = true;
        for child in children {
            let Some(states) = self.states_at(child, states) else { continue };
            if !std::mem::take(&mut is_first) {
                self.text.push(',');
            }
            if let Some(name) = child.name {
                write_name(&mut self.text, name);
            }
            self.write(child.value, &states)?;
        }
        self.text.push(close);
        Ok(())
    }

    /// Returns the states of the paths at a child of a value whose states are `states`, or `None`
    /// if a path selects the child.
    fn states_at(&mut self, child: Child<'_>, states: &[State]) -> Option<Vec<State>> {
        let mut further = Vec::new();
        for State { route, segment } in states.iter().copied() {
            let Segment { descends, picks } = &self.routes[route][segment];
            let trial = &mut self.trials[route];
            if picks.iter().any(|pick| child.is_picked(pick, trial)) {
                if segment + 1 == self.routes[route].len() {
                    return None;
                }
                further.push(State { route, segment: segment + 1 });
            }
            if *descends {
                further.push(State { route, segment });
            }
        }
        // Without this, two descending paths would multiply their states at each level.
        further.sort_unstable();
        further.dedup();
        Some(further)
    }
}

impl Child<'_> {
    fn is_picked(self, pick: &Pick, trial: &mut Option<Trial>) -> bool {
        match (pick, self.name) {
            (Pick::Every, _) => true,
            (Pick::Name(picked), Some(name)) => **picked == *name,
            (Pick::At(at), None) => match usize::try_from(*at) {
                Ok(at) => at == self.at,
                Err(_) => (self.length - self.at) as u64 == at.unsigned_abs(),
            },
            (Pick::Slice(slice), None) => slice.has(self.at, self.length),
            (Pick::Filter(filter), _) => {
                trial.as_mut().is_some_and(|trial| filter.passes(tree(self.value), trial))
            }
            _ => false,
        }
    }
}
