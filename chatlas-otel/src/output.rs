//! Where waterfalls and JSON lines are written: standard output, or a writer of the program's.

use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Default)]
pub(super) enum Output {
    #[default]
    Stdout,
    Writer(Arc<Mutex<dyn Write + Send>>),
}

impl Output {
    pub(super) fn to(writer: impl Write + Send + 'static) -> Self {
        Self::Writer(Arc::new(Mutex::new(writer)))
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout) && std::io::stdout().is_terminal()
    }

    /// The columns of the terminal, where it is one.
    pub(super) fn width(&self) -> Option<usize> {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        self.is_terminal().then_some(usize::from(width.0))
    }

    /// Writes it in one piece, so that two threads do not mix. A reader that went away is no
    /// reason to fail: what the program does matters more than who watches it.
    pub(super) fn write(&self, text: &str) {
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
pub(super) mod tests {
    use std::io;

    use super::*;

    /// A writer whose text can be read.
    #[derive(Clone, Default)]
    pub(in super::super) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader went away.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_broken_pipe_disturbs_nobody() {
        Output::to(Broken).write("trace");
        let written = Shared::default();
        Output::to(written.clone()).write("trace");
        assert_eq!(written.text(), "trace");
    }
}
