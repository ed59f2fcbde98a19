//! Advice on keys that are not known: the nearest one, and the table that has it.

/// Keys of `paging`, which are often written beside it.
const OF_PAGING: [&str; 11] = [
    "by",
    "limit",
    "step",
    "first_url",
    "last",
    "pages",
    "total",
    "take",
    "start",
    "while",
    "merge",
];

/// Returns where a key belongs that is not known in its table, or an empty text.
pub fn place_of(key: &str, message: &str) -> &'static str {
    let is_of_paging = key
        .rsplit_once('.')
        .is_some_and(|(table, name)| !table.ends_with("paging") && OF_PAGING.contains(&name));
    match message.starts_with("unknown field") && is_of_paging {
        true => "; it belongs into `paging = { … }`",
        false => "",
    }
}

/// Adds the most similar known name to serde's "unknown field `x`, expected one of `a`, `b`".
pub fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_name = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(wrong) = quoted.next().filter(|_| is_name) else { return message.to_owned() };
    let distance = |known: &&str| strsim::damerau_levenshtein(wrong, known);
    match quoted.min_by_key(distance).filter(|known| distance(known) <= known.len().div_ceil(2)) {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}
