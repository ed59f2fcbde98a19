//! Cleans log lines before they are written, whoever logged them: removes credentials and escapes
//! control characters.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::cli::arguments::LogFormat;
use crate::model::text::secret::Scrubber;
use crate::model::text::{is_unseen, plain_json};

/// Wraps the writers of the log in ones that clean each line.
pub struct Clean<W> {
    pub writer: W,
    pub form: LogFormat,
    pub scrubber: Scrubber,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Clean<W> {
    type Writer = Line<'a, W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), form: self.form, scrubber: &self.scrubber }
    }
}

/// Writer of one log line.
pub struct Line<'a, W> {
    writer: W,
    form: LogFormat,
    scrubber: &'a Scrubber,
}

impl<W: Write> Write for Line<'_, W> {
    /// Writes one whole line. The subscriber makes one call per line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = self.scrubber.scrub_cut(&text);
        let text = match self.form {
            LogFormat::Text => plain_text(text),
            LogFormat::Json => plain_json(&text),
        };
        self.writer.write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Escapes the control characters that the subscriber leaves. It escapes ASCII ones in its input,
/// and adds some of its own for colours.
fn plain_text(line: String) -> String {
    let escapes = |c: char| !c.is_ascii() && is_unseen(c);
    if !line.contains(escapes) {
        return line;
    }
    let mut plain = String::with_capacity(line.len());
    for c in line.chars() {
        match escapes(c) {
            true => plain.extend(c.escape_unicode()),
            false => plain.push(c),
        }
    }
    plain
}
