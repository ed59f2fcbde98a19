//! Charts of the figures, as SVG for `docs/`: horizontal bars in two columns, one group per cell.
//!
//! A chart has a background of its own, so that it is legible on light and dark pages.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Widths in pixels: of the chart, of the names, and of the longest bar of a column.
const WIDTH: usize = 760;
const NAMES: usize = 280;
const LONGEST: f64 = 160.0;
/// Distance in pixels between the left edges of the columns.
const COLUMN: usize = 240;
/// Heights in pixels: of the title with the names of the columns, of the name of a group, of a bar.
const HEAD: usize = 76;
const GROUP: usize = 30;
const BAR: usize = 19;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}\
    .b{fill:#ffffff;stroke:#d1d9e0}.h{font-weight:600}.t{font-size:15px;font-weight:600}\
    .d{fill:#59636e}.o{fill:#8c959f}.g{fill:#1a7f64}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117;stroke:#3d444d}\
    .d{fill:#9198a1}.o{fill:#6e7681}.g{fill:#3fb68b}}";

/// A chart of two figures for each client.
pub struct Chart {
    /// What was measured.
    pub title: String,
    /// Names of the two columns, with their units.
    pub columns: [&'static str; 2],
    /// Cells, each with its clients.
    pub groups: Vec<Group>,
}

/// A cell of the measurement.
pub struct Group {
    /// Conditions of the cell.
    pub name: String,
    /// Clients, in the order of the chart.
    pub bars: Vec<Bar>,
}

/// One client in a cell.
pub struct Bar {
    /// Name of the client.
    pub name: String,
    /// Figures of the two columns.
    pub values: [f64; 2],
}

impl Chart {
    /// Writes the chart to `docs/NAME`.
    pub fn save(&self, name: &str) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        std::fs::write(&path, self.svg()).with_context(|| path.display().to_string())
    }

    fn svg(&self) -> String {
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = HEAD + self.groups.len() * GROUP + bars * BAR + 12;
        let title = escaped(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
             <style>{STYLE}</style>\n\
             <rect class=\"b\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
             <text class=\"t\" x=\"16\" y=\"30\">{title}</text>\n",
            WIDTH - 1,
            height - 1,
        );
        for (column, name) in self.columns.iter().enumerate() {
            let x = NAMES + column * COLUMN;
            let _ = writeln!(svg, "<text class=\"d\" x=\"{x}\" y=\"60\">{}</text>", escaped(name));
        }
        let longest = [0, 1].map(|column| {
            let values = self.groups.iter().flat_map(|group| &group.bars);
            values.map(|bar| bar.values[column]).fold(f64::MIN_POSITIVE, f64::max)
        });
        let mut y = HEAD;
        for group in &self.groups {
            let name = escaped(&group.name);
            let _ = writeln!(svg, "<text class=\"h\" x=\"16\" y=\"{}\">{name}</text>", y + 16);
            y += GROUP - 6;
            for bar in &group.bars {
                bar.draw(&mut svg, y, longest);
                y += BAR;
            }
            y += 6;
        }
        svg + "</svg>\n"
    }
}

impl Bar {
    fn draw(&self, svg: &mut String, y: usize, longest: [f64; 2]) {
        let is_own = self.name.starts_with("gleaner");
        let (fill, text) = if is_own { ("g", "h") } else { ("o", "d") };
        let (name, base) = (escaped(&self.name), y + 13);
        let _ = writeln!(svg, "<text class=\"{text}\" x=\"28\" y=\"{base}\">{name}</text>");
        for (column, (value, longest)) in self.values.into_iter().zip(longest).enumerate() {
            let x = NAMES + column * COLUMN;
            let width = (value / longest * LONGEST).max(1.0);
            let _ = writeln!(
                svg,
                "<rect class=\"{fill}\" x=\"{x}\" y=\"{}\" width=\"{width:.1}\" height=\"13\" rx=\"2\"/>\
                 <text class=\"{text}\" x=\"{:.0}\" y=\"{base}\">{}</text>",
                y + 2,
                x as f64 + width + 7.0,
                figure(value),
            );
        }
    }
}

/// Returns three significant digits, without decimals from 100 on.
fn figure(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
