//! The output of waterfalls and JSON lines: standard output, or a writer of the program.

use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Default)]
pub(crate) enum Output {
    #[default]
    Stdout,
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl Output {
    pub(crate) fn from_writer(writer: impl Write + Send + 'static) -> Self {
        Self::Writer(Arc::new(Mutex::new(writer)))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout) && std::io::stdout().is_terminal()
    }

    /// Returns the width of the terminal in columns.
    pub(crate) fn width(&self) -> Option<usize> {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        self.is_terminal().then_some(usize::from(width.0))
    }

    /// Writes the text at once, so that two threads do not interleave. Write errors are ignored: a
    /// closed pipe must not stop the program.
    pub(crate) fn write(&self, text: &str) {
        let write = |writer: &mut dyn Write| {
            writer.write_all(text.as_bytes()).and_then(|()| writer.flush())
        };
        let _ = match self {
            Self::Stdout => write(&mut std::io::stdout().lock()),
            Self::Writer(writer) => {
                write(&mut *writer.lock().unwrap_or_else(PoisonError::into_inner))
            }
        };
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "Stdout",
            Self::Writer(_) => "Writer",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;

    use super::*;

    /// A writer whose clones share one buffer.
    #[derive(Clone, Default)]
    pub(crate) struct SharedWriter(Arc<Mutex<Vec<u8>>>);

    impl SharedWriter {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for SharedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader is closed.
    struct BrokenPipe;

    impl Write for BrokenPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn write_errors_are_ignored() {
        Output::from_writer(BrokenPipe).write("trace");
        let written = SharedWriter::default();
        Output::from_writer(written.clone()).write("trace");
        assert_eq!(written.text(), "trace");
    }
}
