//! Prometheus' text format.

use std::fmt::Write;

/// Text under construction. Samples belong to the family before them.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    family: &'static str,
}

impl Text {
    /// Begins a family of metrics.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.family);
        for (place, (name, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// Returns the text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Text::default();
        text.family("a_total", "counter", "Number of a.");
        text.sample(&[], 1.5);
        text.sample(&[("x", "a\"b\\c\nd"), ("y", "é")], 1e9);
        assert_eq!(
            text.finish(),
            "# HELP a_total Number of a.\n# TYPE a_total counter\na_total 1.5\n\
             a_total{x=\"a\\\"b\\\\c\\nd\",y=\"é\"} 1000000000\n"
        );
    }
}
