//! Lines of the log on their way out, whoever logged them: without credentials, and without what a
//! terminal obeys.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::cli::arguments::LogFormat;
use crate::secret::Scrubber;
use crate::wording::{is_unseen, plain_json};

/// Makes writers that clean what they are given.
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

/// One line on its way.
pub struct Line<'a, W> {
    writer: W,
    form: LogFormat,
    scrubber: &'a Scrubber,
}

impl<W: Write> Write for Line<'_, W> {
    /// Each write is one whole line.
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

/// The subscriber escapes ASCII's control characters in what it is given, and colours its lines
/// with some of its own; what remains is escaped here.
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
